# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_promises_broken
short_description: Name the backup jobs whose newest proven set is too old
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Takes what P(mainstay.platform.backup_table#filter) takes, and names the jobs that it would call broken.
positional: _input, now, sets, promises
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
    description: What the stores hold, as M(mainstay.platform.backup_catalogue) returned it.
    type: list
    elements: dict
    required: true
  promises:
    description: Jobs by C(name), with C(rpo) or C(max_age) in seconds.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Insist on what was promised
  ansible.builtin.assert:
    that: broken | length == 0
  vars:
    broken: "{{ found.jobs | mainstay.platform.backup_promises_broken(now().timestamp(), catalogue.sets, promises) }}"
"""

RETURN = r"""
_value:
  description: Names of jobs.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.keep.table import broken


class FilterModule:
    """The filter C(backup_promises_broken)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_promises_broken": broken}
