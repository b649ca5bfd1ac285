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
  - Fails when two jobs have one name, or would write into one folder of the store.
positional: _input, prefix
options:
  _input:
    description: The jobs; their C(name), C(app), C(database), C(engine) and C(schedule) count.
    type: list
    elements: dict
    required: true
  prefix:
    description: Start of names in the store, see P(mainstay.platform.backup_folder#filter).
    type: str
    default: ""
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

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import clashes

UNITS = "etc/systemd/system"
SHOWN = ("name", "app", "engine", "schedule")


def backup_units(jobs: list[dict[str, Any]], prefix: str | None = "") -> list[dict[str, Any]]:
    """Three files for each job, in the order of the jobs."""
    if problems := clashes(jobs, prefix or ""):
        raise AnsibleFilterError("backups_jobs: " + "; ".join(problems))
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
