#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Tell what backups are on this server, and how the last runs of their jobs went
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Reads the manifests under C(/var/backups/mainstay) and the state of the jobs. Changes nothing.
options:
  names:
    description:
      - Names of jobs. All that have left a trace on this server when not given.
    type: list
    elements: str
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
"""

EXAMPLES = r"""
- name: Look at what is there
  mainstay.platform.backup_info:
  register: found

- name: Show it
  ansible.builtin.debug:
    msg: "{{ found.jobs | mainstay.platform.backup_table(now().timestamp()) }}"
"""

RETURN = r"""
jobs:
  description:
    - Each job with its state (last_attempt, last_success, last_failure, failing, reason) and its backups, newest last.
  returned: success
  type: list
  elements: dict
drills:
  description: What is kept of the last drill of each app - at, verdict, reason, rto, sets, success.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import manifests_in
from ansible_collections.mainstay.platform.plugins.module_utils.backup.record import load_state
from ansible_collections.mainstay.platform.plugins.module_utils.drill.ledger import DRILLS

SHOWN = (
    "app",
    "database",
    "set",
    "file",
    "databases",
    "pieces",
    "size",
    "sha256",
    "started",
    "finished",
    "duration",
    "counts",
    "encryption",
    "verification",
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"names": {"type": "list", "elements": "str"}}, supports_check_mode=True)
    backups: dict[str, list[dict[str, Any]]] = {}
    for directory in sorted(shared.ROOT.glob("*/*/")):
        for item in manifests_in(directory):
            backups.setdefault(item["job"], []).append({key: item.get(key) for key in SHOWN})
    states = {path.stem: load_state(path) for path in sorted(shared.STATE.glob("*.json"))}
    names = module.params["names"]
    if names is None:
        names = sorted(set(backups) | set(states))
    module.exit_json(
        changed=False,
        drills={path.stem: load_state(path) for path in sorted((shared.STATE / DRILLS).glob("*.json"))},
        jobs=[{"name": name, "state": states.get(name, {}), "backups": backups.get(name, [])} for name in names],
    )


if __name__ == "__main__":
    main()
