#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_store
short_description: Bring the backups of a job into their stores
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Every store gets every set that is on this server, the newest first, each backup before its manifest. A store that
    is down hinders no other; what it missed it gets with the next run.
  - Fails after all have been tried when one of them does not have everything.
  - The credential needs the right to create and no other. It cannot look, so what was sent is remembered in
    C(/var/lib/mainstay/backups/NAME.json). When the credential could also remove, there is a warning.
options:
  directory:
    description:
      - Where the backups are. C(/var/backups/mainstay/APP/DATABASE) when not given.
    type: path
extends_documentation_fragment:
  - mainstay.platform.backup.job
  - mainstay.platform.blob.stores
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Says what would be sent, and does not ask the stores.
seealso:
  - module: mainstay.platform.backup_create
  - module: mainstay.platform.backup_catalogue
"""

EXAMPLES = r"""
- name: Store what was backed up, near and far
  mainstay.platform.backup_store:
    name: snippetly-postgres
    app: snippetly
    database: postgres
    stores:
      - name: near
        endpoint_url: https://s3.example.com
        bucket: backups
        credential: {access_key_id: snippetly-writer, secret_access_key: "{{ near_secret }}"}
      - name: far
        account_url: https://snipback.blob.core.windows.net
        container: backups
        credential: {kind: sas, sas: "{{ far_sas }}"}
  vars:
    ansible_python_interpreter: /opt/mainstay/venv/bin/python
"""

RETURN = r"""
stores:
  description: What came of each store.
  returned: always
  type: list
  elements: dict
  contains:
    store: {description: Its name., type: str, returned: always}
    where: {description: "The place, for people.", type: str, returned: always}
    sent: {description: Files that were sent., type: list, elements: str, returned: always}
    verified: {description: How the service checked each of them., type: list, elements: str, returned: always}
    unverified:
      description: Files whose name was taken, most likely by an earlier run that was cut off.
      type: list
      elements: str
      returned: always
    protection:
      description: Whether the credential could remove objects - name, verdict, reason.
      type: dict
      returned: always
    error: {description: Why it does not have everything; empty when it has., type: str, returned: always}
"""

import dataclasses
import time
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as backup
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import manifests_in
from ansible_collections.mainstay.platform.plugins.module_utils.backup.record import load_state, update_state
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store_options import STORES
from ansible_collections.mainstay.platform.plugins.module_utils.keep import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.keep.upload import Outcome, bring, due, remember


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "app": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "directory": {"type": "path"},
            "stores": STORES,
        },
        supports_check_mode=True,
    )
    params = module.params
    directory = backup.directory(params)
    state_file = backup.STATE / f"{params['name']}.json"
    if module.check_mode:
        state, here = load_state(state_file), manifests_in(directory)
        lacking = {
            store["name"]: due(here, remember(state.get("stores", {}).get(store["name"], {}), here, time.time()))
            for store in params["stores"]
        }
        would = [Outcome(name, sent=[file for _item, file in missing]) for name, missing in lacking.items()]
        module.exit_json(changed=any(lacking.values()), stores=[dataclasses.asdict(item) for item in would])
    stores = shared.check(module)
    backup.be_polite()
    try:
        with (
            backup.orderly_end(),
            files.lock(backup.STATE / f"{params['name']}.lock", f"backup job '{params['name']}'"),
        ):
            here = manifests_in(directory)
            before = load_state(state_file).get("stores", {})
            sent = {store["name"]: before.get(store["name"], {}) for store in stores}

            def save(name: str, known: dict[str, Any]) -> None:
                sent[name] = known
                update_state(state_file, lambda state: {**state, "stores": sent})

            outcomes = [
                bring(store, params, directory, here, sent[name], partial(save, name), time.time())
                for name, store in zip(list(sent), stores, strict=True)
            ]
    except (BackupError, OSError) as error:
        module.fail_json(msg=f"backup job '{params['name']}': {error}", stores=[])
    for outcome in outcomes:
        if outcome.protection and outcome.protection.verdict == "bad":
            module.warn(f"store '{outcome.store}': {outcome.protection.reason}")
        for line in outcome.unverified:
            module.warn(f"store '{outcome.store}': {line}")
    result = {"changed": any(o.sent for o in outcomes), "stores": [dataclasses.asdict(o) for o in outcomes]}
    lacking_stores = [o for o in outcomes if o.error]
    if lacking_stores:
        reasons = "; ".join(f"not in store '{o.store}': {o.error}" for o in lacking_stores)
        good = ", ".join(f"'{o.store}'" for o in outcomes if not o.error)
        module.fail_json(msg=f"{reasons}{f' (it is in {good})' if good else ''}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
