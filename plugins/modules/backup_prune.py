#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prune
short_description: Remove old backup sets from the stores
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Decides over every set of every job in each store by that store's C(keep), removes what may go, and says of each set
    why it stays or goes.
  - C(days) keeps everything for so long. C(daily), C(weekly), C(monthly) and C(yearly) keep the newest proven set of so
    many days, weeks, months and years beyond that. A store without C(keep) keeps everything.
  - The newest proven set of a job stays whatever its age. Sets that are not whole, and uploads that never ended, stay
    two days, for they may be on their way. What is not ours is left alone.
  - The server that writes backups cannot remove any. Run this elsewhere, with a credential of its own that may list,
    read and delete.
extends_documentation_fragment:
  - mainstay.platform.blob.stores
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Decides and removes nothing.
"""

EXAMPLES = r"""
- name: Remove what is older than 30 days, but keep one of each of 12 months
  mainstay.platform.backup_prune:
    stores:
      - name: far
        account_url: https://snipback.blob.core.windows.net
        container: backups
        credential: {kind: sas, sas: "{{ pruner_sas }}"}
        keep: {days: 30, monthly: 12}
"""

RETURN = r"""
sets:
  description: Every set with store, job, set, size, keep, reason, removed and error.
  returned: always
  type: list
  elements: dict
failures:
  description: What could not be read or removed; the task fails then, after everything else is done.
  returned: always
  type: list
  elements: str
unfinished:
  description: Uploads that were begun two days ago or earlier, never ended, and were removed.
  returned: always
  type: list
  elements: str
stores:
  description: Each store with name, where, error and protection.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import retention
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store_options import STORES
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store
from ansible_collections.mainstay.platform.plugins.module_utils.keep import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.keep.prune import Pruned, carry_out, decide
from ansible_collections.mainstay.platform.plugins.module_utils.keep.shelf import look


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"stores": STORES}, supports_check_mode=True)
    now = time.time()
    sets: list[Pruned] = []
    unfinished: list[str] = []
    told = []
    for settings in shared.check(module):

        def work(store: Store, settings: dict[str, Any] = settings) -> None:
            entries = look(store, settings["name"], shared.root(settings))
            decisions = decide(entries, retention.parse(settings.get("keep")), now)
            sets.extend(decisions)
            if not module.check_mode:
                unfinished.extend(carry_out(store, decisions, now, shared.root(settings)))

        told.append(shared.tried(settings, work)[1])
    going = [item for item in sets if (not item.decision.keep if module.check_mode else item.removed)]
    result = {
        "changed": bool(going or unfinished),
        "sets": [item.as_dict() for item in sets],
        "unfinished": unfinished,
        "stores": told,
    }
    failures = [f"store '{store['name']}': {store['error']}" for store in told if store["error"]]
    failures += [f"store '{item.entry.store}': {item.error}" for item in sets if item.error]
    if failures:
        module.fail_json(msg="; ".join(failures), failures=failures, **result)
    module.exit_json(failures=[], **result)


if __name__ == "__main__":
    main()
