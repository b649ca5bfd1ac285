# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_failure
short_description: What a drill has shown that failed
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives the result of a drill in the form of M(mainstay.platform.app_drill), from that of any task of it that failed.
options:
  _input:
    description: The task's result, C(ansible_failed_result).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.debug:
    msg: "{{ (ansible_failed_result | mainstay.platform.drill_failure).reason }}"
"""

RETURN = r"""
_value:
  description: The result.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import ledger


class FilterModule:
    """The filter C(drill_failure)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_failure": ledger.failure}
