# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_id
from ansible_collections.mainstay.platform.plugins.modules import backup_record

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

DAY = 86400
AGES = (0, 1, 8, 9, 10)


class EndedError(Exception):
    """The module has said its last."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(shared, "STATE", tmp_path / "state")
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "state")


def sets(job: Job, ages: tuple[int, ...] = AGES) -> list[str]:
    """Make backups of these ages in days, and give their ids."""
    now = time.time()
    for age in ages:
        create(job, FakeEngine, connector(Server()), now - age * DAY)
    return [set_id(now - age * DAY) for age in ages]


def record(job: Job, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """Run the module, and return what it says."""
    said: dict[str, Any] = {}

    def end(_self: object, **result: Any) -> None:
        said.update(result)
        raise EndedError

    for name in ("exit_json", "fail_json"):
        monkeypatch.setattr(basic.AnsibleModule, name, end)
    args = {"name": job.name, "app": job.app, "database": job.database, "engine": job.engine, "outcome": "failure"}
    args |= {"directory": str(job.directory), "metrics_directory": str(job.locks / "metrics")}
    with patch_module_args(args | options), pytest.raises(EndedError):
        backup_record.main()
    return said


def there(job: Job) -> list[str]:
    return sorted((path.name[10:25] for path in job.directory.glob("*.dump")), reverse=True)


@pytest.mark.parametrize(
    ("near", "far", "stay"),
    [
        pytest.param(AGES, (), (0, 1), id="one store is dead"),
        pytest.param(AGES, (9, 10), (0, 1), id="one store has died"),
        pytest.param(AGES, (0, 1, 9), (0, 1, 8, 10), id="one store lacks two"),
        pytest.param((1, 8, 9, 10), (1, 8, 9, 10), AGES, id="all stores are dead"),
        pytest.param((), (), AGES, id="no store has anything"),
    ],
)
def test_a_dead_store_does_not_fill_the_disk(
    job: Job, monkeypatch: pytest.MonkeyPatch, near: tuple[int, ...], far: tuple[int, ...], stay: tuple[int, ...]
) -> None:
    ids = dict(zip(AGES, sets(job), strict=True))
    known = {name: {"sets": [ids[age] for age in ages]} for name, ages in (("near", near), ("far", far))}
    (job.locks / "j.json").write_text(json.dumps({"stores": known}))
    said = record(job, monkeypatch, reason="not in store 'far'")
    assert there(job) == [ids[age] for age in stay]
    assert sorted(item["set"] for item in said["removed"]) == sorted(ids[age] for age in AGES if age not in stay)
    state = json.loads((job.locks / "j.json").read_text())
    assert (state["failing"], state["reason"], state["stores"]) == (True, "not in store 'far'", known)


def test_without_stores_copies_stay_when_a_run_fails(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = sets(job)
    record(job, monkeypatch)
    assert there(job) == ids


def test_a_run_that_is_refused_records_that_beside_the_one_that_works(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sets(job)
    (job.locks / "j.json").write_text(json.dumps({"stores": {"near": {"sets": ids}}}))
    with files.lock(job.lock, "it"):
        said = record(job, monkeypatch, reason="being worked on already")
    assert said == {"changed": True, "removed": []}
    assert there(job) == ids
    assert json.loads((job.locks / "j.json").read_text())["reason"] == "being worked on already"
