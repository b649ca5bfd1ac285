# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import restore as restores
from ansible_collections.mainstay.platform.plugins.module_utils.backup import unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create, manifests_in
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, HalfDoneError

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

START = 1_795_226_400.0
SET = "20261121-020000"


class Breaks(FakeEngine):
    """Breaks off in the middle of a restore, as MySQL and MongoDB do, or is killed there."""

    error: BaseException = HalfDoneError("restored in part only")

    def restore(self, path: Path) -> None:
        self.server.data = {"t.a": 1}
        raise self.error


class Killed(Breaks):
    error = SystemExit(143)


class Refuses(FakeEngine):
    def restore(self, path: Path) -> None:
        raise BackupError("nothing was restored, and nothing changed")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "locks")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def made(job: Job, server: Server) -> Made:
    return create(job, FakeEngine, connector(server), START, clock=lambda: START)[0]


def bring_back(
    job: Job, server: Server, made: Made, kind: type[FakeEngine] = FakeEngine, database: str = "shop"
) -> restores.Restored:
    def connect(name: str) -> FakeEngine:
        return kind(connector(server)(name).target, server)

    agreed = restores.plan(
        made.path, job, connect(database), made.manifest, level="quick", force=False, safety=True, where="here"
    )
    return restores.restore(made.path, job, kind, connect, database, made.manifest, agreed)


def back_up(job: Job, server: Server) -> Made:
    return create(job, FakeEngine, connector(server), START + 60)[0]


@pytest.mark.parametrize("kind", [Breaks, Killed])
def test_half_a_database_never_becomes_the_newest_proven_backup(
    job: Job, server: Server, made: Made, kind: type[Breaks]
) -> None:
    server.data = {"t.a": 9}
    with pytest.raises(type(kind.error)):
        bring_back(job, server, made, kind)
    for other in (job, dataclasses.replace(job, name="k", directory=job.directory / "k")):
        with pytest.raises(BackupError, match=rf"a restore of app 'app' is not over \(j with {SET} since 20.*remove /"):
            back_up(other, server)
    assert [item["set"] for item in manifests_in(job.directory)] == [SET]
    assert back_up(dataclasses.replace(job, app="other", name="o"), server), "other apps go on"
    assert unfinished.sets(job.locks, "app") == {"j": SET}
    again = bring_back(job, server, made)
    assert again.safety is not None, "what a restore itself keeps of before is no backup of the app"
    assert back_up(job, server).manifest["verification"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("kind", "database"),
    [
        pytest.param(FakeEngine, "shop", id="it went well"),
        pytest.param(Refuses, "shop", id="nothing has changed"),
        pytest.param(Breaks, "beside", id="half of it is beside the job's own"),
    ],
)
def test_backups_go_on(job: Job, server: Server, made: Made, kind: type[FakeEngine], database: str) -> None:
    with contextlib.suppress(BackupError):
        bring_back(job, server, made, kind, database)
    assert unfinished.sets(job.locks, "app") == {}
    assert back_up(job, server)


def test_nothing_changed_this_time_but_the_time_before(job: Job, server: Server, made: Made) -> None:
    for kind in (Breaks, Refuses):
        with pytest.raises(BackupError):
            bring_back(job, server, made, kind)
    with pytest.raises(BackupError, match="not over"):
        back_up(job, server)


@pytest.mark.parametrize("again", [True, False], ids=["held again", "held once"])
def test_an_app_is_not_released_while_a_job_is_half_restored(job: Job, server: Server, made: Made, again: bool) -> None:
    unfinished.hold(job.locks, "app", {"j": SET, "k": SET})
    for kind in (Breaks, Refuses):
        with pytest.raises(BackupError):
            bring_back(job, server, made, kind)
        assert unfinished.half(job.locks, "app") == ["j"]
        with pytest.raises(
            BackupError, match=r"j half restored: run the restore of that again, .* remove /.*/j.restoring"
        ):
            unfinished.release(job.locks, "app")
    if again:
        unfinished.hold(job.locks, "app", {"j": SET})
        assert unfinished.half(job.locks, "app") == ["j"]
    bring_back(job, server, made)
    assert unfinished.half(job.locks, "app") == []
    assert unfinished.sets(job.locks, "app") == {"j": SET, "k": SET}
    unfinished.release(job.locks, "app")
    assert back_up(job, server)


def test_an_app_of_several_jobs_is_over_when_all_of_them_are(job: Job, server: Server, made: Made) -> None:
    unfinished.hold(job.locks, "app", {"j": SET, "k": "20261120-020000", "l": ""})
    bring_back(job, server, made)
    assert unfinished.sets(job.locks, "app") == {"j": SET, "k": "20261120-020000"}
    with pytest.raises(BackupError, match=r"k with 20261120-020000 since .*, l with a file since"):
        back_up(job, server)
    unfinished.release(job.locks, "other")
    assert unfinished.sets(job.locks, "app")
    unfinished.release(job.locks, "app")
    assert back_up(job, server)
    unfinished.refuse(job.locks / "none", "app")
