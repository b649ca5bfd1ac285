# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print lines as they are."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Print on the controller; nothing is asked of the server."""

    _requires_connection = False
    _VALID_ARGS = frozenset(("lines",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print ``lines`` under the server's name."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec({"lines": {"type": "list", "elements": "str", "required": True}})
        host = (task_vars or {}).get("inventory_hostname", "server")
        Display().display("\n".join(["", f"── {host} ".ljust(80, "─"), "", *args["lines"], ""]))
        result.update(changed=False, lines=args["lines"])
        return result
