#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_fetch
short_description: Fetch a backup set of a job from the stores
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Looks into all stores, chooses a set, and fetches it, verified by the SHA-256 in its manifests, from the first store
    that can give it. A download that was interrupted goes on where it ended.
  - Of what fits the newest set is taken; one that was not proven when it was made only when nothing else fits, and one
    that is dated in the future, because a clock was wrong, only when O(set) means no other.
  - What is encrypted stays so. See P(mainstay.platform.backup_key#filter).
options:
  set:
    description:
      - Id of the set, or its start, such as V(20261121).
    type: str
    default: ""
  at:
    description:
      - Take no set that is younger, such as V(2026-11-21 02:00) or V(20261121).
    type: str
    default: ""
  resume:
    description:
      - Without O(set) and O(at), go on with the set of a restore on this host that has not ended.
    type: bool
    default: false
  dest:
    description:
      - Directory for the files. It is made, for root alone.
    type: path
    required: true
extends_documentation_fragment:
  - mainstay.platform.backup.job
  - mainstay.platform.blob.stores
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Chooses, and fetches nothing.
"""

EXAMPLES = r"""
- name: Fetch the newest set
  mainstay.platform.backup_fetch:
    name: snippetly-postgres
    app: snippetly
    database: postgres
    dest: /var/backups/mainstay/snippetly/postgres/from-store
    stores: "{{ backups_stores | mainstay.platform.backup_stores(backups_readers) }}"
  register: fetched
"""

RETURN = r"""
set:
  description: Id of the set.
  returned: success
  type: str
store:
  description: Name of the store that it came from.
  returned: success
  type: str
verdict:
  description: Verdict when it was made.
  returned: success
  type: str
size:
  description: Bytes of all backups of the set.
  returned: success
  type: int
paths:
  description: The backups, each with its manifest beside it.
  returned: success
  type: list
  elements: str
manifests:
  description: Their manifests, in the same order.
  returned: success
  type: list
  elements: dict
"""

import dataclasses
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import private_directory
from ansible_collections.mainstay.platform.plugins.module_utils.backup.module import STATE, orderly_end
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store_options import STORES
from ansible_collections.mainstay.platform.plugins.module_utils.keep import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.keep.fetch import bring_back, find


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "app": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "set": {"type": "str", "default": ""},
            "at": {"type": "str", "default": ""},
            "resume": {"type": "bool", "default": False},
            "dest": {"type": "path", "required": True},
            "stores": STORES,
        },
        supports_check_mode=True,
    )
    params = module.params
    stores = shared.check(module)
    dest = Path(params["dest"])
    if params["resume"] and not (params["set"] or params["at"]):
        params["set"] = unfinished.sets(STATE, params["app"]).get(params["name"], "")
        if params["set"]:
            module.warn(f"a restore of '{params['name']}' is not over; it goes on with its set {params['set']}")
    try:
        if module.check_mode:
            copies, warnings = find(stores, params, params["set"], params["at"], shared.opened, time.time())
            for line in warnings:
                module.warn(line)
            entry = copies[0]
            module.exit_json(
                changed=True, set=entry.set, store=entry.store, verdict=entry.verdict, size=entry.size,
                paths=[str(dest / item["file"]) for item in entry.manifests], manifests=list(entry.manifests),
            )  # fmt: skip
        private_directory(dest)
        with orderly_end():
            done = bring_back(stores, params, dest, shared.opened, time.time(), params["set"], params["at"])
    except (BlobError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    for line in done.warnings:
        module.warn(line)
    result = dataclasses.asdict(done)
    del result["warnings"]
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
