# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import restore as subject
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, HalfDoneError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify

from tests.unit.plugins.module_utils.backup import faults
from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

START = 1_795_226_400.0


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "locks")


@pytest.fixture
def made(job: Job) -> Made:
    return create(job, FakeEngine, connector(Server()), START, clock=lambda: START)[0]


def look(made: Made, level: str, server: Server | None = None, **options: Any) -> dict[str, str]:
    engine = connector(server or Server())("")
    report = verify(made.path, engine, level, options.pop("manifest", made.manifest), now=START + 60, **options)
    return {"verdict": report.verdict} | {check.name: check.verdict for check in report.checks}


FINE = {"verdict": "ok", "manifest": "ok", "size": "ok", "sha256": "ok"}


@pytest.mark.parametrize(
    ("level", "options", "expected"),
    [
        pytest.param("quick", {}, FINE | {"structure": "ok"}, id="quick"),
        pytest.param("full", {}, FINE | {"decode": "ok", "counts": "ok", "content": "ok"}, id="full"),
        pytest.param("quick", {"max_age": 100}, FINE | {"age": "ok", "structure": "ok"}, id="young"),
        pytest.param("quick", {"max_age": 10}, FINE | {"verdict": "bad", "age": "bad", "structure": "ok"}, id="old"),
    ],
)
def test_a_good_backup(made: Made, level: str, options: dict[str, Any], expected: dict[str, str]) -> None:
    assert look(made, level, **options) == expected


@pytest.mark.parametrize(
    ("change", "level", "check", "verdict"),
    [
        pytest.param({"counts": {"t.a": 4, "t.b": 2}}, "full", "counts", "bad", id="promises more rows"),
        pytest.param({"counts": {"t.a": 3}}, "full", "counts", "bad", id="promises fewer tables"),
        pytest.param({"content": {"sha256": "x", "tool": "dumper 1"}}, "full", "content", "bad", id="another content"),
        pytest.param(
            {"verification": {"verdict": "not_verified"}}, "quick", "birth", "not_verified", id="not proven at birth"
        ),
        pytest.param({"size": 1}, "quick", "size", "bad", id="another size"),
        pytest.param({"sha256": "0" * 64}, "quick", "sha256", "bad", id="another digest"),
        pytest.param({"started": "2027-01-01T00:00:00Z"}, "quick", "age", "bad", id="from the future"),
    ],
)
def test_what_is_not_as_promised(made: Made, change: dict[str, Any], level: str, check: str, verdict: str) -> None:
    found = look(made, level, manifest=made.manifest | change, max_age=1e6)
    assert (found[check], found["verdict"]) == (verdict, verdict)


def test_another_version_of_the_tool_is_no_fault(made: Made) -> None:
    changed = made.manifest | {"content": {"sha256": "x", "tool": "dumper 0"}}
    found = look(made, "full", manifest=changed)
    assert (found["content"], found["verdict"]) == ("not_verified", "ok")


@pytest.mark.parametrize("level", ["quick", "full"])
def test_without_a_manifest_nothing_is_proven(made: Made, level: str) -> None:
    assert look(made, level, manifest=None)["verdict"] == "not_verified"


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_with_a_manifest_every_change_of_bytes_is_seen(made: Made, level: str, fault: str) -> None:
    dice = random.Random(fault)
    good = made.path.read_bytes()
    for _attempt in range(30):
        bad = faults.FAULTS[fault](good, dice) if fault not in ("zero", "drop", "swap") else good[::-1]
        made.path.write_bytes(bad)
        assert look(made, level)["verdict"] == "bad"


def agree(made: Made, job: Job, server: Server, **options: Any) -> subject.Plan:
    defaults: dict[str, Any] = {"level": "quick", "force": False, "safety": True, "where": "here"}
    manifest = options.pop("manifest", made.manifest)
    return subject.plan(made.path, job, connector(server)("shop"), manifest, **(defaults | options))


def bring_back(made: Made, job: Job, server: Server, **options: Any) -> subject.Restored:
    plan = agree(made, job, server, **options)
    return subject.restore(made.path, job, FakeEngine, connector(server), "shop", made.manifest, plan)


def test_into_an_empty_database(made: Made, job: Job) -> None:
    server = Server(data={})
    done = bring_back(made, job, server)
    assert (server.data, done.safety, done.extra) == ({"t.a": 3, "t.b": 2}, None, {})


def test_what_was_there_is_kept_first(made: Made, job: Job) -> None:
    server = Server(data={"t.a": 9, "t.new": 1})
    done = bring_back(made, job, server)
    assert done.safety is not None
    assert done.safety.manifest["counts"] == {"t.a": 9, "t.new": 1}
    assert done.safety.path.parent == job.directory / "before-restore"
    assert done.extra == {"t.new": 1}
    assert server.data == {"t.a": 3, "t.b": 2, "t.new": 1}


def test_safety_can_be_declined(made: Made, job: Job) -> None:
    assert bring_back(made, job, Server(data={"t.a": 9}), safety=False).safety is None


def test_what_is_there_and_damaged_is_restored_over_when_it_need_not_be_kept(made: Made, job: Job) -> None:
    server = Server(data={"t.a": 9}, unreadable=True)
    with pytest.raises(BackupError, match=r"cannot be looked at, .*: invalid page in block 7.*safety=false"):
        agree(made, job, server)
    assert agree(made, job, server, safety=False).steps[1] == (
        "throw away what is there now, which cannot be looked at (invalid page in block 7)"
    )
    assert bring_back(made, job, server, safety=False).counts == {"t.a": 3, "t.b": 2}


def test_a_safety_copy_that_fails_says_how_to_go_without(made: Made, job: Job) -> None:
    server = Server(data={"t.a": 9})
    plan = agree(made, job, server)
    server.unreadable = True
    with pytest.raises(
        BackupError, match=r"cannot be kept, and nothing was restored: .*block 7.*safety=false"
    ) as caught:
        subject.restore(made.path, job, FakeEngine, connector(server), "shop", made.manifest, plan)
    assert not isinstance(caught.value, HalfDoneError)
    assert server.data == {"t.a": 9}


def test_a_plan_changes_nothing(made: Made, job: Job) -> None:
    server = Server(data={"t.a": 9})
    plan = agree(made, job, server)
    assert (server.data, server.dumps) == ({"t.a": 9}, 0)
    assert plan.steps == [
        f"verify {made.path}: ok (quick)",
        f"keep what is there now (9 in 1) in {job.directory}/before-restore",
        "restore 5 in 2 into here",
        "compare with the manifest",
    ]


def test_a_bad_backup_is_not_restored_unless_forced(made: Made, job: Job) -> None:
    made.path.write_bytes(made.path.read_bytes().replace(b"3", b"4"))
    server = Server(data={})
    with pytest.raises(BackupError, match=r"is bad, and nothing was restored: sha256: .*force"):
        agree(made, job, server)
    with pytest.raises(BackupError, match="is not proven, and nothing was restored"):
        agree(made, job, server, manifest=None)
    assert agree(made, job, server, force=True).report.verdict == "bad"
    assert server.data == {}


@pytest.mark.parametrize(
    ("server", "error", "half_done"),
    [
        pytest.param(
            Server(data={"t.a": 1}, refuses_restore=True),
            "the tool failed; what was there before is kept in",
            False,
            id="fails",
        ),
        pytest.param(
            Server(data={}, loses_on_restore=True),
            r"not what the manifest promises: t\.b: 2 expected, but it is not there",
            True,
            id="loses",
        ),
    ],
)
def test_a_restore_that_goes_wrong_says_so(made: Made, job: Job, server: Server, error: str, half_done: bool) -> None:
    with pytest.raises(BackupError, match=error) as caught:
        bring_back(made, job, server)
    assert isinstance(caught.value, HalfDoneError) is half_done


def test_collections_that_go_into_another_database_are_named_with_it() -> None:
    manifest = {"counts": {"shop.users": 3, "shop.a.b": 1}, "volatile": None, "set": "x"}
    assert subject.moved(manifest, "copy") == {"counts": {"copy.users": 3, "copy.a.b": 1}, "volatile": {}, "set": "x"}


def test_not_while_a_backup_runs(made: Made, job: Job) -> None:
    server = Server(data={})
    with files.lock(job.lock, "it"), pytest.raises(BackupError, match="being worked on already"):
        bring_back(made, job, server)
    assert server.data == {}
