# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that a look has shown to be as wanted need no trip to the server."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.module_utils.host import apt
from ansible_collections.mainstay.platform.plugins.plugin_utils import looks


class ActionModule(ActionBase):
    """Answer from the look where there is nothing to do; ask the server otherwise."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare with what was seen, or run the module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, arguments = task_vars or {}, self._task.args
        seen = looks.recall(self, variables)
        names = arguments.get("name")
        # What the module would refuse, it shall refuse.
        asked = isinstance(names, list) and all(isinstance(name, str) for name in names)
        present = asked and arguments.get("state", "present") == "present"
        if seen and present and not apt.todo(names, set(seen["packages"]), "present"):
            return result | {"changed": False, "packages": []}
        return result | looks.settle(self, variables, "mainstay.platform.packages", arguments)
