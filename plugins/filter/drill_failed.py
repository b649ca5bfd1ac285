# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_failed
short_description: The apps that a drill did not bring back as promised
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Names the apps that did not come back, or not in the time that is promised.
options:
  _input:
    description: Drills, each with C(app), C(result), C(rto) and C(promised) in seconds.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Insist
  ansible.builtin.assert:
    that: drills | mainstay.platform.drill_failed | length == 0
"""

RETURN = r"""
_value:
  description: Names of apps.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import ledger


class FilterModule:
    """The filter C(drill_failed)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_failed": ledger.failed}
