# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a server once and keep what was seen for the rest of the play."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.plugin_utils import looks


class ActionModule(ActionBase):
    """Look, remember, and say in short what was seen."""

    _supports_check_mode = True
    _VALID_ARGS: frozenset[str] = frozenset(("units",))

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module and keep its answer."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        seen: dict[str, Any] = self._execute_module(
            module_name="mainstay.platform.look", module_args=self._task.args, task_vars=variables
        )
        if not seen.get("failed"):
            looks.remember(self, variables, {key: seen[key] for key in ("packages", "units", "trees", "runtime")})
            seen |= {"packages": len(seen["packages"]), "units": len(seen["units"]), "trees": sorted(seen["trees"])}
            del seen["runtime"]
        return result | seen
