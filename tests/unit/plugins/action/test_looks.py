# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a look: who answers without a trip to the server, who goes there, and what ends it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible_collections.mainstay.platform.plugins.action import (
    config_tree,
    look,
    packages,
    runtime_install,
    systemd_units,
)
from ansible_collections.mainstay.platform.plugins.module_utils.host.units import Status
from ansible_collections.mainstay.platform.plugins.module_utils.runtime import archive, install
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import check, digest

UP = asdict(Status(present=True, active="active", file_state="enabled"))
TREE = {"name": "t", "files": [{"dest": "etc/a", "content": "one"}]}


def entries() -> list[Any]:
    return [source.entry for source in check(TREE).sources]


SEEN = {
    "packages": ["nginx", "zstd"],
    "units": {
        "nginx.service": UP,
        "stale.service": UP | {"stale": True},
        "down.service": UP | {"active": "inactive"},
        "held.service": UP | {"active": "inactive", "held_back": True},
    },
    "trees": {"t": digest(entries())},
    "runtime": {
        "python": [3, 13],
        "current": install.wanted("a==1", (3, 13), archive.content_hash(runtime_install.COLLECTION)),
    },
}


class Server:
    """Counts the trips that tasks make to it, and answers as told."""

    def __init__(self) -> None:
        self.trips: list[str] = []
        self.answer: dict[str, Any] = {"changed": False}
        self.play = MagicMock(_uuid="play-1")

    def run(
        self, kind: type[ActionBase], args: dict[str, Any], host: str = "web-1", delegate_to: str | None = None
    ) -> dict[str, Any]:
        task = MagicMock(
            Task, async_val=0, check_mode=False, diff=False, args=args, action="x", delegate_to=delegate_to
        )
        task.get_play.return_value = self.play
        templar = MagicMock()
        templar.copy_with_new_env.return_value = templar
        action = kind(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(check_mode=False),
            loader=DataLoader(),
            templar=templar,
            shared_loader_obj=MagicMock(),
        )

        def execute(module_name: str, **arguments: Any) -> dict[str, Any]:
            self.trips.append(module_name.rpartition(".")[2])
            return dict(SEEN if module_name.endswith(".look") else self.answer)

        action._execute_module = execute
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": host})
        return result


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    server = Server()
    server.run(look.ActionModule, {})
    server.trips.clear()
    return server


def unit(name: str, **wanted: Any) -> dict[str, Any]:
    return {"units": [{"name": name, **wanted}]}


SATISFIED = [
    pytest.param(packages.ActionModule, {"name": ["nginx", "zstd"]}, id="packages"),
    pytest.param(systemd_units.ActionModule, unit("nginx", enabled=True, state="started"), id="unit"),
    pytest.param(systemd_units.ActionModule, unit("down", state="stopped"), id="unit-that-shall-be-down"),
    pytest.param(config_tree.ActionModule, TREE, id="tree"),
    pytest.param(runtime_install.ActionModule, {"requirements": "# of today\na==1\n"}, id="runtime"),
]


@pytest.mark.parametrize(("kind", "args"), SATISFIED)
def test_nothing_to_do_needs_no_trip(server: Server, kind: type[ActionBase], args: dict[str, Any]) -> None:
    assert server.run(kind, args)["changed"] is False
    assert server.trips == []


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        pytest.param(packages.ActionModule, {"name": ["nginx", "ufw"]}, id="package-missing"),
        pytest.param(packages.ActionModule, {"name": ["nginx"], "state": "absent"}, id="package-to-remove"),
        pytest.param(packages.ActionModule, {"name": [1]}, id="package-ill-named"),
        pytest.param(packages.ActionModule, {}, id="no-packages-named"),
        pytest.param(systemd_units.ActionModule, unit("down", state="started"), id="unit-down"),
        pytest.param(systemd_units.ActionModule, unit("held", state="started"), id="unit-held-back"),
        pytest.param(systemd_units.ActionModule, unit("stale", state="started"), id="unit-file-changed"),
        pytest.param(systemd_units.ActionModule, unit("nginx", state="restarted"), id="unit-to-restart"),
        pytest.param(systemd_units.ActionModule, unit("nginx", enabled=False), id="unit-to-disable"),
        pytest.param(systemd_units.ActionModule, unit("unknown", enabled=False), id="unit-not-loaded"),
        pytest.param(systemd_units.ActionModule, unit("nginx", status="started"), id="unit-ill-described"),
        pytest.param(runtime_install.ActionModule, {"requirements": "a==2"}, id="runtime-of-other-packages"),
        pytest.param(
            runtime_install.ActionModule, {"requirements": "a==1", "root": "/srv/mainstay"}, id="runtime-elsewhere"
        ),
        pytest.param(runtime_install.ActionModule, {"state": "absent"}, id="runtime-to-remove"),
        pytest.param(config_tree.ActionModule, {**TREE, "state": "absent"}, id="tree-to-remove"),
        pytest.param(config_tree.ActionModule, {**TREE, "name": "other"}, id="tree-unknown"),
        pytest.param(
            config_tree.ActionModule, {"name": "t", "files": [{"dest": "etc/a", "content": "two"}]}, id="tree-differs"
        ),
        pytest.param(
            config_tree.ActionModule,
            {"name": "t", "files": [{"dest": "etc/a", "content": "one", "mode": "0600"}]},
            id="mode-differs",
        ),
    ],
)
def test_something_to_do_goes_to_the_server(server: Server, kind: type[ActionBase], args: dict[str, Any]) -> None:
    server.run(kind, args)
    assert len(server.trips) == 1


@pytest.mark.parametrize(("kind", "args"), SATISFIED)
@pytest.mark.parametrize(
    "answer", [pytest.param({"changed": True}, id="changed"), pytest.param({"failed": True}, id="failed")]
)
def test_a_change_ends_it(server: Server, kind: type[ActionBase], args: dict[str, Any], answer: dict[str, Any]) -> None:
    server.answer = answer
    server.run(packages.ActionModule, {"name": ["new"]})
    server.run(kind, args)
    assert len(server.trips) == 2


@pytest.mark.parametrize(("kind", "args"), SATISFIED)
def test_it_is_of_one_host_and_one_play(server: Server, kind: type[ActionBase], args: dict[str, Any]) -> None:
    server.run(kind, args, host="web-2")
    server.run(kind, args, delegate_to="web-2")
    server.play = MagicMock(_uuid="play-2")
    server.run(kind, args)
    assert len(server.trips) == 3


def test_what_was_seen_is_nobody_elses(server: Server, tmp_path: Path) -> None:
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


def test_the_result_holds_no_digest(server: Server) -> None:
    result = server.run(look.ActionModule, {})
    assert (result["packages"], result["units"], result["trees"]) == (2, 4, ["t"])
    assert SEEN["trees"]["t"] not in str(result)
