# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that are shipped load, with nothing missing but the secrets of vault.yml."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.backups_jobs import backups_jobs

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventories/prod/group_vars/snippetly/vault.yml.example"
NAMES = (
    "apps",
    "server",
    "docker_registries",
    "backups_stores",
    "backups_recipients",
    "backups_readers",
    "backups_pruners",
    "certbot_email",
    "hardening_ssh_allowed_sources",
)


@functools.cache
def variables(environment: str, mongo: str = "true") -> dict[str, Any]:
    """Return what Ansible makes of an inventory's variables, with a value for every secret that the example names."""
    secrets = {name: f"{name:x<40}" for name in yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))}
    run = subprocess.run(
        [
            *(
                Path(sys.executable).with_name("ansible"),
                f"snippetly-{environment}",
                "-i",
                f"inventories/{environment}",
            ),
            *("-e", json.dumps(secrets), "-e", f"snippetly_mongo_enabled={mongo}", "-m", "ansible.builtin.debug"),
            *("-a", "msg={{ {" + ", ".join(f"'{name}': {name}" for name in NAMES) + "} }}"),
        ],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)["plays"][0]["tasks"][0]["hosts"][f"snippetly-{environment}"]["msg"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    ("environment", "mongo", "databases"),
    [
        pytest.param("prod", "true", ["postgres", "mongo", "redis"], id="prod"),
        pytest.param("staging", "true", ["postgres", "mongo", "redis"], id="staging"),
        pytest.param("dev", "true", ["postgres", "mongo", "redis"], id="dev"),
        pytest.param("prod", "false", ["postgres", "redis"], id="without MongoDB"),
    ],
)
def test_apps_load(environment: str, mongo: str, databases: list[str]) -> None:
    known = variables(environment, mongo)
    (app,) = load(known["apps"], known["server"])
    assert [service["name"] for service in app["services"]] == ["frontend", "backend", "worker", "beat", "migrate"]
    assert [job["database"] for job in backups_jobs([app], encrypted=True)] == [*databases, "state"]
    assert ("MONGO_URL" in app["secrets"]) is (mongo == "true")


def test_rows_of_the_seed() -> None:
    """Rows 0-19 to 0-26, 0-31 to 0-35, 0-50 to 0-52."""
    (app,) = load(variables("prod")["apps"])
    memory = {item["name"]: item["memory"] // 1024**2 for item in app["services"] + app["databases"]}
    rows = {"frontend": 256, "backend": 1024, "worker": 768, "beat": 512, "postgres": 512, "mongo": 512, "redis": 256}
    assert memory == rows | {"migrate": 256}
    assert [job["schedule"][6:14] for job in backups_jobs([app], encrypted=True)] == [
        "02:00:00",
        "02:15:00",
        "02:30:00",
        "03:15:00",
    ]
    assert [database["version"] for database in app["databases"]] == ["16", "7", "7"]
    assert [limit["rate"] for limit in app["services"][1]["rate_limits"]] == ["10/s", "5/m", "2/h"]


def test_environments_share_no_container_and_no_domain() -> None:
    known = [variables(environment) for environment in ("prod", "staging", "dev")]
    assert [one["backups_stores"][0]["container"] for one in known] == ["backups", "backups-staging", "backups-dev"]
    assert load([app | {"name": f"app{index}"} for index, one in enumerate(known) for app in one["apps"]])
