# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_timers
short_description: What shall become of the timers of backup jobs
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives the units for M(mainstay.platform.systemd_units) - timers of jobs run, those whose files were removed stop.
positional: _input, removed
options:
  _input:
    description: The jobs; their C(name) counts.
    type: list
    elements: dict
    required: true
  removed:
    description: Files that M(mainstay.platform.config_tree) has removed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Run the timers
  mainstay.platform.systemd_units:
    units: "{{ backups_jobs | mainstay.platform.backup_timers(tree.removed_files) }}"
"""

RETURN = r"""
_value:
  description: The units.
  type: list
  elements: dict
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

_TIMER = re.compile(r"/etc/systemd/system/(mainstay-backup-[^/]+\.timer)")


def backup_timers(jobs: list[dict[str, Any]], removed: Sequence[str] = ()) -> list[dict[str, str]]:
    """Timers to run, then timers to stop."""
    gone = [found[1] for path in removed if (found := _TIMER.fullmatch(path))]
    return [
        *({"name": f"mainstay-backup-{job['name']}.timer", "state": "started"} for job in jobs),
        *({"name": name, "state": "stopped"} for name in gone),
    ]


class FilterModule:
    """The filter C(backup_timers)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_timers": backup_timers}
