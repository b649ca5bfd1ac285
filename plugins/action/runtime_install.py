# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of runtime_install: the collection travels only when the server has another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.module_utils.runtime import archive, install
from ansible_collections.mainstay.platform.plugins.plugin_utils import looks

COLLECTION = Path(__file__).parents[2]


class ActionModule(ActionBase):
    """Ask the server, send what it lacks."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and once more with the archive when it asks for it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = {key: value for key, value in self._task.args.items() if not key.startswith("_")}
        if arguments.get("state", "present") == "present":
            arguments["_collection"] = archive.content_hash(COLLECTION)
            if self._in_use(arguments, task_vars or {}):
                return result | {"changed": False, "installed": []}
        try:
            done = self._ask(arguments, task_vars)
            if done.pop("archive_needed", False):
                place = self._connection._shell.join_path(self._make_tmp_path(), "collection.tar.gz")
                self._transfer_data(place, archive.build(COLLECTION))
                self._fixup_perms2([self._connection._shell.tmpdir, place], execute=False)
                done = self._ask({**arguments, "_archive": place}, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result.update(done)
        return result

    def _in_use(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> bool:
        """Whether a look has shown that exactly this is in use, in its usual place."""
        seen = (looks.recall(self, task_vars) or {}).get("runtime")
        if not seen or not {"requirements"} <= arguments.keys() <= {"requirements", "_collection", "state"}:
            return False
        wanted = install.wanted(arguments["requirements"], tuple(seen["python"]), arguments["_collection"])
        return bool(seen["current"] == wanted)

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return looks.settle(self, task_vars or {}, "mainstay.platform.runtime_install", arguments)
