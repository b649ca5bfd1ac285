# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_told
short_description: What a restore has done, for people
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Renders what M(mainstay.platform.backup_restore) has done, or would do, and the commands that come next.
positional: _input, app, left_out, paused, dry, recovered
options:
  _input:
    description: Its results for the pieces that P(mainstay.platform.restore_pieces#filter) gave.
    type: list
    elements: dict
    required: true
  app:
    description: Name of the app.
    type: str
    required: true
  left_out:
    description: Jobs that were left out.
    type: list
    elements: str
    default: []
  paused:
    description: Seconds for which services stood still; null where they did not.
    type: float
  dry:
    description: Whether it was check mode.
    type: bool
    default: false
  recovered:
    description: Seconds that the recovery of a whole server took; null for anything less.
    type: float
"""

EXAMPLES = r"""
- name: Say it
  ansible.builtin.debug:
    msg: "{{ restored.results | mainstay.platform.restore_told('snippetly', paused=7) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill.route import told


class FilterModule:
    """The filter C(restore_told)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"restore_told": told}
