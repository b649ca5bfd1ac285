# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what the module found as a table: a result's lines would be wrapped."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Look on the server, print on the controller."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module and print its table under the server's name."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(
            self._execute_module(
                module_name="mainstay.platform.hardening_report", module_args=self._task.args, task_vars=task_vars
            )
        )
        if not result.get("failed"):
            host = (task_vars or {}).get("inventory_hostname", "server")
            Display().display("\n".join(["", f"Hardening of {host}", "", *result["table"], ""]))
        return result
