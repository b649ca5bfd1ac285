# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_table
short_description: Recovery drills as an aligned table
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Renders drills for people, with the reason of whatever did not go well below.
positional: _input, left_out
options:
  _input:
    description: Drills, each with C(app), C(result), C(rto) and C(promised) in seconds.
    type: list
    elements: dict
    required: true
  left_out:
    description: Apps that were not drilled, from P(mainstay.platform.drill_left_out#filter).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ drills | mainstay.platform.drill_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import ledger


class FilterModule:
    """The filter C(drill_table)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_table": ledger.table}
