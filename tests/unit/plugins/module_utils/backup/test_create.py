# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import create as subject
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, manifest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Source, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, Findings
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

START = 1_795_226_400.0  # 2026-11-21T02:00:00Z


class Killed(BaseException):
    """What a signal does: nothing catches it."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "locks")


def run(job: Job, server: Server, started: float = START) -> list[subject.Made]:
    return create(job, FakeEngine, connector(server), started, clock=lambda: started + 2)


def names(job: Job) -> list[str]:
    return sorted(path.name for path in job.directory.iterdir()) if job.directory.exists() else []


GOOD = ["pg-backup-20261121-020000.dump", "pg-backup-20261121-020000.dump.manifest.json"]


def test_a_good_backup(job: Job) -> None:
    made = run(job, Server())[0]
    assert names(job) == GOOD
    assert json.loads(made.path.read_bytes()) == {"t.a": 3, "t.b": 2}
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.manifest_of(made.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(job.directory.stat().st_mode) == 0o700
    size, digest = files.sha256_of(made.path)
    read = manifest.load(files.manifest_of(made.path))
    assert read == made.manifest
    assert (read["size"], read["sha256"], read["counts"]) == (size, digest, {"t.a": 3, "t.b": 2})
    assert (read["set"], read["started"], read["duration"]) == ("20261121-020000", "2026-11-21T02:00:02Z", 0)
    assert (read["verification"]["level"], read["verification"]["verdict"]) == ("full", "ok")


def kill() -> None:
    raise Killed


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def kill_in(monkeypatch: pytest.MonkeyPatch, where: object, name: str, when: int) -> None:
    """Kill the run at the ``when``-th call of a function."""
    real: Callable[..., Any] = getattr(where, name)
    calls = iter(range(1, 1000))

    def wrapped(*args: Any, **options: Any) -> Any:
        if next(calls) == when:
            raise Killed
        return real(*args, **options)

    monkeypatch.setattr(where, name, wrapped)


STAGES = {
    "dumping": lambda monkeypatch, server: setattr(server, "during_dump", kill),
    "verifying": lambda monkeypatch, server: setattr(server, "during_examine", kill),
    "flushing the dump": lambda monkeypatch, server: kill_in(monkeypatch, os, "fsync", 1),
    "flushing the manifest": lambda monkeypatch, server: kill_in(monkeypatch, os, "fsync", 2),
    "naming the manifest": lambda monkeypatch, server: kill_in(monkeypatch, Path, "rename", 1),
    "naming the dump": lambda monkeypatch, server: kill_in(monkeypatch, Path, "rename", 2),
}


@pytest.mark.parametrize("hard", [False, True], ids=["by a signal", "with no chance to clean up"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_moment_nothing_looks_like_a_backup(
    job: Job, monkeypatch: pytest.MonkeyPatch, stage: str, hard: bool
) -> None:
    older = run(job, Server(), START - 86400)[0]
    with monkeypatch.context() as patch:
        if hard:
            patch.setattr(files.PartialFile, "discard", lambda self: os.close(self._fd) if self._fd >= 0 else None)
        server = Server()
        STAGES[stage](patch, server)
        with pytest.raises(Killed):
            run(job, server)
    assert [item["set"] for item in subject.manifests_in(job.directory)] == [older.manifest["set"]]
    assert [name for name in names(job) if not name.startswith(".") and name.endswith(".dump")] == [older.path.name]
    run(job, Server(), START + 60)
    assert len(names(job)) == 4, "the next run cleans up"
    assert older.path.exists()


def test_a_full_disk_is_said_and_loses_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    run(job, Server(), START - 86400)
    before = names(job)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: full() if len(data) < 1000 else real(fd, data))
    with pytest.raises(BackupError, match=r"no space left in .*out after 5 bytes: free some space"):
        run(job, Server())
    assert names(job) == before


@pytest.mark.parametrize(
    ("server", "previous", "error"),
    [
        pytest.param(Server(size=1 << 60), None, r"about 1048576.0 TiB needed \(the database takes", id="database"),
        pytest.param(
            Server(size=1), 1 << 60, r"1310720.0 TiB needed \(the backup before took 1048576.0 TiB", id="backup before"
        ),
    ],
)
def test_no_room_is_refused_with_the_numbers(job: Job, server: Server, previous: int | None, error: str) -> None:
    if previous:
        made = run(job, server, START - 86400)[0]
        paper = files.manifest_of(made.path)
        paper.write_text(manifest.dump({**made.manifest, "size": previous}))
    before = names(job)
    with pytest.raises(BackupError, match=error):
        run(job, server)
    assert server.dumps == (1 if previous else 0)
    assert names(job) == before


def test_nobody_knows_the_size(job: Job) -> None:
    run(job, Server(size=None))
    assert names(job) == GOOD


def test_a_dump_that_is_bad_is_thrown_away(job: Job) -> None:
    with pytest.raises(BackupError, match="the dump is bad, and was thrown away: decode: Extra data"):
        run(job, Server(rots=True))
    assert names(job) == []


def test_a_dump_that_cannot_be_proven_is_kept_and_says_so(job: Job) -> None:
    made = run(job, Server(checksum=False))[0]
    assert made.manifest["verification"]["verdict"] == "not_verified"
    assert names(job) == GOOD


def test_two_runs_in_one_second(job: Job) -> None:
    run(job, Server())
    second = run(job, Server())[0]
    assert second.path.name == "pg-backup-20261121-020001.dump"


def test_several_databases_are_one_set(job: Job) -> None:
    both = Job(**{**job.__dict__, "databases": ("shop", "it's ü/x")})
    made = run(both, Server())
    assert [item.path.name for item in made] == [
        "pg-backup-20261121-020000-shop.dump",
        "pg-backup-20261121-020000-it%27s%20ü%2fx.dump",
    ]
    assert {item.manifest["set"] for item in made} == {"20261121-020000"}
    assert [item.manifest["databases"] for item in made] == [["shop"], ["it's ü/x"]]


def test_power_fails_between_the_names_of_two(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is proven, and still no set: its manifest names what is missing."""
    both = dataclasses.replace(job, databases=("a", "b"))
    with monkeypatch.context() as patch:
        patch.setattr(files.PartialFile, "discard", lambda self: os.close(self._fd) if self._fd >= 0 else None)
        # Two manifests, then the first dump.
        kill_in(patch, Path, "rename", 4)
        with pytest.raises(Killed):
            run(both, Server())
    (left,) = found = subject.manifests_in(job.directory)
    assert left["pieces"] == ["pg-backup-20261121-020000-a.dump", "pg-backup-20261121-020000-b.dump"]
    assert manifest.incomplete(found) == "incomplete: pg-backup-20261121-020000-b.dump is not there"
    assert manifest.whole_sets(found) == []
    whole = [item.manifest for item in run(both, Server(), START + 60)]
    assert manifest.whole_sets(subject.manifests_in(job.directory)) == whole


@pytest.mark.parametrize(
    "served",
    [
        pytest.param({"release": "v2", "id": "v2-1", "since": "", "rolled_back": None}, id="a release"),
        pytest.param(None, id="none"),
    ],
)
def test_the_release_that_serves_is_in_the_manifest(job: Job, served: dict[str, Any] | None) -> None:
    made = create(job, FakeEngine, connector(Server()), START, clock=lambda: START + 2, served=served)[0]
    assert manifest.load(files.manifest_of(made.path)).get("served") == served


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("fails", [BackupError, Killed], ids=["fails", "is killed"])
def test_of_several_databases_none_is_backed_up_when_one_fails(
    job: Job, fails: type[BaseException], encrypted: bool
) -> None:
    to = (str(pyrage.x25519.Identity.generate().to_public()),) if encrypted else ()
    both = dataclasses.replace(job, databases=("a", "b"), recipients=to)
    earlier = run(both, Server(), START - 86400)
    before = names(job)

    def fail() -> None:
        raise fails("no b")

    def connect(database: str) -> FakeEngine:
        server = Server()
        if database == "b":
            server.during_dump = fail
        return FakeEngine(Target(Place(), database=database), server)

    with pytest.raises(fails, match="no b"):
        create(both, FakeEngine, connect, START)
    assert names(job) == before
    assert [item["set"] for item in subject.manifests_in(job.directory)] == [earlier[0].manifest["set"]] * 2


def test_never_two_at_once(job: Job) -> None:
    with (
        files.lock(job.lock, "it"),
        pytest.raises(BackupError, match=rf"backup job 'j' is being worked on already, by process {os.getpid()} since"),
    ):
        run(job, Server())
    run(job, Server())


SAME = Source("1", "1", {"a": 3}, same_snapshot=True, note="")
LIVE = Source("1", "1", {"a": 3}, same_snapshot=False, note="", counts_after={"a": 5})
STILL = Source("1", "1", {"a": 3}, same_snapshot=False, note="", counts_after={"a": 3})
# A table at rest beside one that is written, and keys of which some have an expiry.
BOTH = Source("1", "1", {"a": 500, "b": 9}, same_snapshot=False, note="", counts_after={"a": 500, "b": 10})
KEYS = Source("1", "1", {"a": 9}, same_snapshot=False, note="", counts_after={"a": 9}, volatile={"a": 1})
READ = Source("1", "1", {"a": 3}, same_snapshot=False, note="", as_read=True)
# A table that somebody replaced while it was dumped.
WORK = Source("1", "1", {"a": 3}, same_snapshot=True, note="", uncounted=("work",))


@pytest.mark.parametrize(
    ("source", "found", "verdict", "required"),
    [
        pytest.param(SAME, {"a": 3}, "ok", True, id="same snapshot, same"),
        pytest.param(SAME, {"a": 2}, "bad", True, id="same snapshot, fewer"),
        pytest.param(SAME, {}, "bad", True, id="same snapshot, none"),
        pytest.param(SAME, {"a": 3, "b": 0}, "bad", True, id="same snapshot, another"),
        pytest.param(SAME, None, "not_verified", True, id="nothing counted"),
        pytest.param(LIVE, {"a": 4}, "ok", True, id="live, in between"),
        pytest.param(LIVE, {"a": 9}, "not_verified", False, id="live, outside while it changes"),
        pytest.param(STILL, {"a": 3}, "ok", True, id="at rest, same"),
        pytest.param(STILL, {"a": 2}, "bad", True, id="at rest, fewer"),
        pytest.param(STILL, {}, "bad", True, id="at rest, none"),
        pytest.param(STILL, {"a": 4}, "not_verified", False, id="at rest, more: one came and went"),
        pytest.param(STILL, {"a": 3, "b": 1}, "not_verified", False, id="at rest, another: it came and went"),
        pytest.param(KEYS, {"a": 8}, "not_verified", False, id="at rest, fewer: one expired and came again"),
        pytest.param(KEYS, {"a": 7}, "bad", True, id="at rest, fewer than can have expired"),
        pytest.param(READ, {"a": 3}, "ok", True, id="counted as it was read, same"),
        pytest.param(READ, {"a": 4}, "bad", True, id="counted as it was read, more"),
        pytest.param(WORK, {"a": 3, "work": 7}, "not_verified", False, id="one replaced meanwhile, the other same"),
        pytest.param(WORK, {"a": 2, "work": 7}, "bad", True, id="one replaced meanwhile, the other fewer"),
        pytest.param(WORK, {"a": 3}, "not_verified", False, id="one gone meanwhile"),
        pytest.param(BOTH, {"a": 500, "b": 10}, "ok", True, id="one at rest, one in between"),
        pytest.param(BOTH, {"a": 400, "b": 9}, "bad", True, id="one at rest, fewer, while the other changes"),
        pytest.param(BOTH, {"a": 500, "b": 8}, "not_verified", False, id="one at rest, the other outside"),
        pytest.param(BOTH, {"a": 400, "b": 8}, "bad", True, id="one at rest, fewer, the other outside"),
        pytest.param(
            dataclasses.replace(WORK, counts={}),
            {"work": 7},
            "not_verified",
            True,
            id="the only one replaced",
        ),
    ],
)
def test_source_check(source: Source, found: dict[str, int] | None, verdict: str, required: bool) -> None:
    check = subject.source_check(source, Findings(counts=found))
    assert (check.verdict, check.required) == (verdict, required)


def test_a_sudden_drop_is_kept_and_bad_until_it_is_acknowledged(job: Job) -> None:
    job = dataclasses.replace(job, max_drop=50)
    server = Server(data={"t.a": 1000})
    assert run(job, server)[0].manifest["verification"]["verdict"] == "ok"
    server.data = {"t.a": 10}
    for day in (1, 2):
        made = run(job, server, START + day * 86400)[0]
        assert made.manifest["verification"]["verdict"] == "bad"
        assert made.path.exists()
        report = verify(made.path, FakeEngine(Target(Place())), "full", made.manifest, now=START)
        assert report.reasons == (
            "birth: it was bad when it was made: change: down by more than 50 % since 20261121-020000:"
            " t.a: 1000 before, 10 now"
        )
        report = verify(made.path, FakeEngine(Target(Place())), "full", made.manifest, now=START, acknowledged=True)
        assert report.verdict == "ok"
    made = run(dataclasses.replace(job, acknowledged=True), server, START + 3 * 86400)[0]
    assert made.manifest["verification"]["verdict"] == "ok"
    assert run(job, server, START + 4 * 86400)[0].manifest["verification"]["verdict"] == "ok"


def hold(lock: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Another process that has a lock."""
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("backup job 'other', process 1 since then\n")
    holder = subprocess.Popen(["flock", lock, "sh", "-c", f"echo; exec sleep {seconds}"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


def test_overlapping_jobs_wait(job: Job) -> None:
    with hold(job.locks / "turn.lock", 1.5) as holder:
        begin = time.monotonic()
        run(dataclasses.replace(job, patience=30), Server())
        assert holder.poll() is not None
        assert time.monotonic() - begin > 1
    assert names(job) == GOOD


def test_patience_ends(job: Job) -> None:
    with hold(job.locks / "turn.lock", 60) as holder:
        with pytest.raises(BackupError, match="waited 0 s for another backup to end: backup job 'other', process 1"):
            run(dataclasses.replace(job, patience=0.2), Server())
        run(job, Server())
        holder.kill()


def test_the_same_job_is_refused_at_once(job: Job) -> None:
    with hold(job.lock, 60) as holder:
        with pytest.raises(BackupError, match="backup job 'j' is being worked on already, by backup job 'other'"):
            run(dataclasses.replace(job, patience=30), Server())
        holder.kill()


@pytest.mark.parametrize(
    ("name", "hours", "gone"),
    [
        pytest.param("ansible-local-{dead}ab_9x0z1", 13, True, id="of a run that is gone"),
        pytest.param("ansible-local-{dead}12345678", 13, True, id="whose name ends in digits"),
        pytest.param("ansible-tmp-1795226400.12-{dead}-42", 13, True, id="of its connection"),
        pytest.param("ansible-moduletmp-1795226400.12-x_1", 13, True, id="of its module"),
        pytest.param("ansible-local-{dead}ab_9x0z1", 11, False, id="too young: its module may go on without it"),
        pytest.param("ansible-local-{alive}ab_9x0z1", 13, False, id="of a run that goes on"),
        pytest.param("ansible-local-{reused}ab_9x0z1", 13, True, id="of a number that is another's by now"),
        pytest.param("something-else", 13, False, id="of nobody we know"),
    ],
)
def test_what_killed_runs_have_left_goes(tmp_path: Path, name: str, hours: int, gone: bool) -> None:
    processes, scratch = tmp_path / "proc", tmp_path / "tmp"
    for number, command in (("7", b"python\0/venv/bin/ansible-playbook\0"), ("8", b"sleep\0")):
        (processes / number).mkdir(parents=True)
        (processes / number / "cmdline").write_bytes(command)
    path = scratch / name.format(dead=9, alive=7, reused=8)
    (path / "source").mkdir(parents=True)
    os.utime(path, (START - hours * 3600,) * 2)
    assert files.stale(scratch, START, processes) == ([path] if gone else [])


def test_the_next_run_sweeps_under_its_lock(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "tmp"
    left = scratch / "ansible-local-99999999abcdefgh"
    (left / "source").mkdir(parents=True)
    os.utime(left, (START - 86400,) * 2)
    swept = dataclasses.replace(job, scratch=scratch)
    with files.lock(job.lock, "another"), pytest.raises(BackupError, match="is being worked on already"):
        run(swept, Server())
    assert left.exists()
    run(swept, Server())
    assert list(scratch.iterdir()) == []
    run(dataclasses.replace(job, scratch=tmp_path / "none"), Server(), START + 60)
