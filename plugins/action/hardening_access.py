# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of hardening_access: come in anew, before the old settings are given up."""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

# A connection of its own, whatever the inventory says about sharing.
OWN = "-o ControlMaster=no -o ControlPath=none -o ConnectTimeout=10"


class ActionModule(ActionBase):
    """Settle on the server, prove, confirm or undo."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and where it has changed something, come in by a new connection."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        result.update(self._step("settle", variables))
        if not result.pop("armed", False) or result.get("failed"):
            return result
        reason = self._new_connection(variables)
        try:
            ended = self._step("undo" if reason else "confirm", variables)
        except AnsibleError as error:
            ended = {"failed": True, "msg": str(error)}
        if not reason and not ended.get("failed"):
            result["proven"] = self._by_ssh()
            return result
        if ended.get("undone"):
            return {**result, "failed": True, "changed": False, "msg": ended["msg"]}
        seconds = self._task.args.get("second_chance", 60)
        undone = (
            f"the server does it by itself within {seconds} s" if ended.get("failed") else "all was put back as it was"
        )
        told = reason or f"the server cannot be told that it does ({ended['msg']})"
        return {
            **result,
            "failed": True,
            "changed": False,
            "msg": f"With the new settings of SSH and firewall you would not come in any more; {undone}. {told}",
        }

    def _step(self, step: str, variables: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name="mainstay.platform.hardening_access",
            module_args={**self._task.args, "step": step},
            task_vars=variables,
        )
        return done

    def _by_ssh(self) -> bool:
        return str(self._connection.transport).rpartition(".")[2] in ("ssh", "mitogen_ssh", "smart")

    def _new_connection(self, variables: dict[str, Any]) -> str:
        """Why a new connection fails; empty when it does not, or where the way in is not SSH."""
        if not self._by_ssh():
            return ""
        fresh = connection_loader.get("ansible.builtin.ssh", self._play_context, new_stdin=None)
        names = constants.config.get_plugin_vars("connection", "ssh")
        given = {name: self._templar.template(variables[name]) for name in names if name in variables}
        password = {"password": self._play_context.password} if self._play_context.password else {}
        fresh.set_options(task_keys={"timeout": 10, **password}, var_options=given)
        fresh.set_option("ssh_args", OWN)
        try:
            code, _out, err = fresh.exec_command("true", sudoable=False)
        except AnsibleError as error:
            return f"ssh says: {error}"
        finally:
            fresh.close()
        said = err.decode(errors="replace") if isinstance(err, bytes) else err
        return "" if code == 0 else f"ssh says: {said.strip()}"
