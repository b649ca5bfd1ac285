# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_units
short_description: Unit files for the timers of backup jobs
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives the files that M(mainstay.platform.config_tree) is to write under C(/) - for each job a service, a timer, and
    the link that starts the timer at boot. No secret of a job is in them.
  - Fails when two jobs have one name, or would write into one folder of a store; when another
    server has the same folder; when the settings of a store make no
    sense; and when a recipient is not a public key.
positional: _input, stores, recipients
options:
  _input:
    description: The jobs; their C(name), C(app), C(database), C(engine) and C(schedule) count.
    type: list
    elements: dict
    required: true
  stores:
    description: The stores.
    type: list
    elements: dict
    default: []
  recipients:
    description: Public keys that backups are encrypted to.
    type: list
    elements: str
    default: []
  others:
    description: The stores of the other servers, by their names in the inventory.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Write the units
  mainstay.platform.config_tree:
    name: backups
    root: /
    files: "{{ backups_jobs | mainstay.platform.backup_units }}"
"""

RETURN = r"""
_value:
  description: The files. Their templates are those of the role C(mainstay.platform.backups).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.backup import crypt, retention
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import clashes, shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import problems

UNITS = "etc/systemd/system"
SHOWN = ("name", "app", "engine", "schedule")


def backup_units(
    jobs: list[dict[str, Any]],
    stores: Sequence[dict[str, Any]] = (),
    recipients: Sequence[str] = (),
    others: Mapping[str, Sequence[dict[str, Any]]] | None = None,
) -> list[dict[str, Any]]:
    """Three files for each job, in the order of the jobs."""
    wrong = [f"backups_jobs: {text}" for text in clashes(jobs, stores)]
    wrong += [f"backups_stores: {text}" for text in shared(stores, others or {})]
    wrong += [f"backups_{text}" for text in problems(stores)]
    for index, store in enumerate(stores):
        try:
            retention.parse(store.get("keep"), f"backups_stores[{index}] '{store.get('name')}': keep")
        except ValueError as error:
            wrong += str(error).splitlines()
    try:
        if recipients:
            crypt.parse_recipients([str(item) for item in recipients])
    except BackupError as error:
        wrong += [f"backups_{text}" for text in str(error).split("; ")]
    if wrong:
        raise AnsibleFilterError("; ".join(wrong))
    files: list[dict[str, Any]] = []
    for job in jobs:
        unit = f"mainstay-backup-{job['name']}"
        shown = {"job": {key: job[key] for key in SHOWN}}
        files += [
            {"src": "backup.service.j2", "dest": f"{UNITS}/{unit}.service", "vars": shown},
            {"src": "backup.timer.j2", "dest": f"{UNITS}/{unit}.timer", "vars": shown},
            {"link": f"/{UNITS}/{unit}.timer", "dest": f"{UNITS}/timers.target.wants/{unit}.timer"},
        ]
    return files


class FilterModule:
    """The filter C(backup_units)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_units": backup_units}
