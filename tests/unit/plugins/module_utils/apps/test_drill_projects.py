# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.app_stack import app_stack_projects
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.drill_projects import drill_projects

from tests.unit.plugins.module_utils.apps.shop import apps

VOLUMES = [
    {"name": "uploads", "path": "/srv/uploads"},
    {"name": "scratch", "path": "/srv/scratch", "backup": {"enabled": False}},
]


@pytest.fixture
def project() -> dict[str, Any]:
    return drill_projects(load(apps({"0.services.1.volumes": VOLUMES, "0.rto": "30m"})))[0]


@pytest.fixture
def compose(project: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load(project["files"][0]["content"]))


def test_only_apps_with_databases_are_drilled() -> None:
    assert [item["app"] for item in drill_projects(load(apps()))] == ["shop"]


def test_nothing_gets_out(compose: dict[str, Any]) -> None:
    assert compose["networks"] == {"default": {"internal": True}}
    for name, service in compose["services"].items():
        assert not {"ports", "networks", "network_mode", "logging"} & set(service), name
        assert {mount["type"] for mount in service.get("volumes", [])} <= {"volume"}, name
        assert service["restart"] == "no", name


def test_it_is_confined_as_in_earnest(compose: dict[str, Any]) -> None:
    real = app_stack_projects(load(apps({"0.services.1.volumes": VOLUMES})))[0]
    for part in (real["files"], real["data"]["files"]):
        for name, service in yaml.safe_load(part[0]["content"])["services"].items():
            for key in (
                "image",
                "user",
                "cap_drop",
                "security_opt",
                "read_only",
                "mem_limit",
                "pids_limit",
                "environment",
            ):
                assert compose["services"][name].get(key) == service.get(key), (name, key)


def test_volumes_are_new_and_belong_to_whom_they_should(compose: dict[str, Any]) -> None:
    assert compose["volumes"]["data-db"] == {}
    # What comes from a backup brings its owners along, and has to stay when its container ends.
    assert compose["volumes"]["volume-uploads"] == {}
    assert compose["volumes"]["volume-scratch"]["driver_opts"]["o"] == "uid=65532,gid=65532,mode=0700"
    assert compose["services"]["api"]["volumes"] == [
        {"type": "volume", "source": "volume-uploads", "target": "/srv/uploads"},
        {"type": "volume", "source": "volume-scratch", "target": "/srv/scratch"},
    ]


def test_what_a_drill_has_to_know(project: dict[str, Any]) -> None:
    assert project["project"] == "mainstay-drill-shop"
    assert [item["service"] for item in project["databases"]] == ["db", "cache"]
    assert project["migrations"] == ["migrate"]
    assert [item["service"] for item in project["health"]] == ["web", "api", "beat"]
    assert project["images"]["db"] == "postgres:17"
    assert project["rto"] == 1800


def test_secrets_are_files_that_the_containers_can_read(project: dict[str, Any]) -> None:
    modes = {item["dest"]: item["mode"] for item in project["files"]}
    assert modes == {
        "compose.yml": "0600",
        "env/app.env": "0600",
        "secrets/db": "0444",
        "secrets/cache": "0444",
        "secrets/cache.conf": "0444",
    }
    assert "correct-horse-battery" not in project["files"][0]["content"]
