# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_table
short_description: The catalogue of backups as an aligned table
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Brings together what M(mainstay.platform.backup_info) says of a server and M(mainstay.platform.backup_catalogue) of
    the stores, for people.
  - The column C(rpo) says of the newest set of a job that is proven and stored whether it is as young as promised.
positional: _input, now
options:
  _input:
    description: The jobs, as M(mainstay.platform.backup_info) returned them.
    type: list
    elements: dict
    required: true
  now:
    description: The present moment in seconds since 1970.
    type: float
    required: true
  sets:
    description: What the stores hold, as M(mainstay.platform.backup_catalogue) returned it. Without it only what the
      server remembers is known.
    type: list
    elements: dict
  stores:
    description: The stores, from the same result.
    type: list
    elements: dict
    default: []
  promises:
    description: Jobs by C(name), with C(rpo) or C(max_age) in seconds, as in C(backups) of
      P(mainstay.platform.monitoring_targets#filter).
    type: list
    elements: dict
    default: []
  limit:
    description: How many sets of each job are shown; V(0) for all.
    type: int
    default: 0
  drills:
    description: What is kept of drills by app, as M(mainstay.platform.backup_info) returned it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.jobs | mainstay.platform.backup_table(now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.keep.table import table


class FilterModule:
    """The filter C(backup_table)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_table": table}
