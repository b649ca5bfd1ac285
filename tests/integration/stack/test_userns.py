# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine with ``userns-remap``: an app that keeps nothing runs on it, one that keeps data is refused. On the bed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.outside import INVENTORY, Server, bed, recap

HERE = Path(__file__).parent
NAME = "t-userns-test"
SERVICE = {
    "image": "postgres",
    "memory": "64m",
    "user": "999:999",
    "stop_timeout": "1s",
    "health": {"command": ["sh", "-c", 'test -n "$TOKEN"'], "interval": "1s", "timeout": "10s"},
    "command": ["sleep", "infinity"],
}
PAGES: dict[str, Any] = {
    "name": "pages",
    "release": "17",
    "services": [{"name": "web", **SERVICE}, {"name": "worker", **SERVICE}],
    "secrets": {"TOKEN": "the-token-of-a-test"},
}
DATABASE = {"name": "db", "engine": "postgresql", "version": "17", "memory": "128m", "password": "password-of-a-test"}
KEEPS = {**PAGES, "name": "shop", "databases": [DATABASE]}


class Remapped(Server):
    """A server whose containers have users of their own."""

    def site(self, *apps: dict[str, Any], folder: Path, check: bool = True, options: tuple[str, ...] = ()) -> str:
        host = {"apps": list(apps), "docker_registries": [], "docker_userns_remap": True}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"snippetly": {"hosts": {NAME: host}}}))
        self.inventory = (*INVENTORY, "-i", str(folder / "hosts.yml"))
        return self.play(HERE / "userns.yml", *options, check=check)


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def server(request: pytest.FixtureRequest) -> Iterator[Remapped]:
    bed("server", "down", NAME)
    bed("server", "up", NAME, "--release", request.param)
    server = Remapped(NAME, server={"memory": "4g", "cpus": 2})
    # The bed covers parts of /proc, and the kernel lets other users mount theirs only where a whole one is in sight.
    server.shell("mkdir /run/whole-proc && mount -t proc proc /run/whole-proc")
    yield server
    bed("server", "down", NAME)


def test_an_app_that_keeps_data_is_refused(server: Remapped, tmp_path: Path) -> None:
    said = " ".join(server.site(PAGES, KEEPS, folder=tmp_path, check=False).split())
    assert "1 error in the variables of t-userns-test; nothing has been changed." in said
    assert "shop keeps database db on this server" in said
    assert server.shell("ls -d /srv/* /etc/docker; command -v dockerd", check=False) == ""


def test_an_app_that_keeps_nothing_runs(server: Remapped, tmp_path: Path) -> None:
    server.site(PAGES, folder=tmp_path)
    assert "name=userns" in server.shell("docker info --format '{{.SecurityOptions}}'")
    first = int(server.shell("grep ^dockremap: /etc/subuid | cut -d: -f2"))
    pids = server.shell("docker inspect -f '{{.State.Pid}}' $(docker ps -q)").split()
    assert len(pids) == 2
    for pid in pids:
        assert server.shell(f"awk '/^Uid/ {{print $2}}' /proc/{pid}/status") == str(first + 999)
    assert recap(server.site(PAGES, folder=tmp_path))["changed"] == 0
    web = {**PAGES["services"][0], "env": {"COLOUR": "green"}}
    server.site({**PAGES, "services": [web]}, folder=tmp_path)
    assert "COLOUR=green" in server.shell("docker inspect $(docker ps -q)")
