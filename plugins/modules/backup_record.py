#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_record
short_description: Record how a backup went, publish it as metrics, and remove old local copies
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Keeps the state of a job in C(/var/lib/mainstay/backups/NAME.json), and writes it for node exporter's text file
    collector, so that a backup that fails or does not even run is seen by an alert on its age.
  - After a good run removes local backups that are older than O(keep_local) days. The newest proven set stays whatever
    its age.
  - After a bad one removes those of them that are in every store that works, so that a store which is away for weeks
    does not fill the disk. A store works that has the newest set.
options:
  engine:
    description:
      - Kind of the database.
    type: str
    required: true
  outcome:
    description:
      - V(success) only when the backup is proven and stored. V(forget) removes state and metrics of a job that is gone.
    type: str
    choices: [success, failure, forget]
    required: true
  reason:
    description:
      - Why it failed.
    type: str
    default: ""
  backup:
    description:
      - What M(mainstay.platform.backup_create) returned. Needed for V(success).
    type: dict
    default: {}
  keep_local:
    description:
      - Days that local copies are kept.
    type: float
    default: 7
  directory:
    description:
      - Where the backups are. C(/var/backups/mainstay/APP/DATABASE) when not given.
    type: path
  metrics_directory:
    description:
      - Directory of the text file collector. It is made when missing.
    type: path
    default: /var/lib/prometheus/node-exporter
extends_documentation_fragment:
  - mainstay.platform.backup.job
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Says which backups would go.
seealso:
  - module: mainstay.platform.backup_create
"""

EXAMPLES = r"""
- name: Record that the backup is proven and stored
  mainstay.platform.backup_record:
    name: snippetly-postgres
    app: snippetly
    database: postgres
    engine: postgresql
    outcome: success
    backup: "{{ made }}"
"""

RETURN = r"""
removed:
  description: Sets that were removed, or would be in check mode, with the reason.
  returned: always
  type: list
  elements: dict
  sample:
    - {set: 20261101-020000, reason: "20.0 days old, 7 days are kept"}
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, record
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import manifests_in
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import moment, whole_sets
from ansible_collections.mainstay.platform.plugins.module_utils.backup.restore import BEFORE_RESTORE
from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import Decision
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError


def prune(
    directory: Path, keep_days: float, now: float, dry: bool, state: Mapping[str, Any] | None = None
) -> list[Decision]:
    """Remove what is too old from one directory; with a ``state``, what is in every store that works. Returns what
    went, or would go."""
    manifests = manifests_in(directory)
    going = [item for item in record.decide(manifests, keep_days, now) if not item.keep]
    if state is not None:
        sent = record.sent_everywhere(state, {item["set"] for item in whole_sets(manifests)})
        going = [item for item in going if item.set in sent]
    for item in going if not dry else ():
        record.remove_set(directory, manifests, item.set)
    return going


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "app": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "engine": {"type": "str", "required": True},
            "outcome": {"type": "str", "choices": ["success", "failure", "forget"], "required": True},
            "reason": {"type": "str", "default": ""},
            "backup": {"type": "dict", "default": {}},
            "keep_local": {"type": "float", "default": 7},
            "directory": {"type": "path"},
            "metrics_directory": {"type": "path", "default": "/var/lib/prometheus/node-exporter"},
        },
        supports_check_mode=True,
    )
    params = module.params
    now = time.time()
    directory = shared.directory(params)
    metrics = Path(params["metrics_directory"])
    state_file = shared.STATE / f"{params['name']}.json"
    metrics_file = metrics / f"mainstay_backup_{params['name']}.prom"
    if params["outcome"] == "forget":
        gone = [path for path in (state_file, metrics_file) if path.exists()]
        for path in gone if not module.check_mode else ():
            path.unlink()
        module.exit_json(changed=bool(gone), removed=[])

    good = params["outcome"] == "success"
    made = params["backup"]
    removed = []
    try:
        if not module.check_mode:
            outcome = {"ok": good, "reason": params["reason"]}
            if good:
                started = min(moment(item["started"]) for item in made["files"])
                outcome |= {key: made[key] for key in ("set", "size", "duration")} | {"started": started}
            state = record.update_state(state_file, lambda state: record.next_state(state, outcome, now))
            metrics.mkdir(parents=True, exist_ok=True)
            labels = {"backup": params["name"], "app": params["app"], "engine": params["engine"]}
            files.write_atomic(metrics_file, record.render_metrics(labels, state), mode=0o644)
        if directory.is_dir():
            # Whoever was refused because somebody works on the job leaves the copies to him.
            with (
                contextlib.nullcontext() if good else contextlib.suppress(BackupError),
                files.lock(shared.STATE / f"{params['name']}.lock", f"backup job '{params['name']}'"),
            ):
                if good:
                    for folder in (directory, directory / BEFORE_RESTORE):
                        removed += prune(folder, params["keep_local"], now, module.check_mode)
                else:
                    state = record.load_state(state_file)
                    removed += prune(directory, params["keep_local"], now, module.check_mode, state)
    except (BackupError, OSError, KeyError) as error:
        module.fail_json(msg=f"backup job '{params['name']}': {error}")
    module.exit_json(changed=True, removed=[{"set": item.set, "reason": item.reason} for item in removed])


if __name__ == "__main__":
    main()
