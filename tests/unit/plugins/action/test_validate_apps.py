# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a task sees it: arguments in, counts or one clear failure out, without a connection."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible_collections.mainstay.platform.plugins.action.validate_apps import ActionModule

from tests.unit.plugins.module_utils.apps.shop import GONE, PASSWORD, apps


def run(args: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    task = MagicMock(
        Task, async_val=0, check_mode=check_mode, diff=False, args=args, action="mainstay.platform.validate_apps"
    )
    connection = MagicMock()
    action = ActionModule(
        task=task,
        connection=connection,
        play_context=MagicMock(check_mode=check_mode),
        loader=DataLoader(),
        templar=MagicMock(),
        shared_loader_obj=MagicMock(),
    )
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "web-1"})
    assert not connection.method_calls
    return result


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("args", "counts"),
    [
        pytest.param({"apps": apps()}, (2, 3, 5, 2), id="two apps"),
        pytest.param({"apps": apps(), "server": {"memory": "8g", "cpus": 2}}, (2, 3, 5, 2), id="that fit the server"),
        pytest.param({"apps": []}, (0, 0, 0, 0), id="none"),
    ],
)
def test_counts(args: dict[str, Any], counts: tuple[int, ...], check_mode: bool) -> None:
    result = run(args, check_mode)
    assert (result["apps"], result["domains"], result["services"], result["databases"]) == counts
    assert result["changed"] is False
    assert PASSWORD not in str(result)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        pytest.param(
            {"apps": apps({"0.services.1.memory": "1 gib", "1.release": GONE})},
            "2 errors in the inventory of web-1; nothing has been changed.\n"
            "  apps[0] 'shop': services[1].memory: '1 gib' is not a size (try '1g')\n"
            "  apps[1] 'blog': release: is missing: tag of every service's image that has none of its own (such as "
            "'v1.4.2')\n"
            "Correct the variables 'apps' and 'server' where they are defined (group_vars), then run again.",
            id="two errors",
        ),
        pytest.param(
            {"apps": apps({"0.databases.0.password": "hunter2"})},
            "1 error in the inventory of web-1; nothing has been changed.\n"
            "  apps[0] 'shop': databases[0].password: has 7 characters, and needs at least 12 (try: openssl rand -hex "
            "24)\n"
            "Correct the variables 'apps' and 'server' where they are defined (group_vars), then run again.",
            id="one, about a secret",
        ),
        pytest.param(
            {},
            "'apps' is not defined for web-1. Define the list in the group_vars of a group that it is in; "
            "'apps: []' makes a hardened server without apps.",
            id="not defined",
        ),
        pytest.param(
            {"apps": {"shop": {}}},
            "1 error in the inventory of web-1; nothing has been changed.\n"
            "  apps: is a mapping, not a list of apps (begin each with '- name: …')\n"
            "Correct the variables 'apps' and 'server' where they are defined (group_vars), then run again.",
            id="not a list",
        ),
    ],
)
def test_failures(args: dict[str, Any], text: str) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        run(args)
    assert caught.value.message == text
