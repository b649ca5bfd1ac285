# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_failure
short_description: What went wrong in a restore
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Finds the message of the task that failed, whether it was a loop or not, and whether data was left half restored.
options:
  _input:
    description: The task's result, C(ansible_failed_result).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.debug:
    msg: "{{ (ansible_failed_result | mainstay.platform.restore_failure).msg }}"
"""

RETURN = r"""
_value:
  description: C(msg) and C(half_done).
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import route


class FilterModule:
    """The filter C(restore_failure)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"restore_failure": route.failure}
