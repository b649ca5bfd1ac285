# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that a look has shown to be as wanted need no trip to the server."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.module_utils.host import units
from ansible_collections.mainstay.platform.plugins.plugin_utils import looks


class ActionModule(ActionBase):
    """Answer from the look where there is nothing to do; ask the server otherwise."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare with what was seen, or run the module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, arguments = task_vars or {}, self._task.args
        seen = looks.recall(self, variables)
        if seen and self._settled(arguments.get("units"), seen["units"]):
            return result | {"changed": False, "commands": [], "held_back": []}
        return result | looks.settle(self, variables, "mainstay.platform.systemd_units", arguments)

    def _settled(self, wanted: Any, seen: dict[str, dict[str, Any]]) -> bool:
        """Whether all is as wanted. What the module would refuse, it shall refuse."""
        if not isinstance(wanted, list) or not all(isinstance(unit, dict) and _readable(unit) for unit in wanted):
            return False
        status = {name: units.Status(**fields) for name, fields in seen.items()}
        return units.settled(units.wanted(wanted), status)


def _readable(unit: dict[str, Any]) -> bool:
    kinds: dict[str, tuple[type, ...]] = {"name": (str,), "enabled": (bool, type(None)), "state": (str, type(None))}
    return "name" in unit and all(key in kinds and isinstance(value, kinds[key]) for key, value in unit.items())
