# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check ``apps`` on the controller, before any server is touched."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load


class ActionModule(ActionBase):
    """Load the model and say what is wrong with it, all at once; needs no connection."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("apps", "server", "system"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return how many apps, domains, services and databases there are, or fail with every error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = (task_vars or {}).get("inventory_hostname", "this host")
        if self._task.args.get("apps") is None:
            raise AnsibleActionFail(
                f"'apps' is not defined for {host}. Define the list in the group_vars of a group that it is in; "
                "'apps: []' makes a hardened server without apps."
            )
        try:
            apps = load(*(self._task.args.get(name) for name in ("apps", "server", "system")))
        except ModelError as error:
            raise AnsibleActionFail(explain(error.errors, host)) from None
        kinds = ("domains", "services", "databases")
        result.update(changed=False, apps=len(apps), **{kind: sum(len(app[kind]) for app in apps) for kind in kinds})
        return result


def explain(errors: list[str], host: str) -> str:
    """Return the errors as the text of a failure: how many, each on its line, what to do next."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = [f"{count} in the inventory of {host}; nothing has been changed.", *(f"  {error}" for error in errors)]
    lines.append("Correct the variables 'apps' and 'server' where they are defined (group_vars), then run again.")
    return "\n".join(lines)
