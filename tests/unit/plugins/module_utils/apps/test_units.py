# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of apps of ``runtime: systemd``, and what else differs for them in projections."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import app_stack, drill_projects, units
from ansible_collections.mainstay.platform.plugins.module_utils.release.layout import tree
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import values

from tests.unit.plugins.module_utils.apps.shop import PASSWORD
from tests.unit.plugins.module_utils.apps.test_systemd import club

POSTGRES = {"name": "db", "engine": "postgresql", "version": "17", "memory": "256m", "password": PASSWORD}
REDIS = {"name": "cache", "engine": "redis", "version": "8", "memory": "64m", "password": PASSWORD}


def files(changes: dict[str, Any] | None = None) -> dict[str, str]:
    return units.unit_files(load(club(changes))[0])


def backend(changes: dict[str, Any] | None = None) -> list[str]:
    return files(changes)["units/blue/club-blue-backend.service"].splitlines()


def project(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    [found] = app_stack.app_stack_projects(load(club(changes)))
    return found


def test_each_process_has_a_unit_in_each_slot_and_static_files_have_none() -> None:
    health = {"services.1.health": {"command": ["venv/bin/well"]}}
    assert sorted(files(health)) == [
        "once/blue/backend.health.service",
        "once/blue/migrate.service",
        "once/build.service",
        "once/green/backend.health.service",
        "once/green/migrate.service",
        "units/blue/club-blue-backend.service",
        "units/green/club-green-backend.service",
    ]
    assert "once/build.service" not in files({"source.build": None})


@pytest.mark.parametrize(
    ("command", "line"),
    [
        pytest.param(["venv/bin/uvicorn", "a:b"], '"/app/venv/bin/uvicorn" "a:b"', id="in the release"),
        pytest.param(["node", "index.js"], '"node" "index.js"', id="of the system"),
        pytest.param(["/usr/bin/node", "."], '"/usr/bin/node" "."', id="by its path"),
        pytest.param(["run", "--port={port}"], '"run" "--port=20011"', id="its port"),
        pytest.param(["run", "50% of $HOME ${X} %n"], '"run" "50%% of $$HOME $${X} %%n"', id="nothing is filled in"),
        pytest.param(["run", "a \"b\" \\ 'c'", ""], '"run" "a \\"b\\" \\\\ \'c\'" ""', id="quotes"),
    ],
)
def test_commands_are_taken_as_they_are(command: list[str], line: str) -> None:
    changes = {"services.1.command": command, "services.1.ports": {"blue": 20011, "green": 20012}}
    assert f"ExecStart={line}" in backend(changes)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("plain", id="plain"),
        pytest.param("", id="empty"),
        pytest.param('no\'such "thing" as $HOME ${PATH} $$ `id` \\ #1', id="nasty"),
        pytest.param("-----BEGIN-----\nabc\\n\n-----END-----\n", id="lines"),
        pytest.param("ends in \\", id="backslash"),
    ],
)
def test_a_file_of_variables_is_read_as_it_was_meant(value: str) -> None:
    text = units.environment_file({"FIRST": value, "LAST": "x"})
    assert values(text) == {"FIRST": value, "LAST": "x"}


def test_a_unit_is_told_where_it_and_the_others_listen() -> None:
    ports = {"services.1.ports": {"blue": 20011, "green": 20012}}
    environment = [line for line in backend(ports) if line.startswith("Environment=")]
    assert environment == [
        "Environment=HOME=/tmp",
        "Environment=HOST=127.0.0.1",
        "Environment=PORT=20011",
        "Environment=BACKEND_URL=http://127.0.0.1:20011",
    ]


def test_a_unit_runs_confined() -> None:
    lines = backend({"services.1.cpus": 0.5, "services.1.memory_reservation": "64m"})
    for line in (
        "User=app-club",
        "RootDirectory=/srv/club/root",
        "BindReadOnlyPaths=/srv/club/slots/blue/tree:/app",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "MemoryMax=268435456",
        "MemoryLow=67108864",
        "CPUQuota=50%",
        "TasksMax=256",
        "Restart=always",
        "RestartSec=3",
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith("BindPaths=")]
    once = files()["once/blue/migrate.service"]
    assert "Restart=" not in once
    assert "[Install]" not in once


def test_only_a_build_may_write_to_the_release() -> None:
    for dest, text in files().items():
        assert ("BindPaths=/srv/club/builds/.partial:/app\n" in text) == (dest == "once/build.service")
        assert ("EnvironmentFile=" in text) == (dest != "once/build.service"), "a build sees no secrets"


def test_volumes_and_sockets_are_where_the_model_says() -> None:
    volume = {"name": "uploads", "path": "/srv/uploads"}
    found = project({"databases": [POSTGRES, REDIS], "services.1.volumes": [volume]})
    lines = backend({"databases": [POSTGRES, REDIS], "services.1.volumes": [volume]})
    assert "BindPaths=/opt/app-data/club/uploads:/srv/uploads" in lines
    assert "BindReadOnlyPaths=-/opt/app-data/club/db.socket:/run/db" in lines
    uid = found["source"]["user"]["uid"]
    owners = {item["path"]: (item["owner"], item["group"], item["mode"]) for item in found["directories"]}
    assert owners["/opt/app-data/club/uploads"] == (uid, uid, "0700")
    assert owners["/opt/app-data/club/db.socket"] == (999, uid, "0750")
    assert found["source"]["mounts"] == ["/run/cache", "/run/db", "/srv/uploads"]
    contents = {item["dest"]: item["content"] for item in found["data"]["files"]}
    assert "source: /opt/app-data/club/db.socket" in contents["compose.yml"]
    assert "/run/postgresql:uid" not in contents["compose.yml"]
    assert "unixsocket /run/redis/redis.sock\n" in contents["secrets/cache.conf"]


def test_no_secret_is_in_a_unit() -> None:
    key = "a deploy key of some length"
    found = project(
        {
            "secrets": {"TOKEN": "a-long-enough-token"},
            "source": {"repository": "git@host:club.git", "deploy_key": key},
        }
    )
    open_files = "".join(item["content"] for item in found["files"] if not item["secret"])
    assert "a-long-enough-token" not in open_files
    assert key not in str({**found, "files": []}) + open_files


def test_the_order_has_what_is_needed_to_fetch_it() -> None:
    source = {"archive": "https://host/club-{release}.tar.gz", "packages": ["python3-venv"]}
    found = project({"source": source})
    assert found["source"]["archive"] == "https://host/club-v1.2.0.tar.gz"
    assert found["source"]["packages"] == ["python3-venv"]
    assert project()["source"]["packages"] == ["git"]
    assert tree([found])["packages"] == ["python3-venv"]
    assert {item["dest"]: item["mode"] for item in tree([found])["directories"]}["srv/club"] == "0711"
    assert found["images"] == {"backend": "club:v1.2.0", "migrate": "club:v1.2.0"}
    assert [item["service"] for item in found["health"]] == ["backend"]


def test_a_drill_has_its_databases_alone() -> None:
    [found] = drill_projects.drill_projects(load(club({"databases": [POSTGRES]})))
    assert found["unstarted"].startswith("its releases are units of a server")
    assert (found["health"], found["migrations"], list(found["images"])) == ([], [], ["db"])
    [compose] = [item["content"] for item in found["files"] if item["dest"] == "compose.yml"]
    assert "db.socket" not in compose
    assert "backend" not in compose
