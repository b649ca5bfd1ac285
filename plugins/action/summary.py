# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what a server runs at the end of a playbook."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.mainstay.platform.plugins.module_utils import summary
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.backups_jobs import backups_jobs
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.certbot_certificates import (
    certbot_certificates,
)


class ActionModule(ActionBase):
    """Collect by ``server_info``, print once."""

    _requires_connection = True
    _VALID_ARGS = frozenset(("apps", "encrypted"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the server, print its picture, return it as ``summary``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            apps = load(self._task.args["apps"])
        except (KeyError, ModelError) as error:
            raise AnsibleActionFail(f"summary needs the apps of the inventory: {error}") from error
        encrypted = boolean(self._task.args.get("encrypted", False))
        keys = ("name", "app", "database", "schedule")
        jobs = [{key: job[key] for key in keys} for job in backups_jobs(apps, encrypted)]
        info: dict[str, Any] = self._execute_module(
            module_name="mainstay.platform.server_info",
            module_args={
                "apps": [app["name"] for app in apps],
                "certificates": [item["name"] for item in certbot_certificates(apps)],
                "backups": jobs,
            },
            task_vars=task_vars,
        )
        if info.get("failed"):
            return result | info
        host = (task_vars or {}).get("inventory_hostname", "server")
        text = summary.render(host, info, time.time(), apps)
        Display().display("\n" + text + "\n")
        result.update(changed=False, summary=text)
        return result
