# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_left_out
short_description: The apps of which no recovery drill can show anything
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Gives each app that P(mainstay.platform.drill_projects#filter) leaves out, with the reason, and what tries its
    backups instead.
positional: _input
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: What is never drilled
  ansible.builtin.debug:
    msg: "{{ apps | mainstay.platform.drill_left_out }}"
"""

RETURN = r"""
_value:
  description: Those apps.
  type: list
  elements: dict
  contains:
    app: {description: Name of the app., type: str, sample: site}
    reason: {description: Why there is no drill of it., type: str, sample: it has no database}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import ledger
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(drill_left_out)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_left_out": project(ledger.left_out)}
