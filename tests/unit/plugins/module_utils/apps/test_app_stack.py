# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Compose projects of the same small shop."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.app_stack import (
    app_stack_projects,
    env_file,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.layout import tree

from tests.unit.plugins.module_utils.apps.shop import PASSWORD, apps

PORTS = {"0.services.0.ports": {"blue": 20001, "green": 20002}, "0.services.1.ports": {"blue": 20003, "green": 20004}}
LOGGING = {"driver": "journald", "options": {"tag": "{{.Name}}"}}


def project(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return app_stack_projects(load(apps(PORTS | (changes or {}))))[0]


def compose(of: dict[str, Any], name: str = "compose.yml") -> dict[str, Any]:
    content = next(item["content"] for item in of["files"] if item["dest"] == name)
    return dict(yaml.safe_load(content))


def test_a_service() -> None:
    got = compose(
        project(
            {
                "0.services.1.cpus": 0.5,
                "0.services.1.env": {"A": "b"},
                "0.services.1.volumes": [{"name": "up", "path": "/up"}],
            }
        )
    )
    assert got["services"]["api"] == {
        "image": "registry.example/shop-api:v1",
        "user": "65532:65532",
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "tmpfs": ["/tmp"],
        "mem_limit": 512 * 1024**2,
        "cpus": 0.5,
        "pids_limit": 256,
        "environment": {"LOG_LEVEL": "info", "A": "b"},
        "env_file": ["env/app.env"],
        "volumes": [
            {"type": "bind", "source": "/opt/app-data/shop/up", "target": "/up", "bind": {"create_host_path": False}}
        ],
        "networks": {"default": {"priority": 1000}, "data": {}},
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        "logging": LOGGING,
    }
    assert got["networks"] == {"default": {}, "data": {"external": True, "name": "shop-data"}}


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ({"0.services.1.command": ["run", "--x=$HOME"]}, "command", ["run", "--x=$$HOME"]),
        ({"0.services.1.user": "1000:2000"}, "user", "1000:2000"),
        ({"0.services.1.read_only": False}, "read_only", False),
        ({"0.services.1.tmpfs": ["/run"]}, "tmpfs", ["/tmp", "/run"]),
        ({"0.services.1.capabilities": ["NET_BIND_SERVICE"]}, "cap_add", ["NET_BIND_SERVICE"]),
        ({"0.services.1.memory_reservation": "8m"}, "mem_reservation", 8 * 1024**2),
        ({"0.services.1.pids": 9}, "pids_limit", 9),
        ({"0.services.1.stop_timeout": "2m"}, "stop_grace_period", "120s"),
        ({"0.env": {"PRICE": "5$ ${X}"}}, "environment", {"PRICE": "5$$ $${X}"}),
        ({"0.services.1.image": "registry.example/api:pinned"}, "image", "registry.example/api:pinned"),
        (
            {"0.services.1.health": {"command": ["check", "$X"], "timeout": "20s"}},
            "healthcheck",
            {"test": ["CMD", "check", "$$X"], "interval": "30s", "timeout": "10s", "retries": 3, "start_period": "20s"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_of_a_service(change: dict[str, Any], key: str, expected: Any) -> None:
    assert compose(project(change))["services"]["api"][key] == expected


def test_a_migration_runs_once() -> None:
    got = compose(project())["services"]["migrate"]
    assert (got["profiles"], got["restart"]) == (["before_release"], "no")
    assert "profiles" not in compose(project())["services"]["api"]


def test_ports_are_on_the_loopback_address_and_differ_by_slot() -> None:
    assert compose(project(), "slot-blue.yml") == {
        "services": {"web": {"ports": ["127.0.0.1:20001:80"]}, "api": {"ports": ["127.0.0.1:20003:8000"]}}
    }
    assert compose(project(), "slot-green.yml") == {
        "services": {"web": {"ports": ["127.0.0.1:20002:80"]}, "api": {"ports": ["127.0.0.1:20004:8000"]}}
    }


def test_an_app_without_databases_has_no_network_for_them() -> None:
    got = project({"0.databases": []})
    assert (got["data"], got["networks"]) == (None, [])
    assert compose(got)["networks"] == {"default": {}}
    assert compose(got)["services"]["api"]["networks"] == {"default": {"priority": 1000}}


def test_a_database() -> None:
    data = project({"0.databases.0.cpus": 1.0})["data"]
    assert compose(data) == {
        "services": {
            "db": {
                "image": "postgres:17",
                "user": "999:999",
                "init": True,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "read_only": True,
                "mem_limit": 512 * 1024**2,
                "cpus": 1.0,
                "pids_limit": 512,
                "secrets": [{"source": "db", "target": "/run/secrets/db"}],
                "environment": {
                    "POSTGRES_USER": "shop",
                    "POSTGRES_DB": "shop",
                    "POSTGRES_PASSWORD_FILE": "/run/secrets/db",
                    "POSTGRES_INITDB_ARGS": "--data-checksums",
                },
                "tmpfs": ["/tmp", "/run/postgresql:uid=999,gid=999,mode=0750"],
                "shm_size": 128 * 1024**2,
                "volumes": [
                    {
                        "type": "bind",
                        "source": "/opt/app-data/shop/db",
                        "target": "/var/lib/postgresql/data",
                        "bind": {"create_host_path": False},
                    }
                ],
                "healthcheck": {
                    "test": ["CMD-SHELL", 'pg_isready -q -h 127.0.0.1 -U "$$POSTGRES_USER" -d "$$POSTGRES_DB"'],
                    "interval": "30s",
                    "timeout": "10s",
                    "retries": 3,
                    "start_period": "180s",
                },
                "restart": "unless-stopped",
                "stop_grace_period": "120s",
                "logging": LOGGING,
            },
            "cache": compose(data)["services"]["cache"],
        },
        "networks": {"default": {"external": True, "name": "shop-data"}},
        "secrets": {
            "db": {"file": "./secrets/db"},
            "cache": {"file": "./secrets/cache"},
            "cache.conf": {"file": "./secrets/cache.conf"},
        },
    }


@pytest.mark.parametrize(
    ("version", "target"),
    [("16", "/var/lib/postgresql/data"), ("17.2-bookworm", "/var/lib/postgresql/data"), ("18", "/var/lib/postgresql")],
)
def test_where_postgresql_keeps_its_data(version: str, target: str) -> None:
    assert (
        compose(project({"0.databases.0.version": version})["data"])["services"]["db"]["volumes"][0]["target"] == target
    )


def test_redis_reads_its_password_from_a_file() -> None:
    data = project({"0.databases.1.password": 'with "quotes" and \\'})["data"]
    assert compose(data)["services"]["cache"]["command"] == ["redis-server", "/run/secrets/cache.conf"]
    content = next(item["content"] for item in data["files"] if item["dest"] == "secrets/cache.conf")
    assert content.splitlines()[0] == 'requirepass "with \\"quotes\\" and \\\\"'
    assert f"maxmemory {64 * 1024**2 * 6 // 10}" in content


def test_another_password_is_no_other_definition_of_a_database() -> None:
    def services(password: str) -> dict[str, Any]:
        return dict(
            compose(project({"0.databases.0.password": password, "0.databases.1.password": password})["data"])[
                "services"
            ]
        )

    one, two = services("one-long-password"), services("two-long-password")
    assert one == two
    more = compose(project({"0.databases.1.memory": "128m"})["data"])["services"]["cache"]
    assert more["labels"] != one["cache"]["labels"], "redis reads the rest of its configuration at start only"


# Safety is the default of everything that runs; leaving it is a line in the inventory.
@pytest.mark.parametrize("part", ["services", "databases"])
def test_everything_is_confined(part: str) -> None:
    got = project()
    services = compose(got if part == "services" else got["data"])["services"]
    assert services
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith(("0", "root")), name
        assert service["mem_limit"] > 0, name
        assert service["pids_limit"] > 0, name
        assert "network_mode" not in service, name
        assert "ports" not in service, name


def test_secrets_are_in_files_that_are_marked_as_secret_and_nowhere_else() -> None:
    got = project()
    files = got["files"] + got["data"]["files"]
    secret = {item["dest"]: (item["mode"], item["owner"]) for item in files if item["secret"]}
    assert secret == {
        "env/app.env": ("0600", 0),
        "secrets/db": ("0400", 999),
        "secrets/cache": ("0400", 999),
        "secrets/cache.conf": ("0400", 999),
    }
    for value in (PASSWORD, "a-long-enough-token"):
        assert not any(value in item["content"] for item in files if not item["secret"])
        assert value not in json.dumps(tree([got])["orders"])


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"0.env": {"LOG_LEVEL": "debug"}}, False),
        ({"0.secrets": {"TOKEN": "another-long-token"}}, False),
        ({"0.services.0.ports": {"blue": 20005, "green": 20006}}, False),
        ({"0.databases.0.memory": "256m"}, True),
        ({"0.databases.0.password": "another-long-password"}, True),
        ({"0.domains": ["other.example"]}, True),
    ],
    ids=["nothing", "environment", "secret", "port", "memory of a database", "password of a database", "domain"],
)
def test_another_content_is_another_release(changes: dict[str, Any], same: bool) -> None:
    assert project()["id"].startswith("v1-")
    assert (project(changes)["id"] == project()["id"]) is same
    assert (project(changes)["data"]["id"] == project()["data"]["id"]) is ("databases" not in str(changes))


def test_a_service_gets_the_secrets_that_it_names_and_no_others() -> None:
    changes = {"0.secrets.OTHER": "another-long-token", "0.services.1.secrets": ["OTHER"], "0.services.2.secrets": []}
    got = project(changes)
    services = compose(got)["services"]
    assert {name: item["env_file"] for name, item in services.items()} == {
        "web": ["env/app.env"],
        "api": ["env/service-api.env"],
        "beat": ["env/service-beat.env"],
        "migrate": ["env/app.env"],
    }
    assert {item["dest"]: item["content"] for item in got["files"] if item["secret"]} == {
        "env/app.env": 'TOKEN="a-long-enough-token"\nOTHER="another-long-token"\n',
        "env/service-api.env": 'OTHER="another-long-token"\n',
        "env/service-beat.env": "",
    }
    every = {f"0.services.{number}.secrets": ["TOKEN"] for number in range(4)}
    assert "env/app.env" not in [item["dest"] for item in project(every)["files"]]


def test_what_a_rotation_has_to_know() -> None:
    got = tree([project(), project({"0.name": "bare", "0.databases": [], "0.secrets": {}})])
    assert got["orders"][0]["data"]["access"] == {
        "db": {"engine": "postgresql", "user": "shop"},
        "cache": {"engine": "redis", "user": None},
    }
    assert list(got["secrets"]["shop"]) == [
        "release/env/app.env",
        "data/secrets/db",
        "data/secrets/cache",
        "data/secrets/cache.conf",
    ]
    assert got["secrets"]["shop"]["data/secrets/db"] == PASSWORD
    assert got["secrets"]["bare"] == {"release/env/app.env": ""}


def test_an_order() -> None:
    order = tree([project()])["orders"][0]
    assert order["migrations"] == ["migrate"]
    assert order["singletons"] == ["beat"]
    assert order["slots"]["green"] == {"project": "shop-green", "ports": {"web": 20002, "api": 20004}}
    assert order["health"] == [
        {"service": "web", "port": 80, "path": "/", "host": "shop.example", "interval": 2, "timeout": 60},
        {"service": "api", "port": 8000, "path": "/api/health", "host": "shop.example", "interval": 2, "timeout": 60},
        {"service": "beat", "port": None, "path": None, "host": "shop.example", "interval": 2, "timeout": 60},
    ]
    assert [upstream["name"] for upstream in order["upstreams"]] == ["shop_web", "shop_api"]
    assert order["data"]["images"] == {"db": "postgres:17", "cache": "redis:7"}
    assert "files" not in order["data"]


def test_files_and_directories() -> None:
    got = tree([project({"0.services.1.volumes": [{"name": "up", "path": "/up"}], "0.services.1.user": "1000:2000"})])
    assert {item["dest"]: (item.get("owner"), item["mode"]) for item in got["directories"]} == {
        "srv/shop": (None, "0750"),
        "srv/shop/wanted": (None, "0700"),
        "srv/shop/wanted/data": (None, "0700"),
        "opt/app-data/shop/db": (999, "0700"),
        "opt/app-data/shop/cache": (999, "0700"),
        "opt/app-data/shop/up": (1000, "0700"),
    }
    assert [item["dest"] for item in got["files"]] == [
        "srv/shop/wanted/release/compose.yml",
        "srv/shop/wanted/release/slot-blue.yml",
        "srv/shop/wanted/release/slot-green.yml",
        "srv/shop/wanted/release/env/app.env",
        "srv/shop/wanted/data/compose.yml",
        "srv/shop/wanted/data/secrets/db",
        "srv/shop/wanted/data/secrets/cache",
        "srv/shop/wanted/data/secrets/cache.conf",
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", 'X="plain"\n'),
        ("", 'X=""\n'),
        ("with space # and = sign", 'X="with space # and = sign"\n'),
        ('"quoted"', 'X="\\"quoted\\""\n'),
        ("it's", 'X="it\'s"\n'),
        ("$HOME ${A} $$", 'X="\\$HOME \\${A} \\$\\$"\n'),
        ("back\\slash\\", 'X="back\\\\slash\\\\"\n'),
        ("two\nlines", 'X="two\\nlines"\n'),
    ],
    ids=["plain", "empty", "signs", "double quotes", "single quote", "dollar", "backslash", "lines"],
)
def test_env_file(value: str, written: str) -> None:
    assert env_file({"X": value}) == written


@pytest.mark.parametrize(("engine", "admin"), [("mysql", "mysqladmin"), ("mariadb", "mariadb-admin")])
def test_mysql_and_mariadb(engine: str, admin: str) -> None:
    """Root stays inside the container; no password is in the definition or on a command line."""
    data = project({"0.databases.0.engine": engine, "0.databases.0.version": "11.8"})["data"]
    got = compose(data)["services"]["db"]
    assert got["image"] == f"{engine}:11.8"
    assert got["environment"] == {
        "MYSQL_USER": "shop",
        "MYSQL_DATABASE": "shop",
        "MYSQL_PASSWORD_FILE": "/run/secrets/db",
        "MYSQL_ROOT_PASSWORD_FILE": "/run/secrets/db",
        "MYSQL_ROOT_HOST": "localhost",
    }
    assert got["volumes"][0]["target"] == "/var/lib/mysql"
    assert got["healthcheck"]["test"][1] == (
        f'MYSQL_PWD="$$(cat /run/secrets/db)" {admin} --host=127.0.0.1 --user="$$MYSQL_USER" --silent ping'
    )
    assert PASSWORD not in str(compose(data))


def test_a_database_elsewhere_has_no_container() -> None:
    external = {"0.databases.0.external": "db.example.net", "0.databases.0.memory": None}
    assert list(compose(project(external)["data"])["services"]) == ["cache"]
    alone = project({**external, "0.databases.1": external_cache()})
    assert (alone["data"], alone["networks"], alone["directories"]) == (None, [], [])
    assert "networks" not in next(file["content"] for file in alone["files"] if file["dest"] == "slot-blue.yml")


def external_cache() -> dict[str, object]:
    return {"name": "cache", "engine": "redis", "version": "7", "external": "cache.example.net", "password": PASSWORD}
