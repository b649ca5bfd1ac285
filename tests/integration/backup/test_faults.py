# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in the making: killed at any moment, a full disk, a server that goes away, somebody in the way."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

from tests.integration.backup.conftest import PASSWORD, Database, sh, wait

KILLS = 12
COLLECTIONS = Path(packing.__file__).parents[6]
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
given = json.load(sys.stdin)
out = Path(given["out"])
job = Job("j", "app", "db", given["engine"], ("shop",), out / "out", "x-backup", out / "locks", patience=30)
kind = ENGINES[given["engine"]]
target = lambda part: Target(Place(given["container"]), given["user"], given["password"], part, timeout=120)
create(job, kind, lambda part: kind(target(part)))
"""


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database whose dump takes a while."""
    if request.param == "postgresql":
        found: Database = request.getfixturevalue("postgres")
        found.sql("CREATE TABLE t AS SELECT n, md5(n::text) a, md5((n * 7)::text) b FROM generate_series(1, 300000) n")
        return found
    found = Database("mariadb", request.getfixturevalue("mariadb_server"), "root", PASSWORD, "shop", tmp_path)
    wait(lambda: found.mysql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;", ""))
    found.mysql("CREATE TABLE t AS SELECT seq n, MD5(seq) a, MD5(seq * 7) b FROM seq_1_to_300000")
    return found


def start(database: Database, out: Path) -> subprocess.Popen[str]:
    """A backup in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, COLLECTIONS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    given = {
        "engine": database.engine, "container": database.container, "user": database.user,
        "password": database.password, "out": str(out),
    }  # fmt: skip
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    process.stdin = None
    return process


def seen(out: Path) -> list[Path]:
    """What looks like a backup, each with a manifest, or the test fails."""
    folder = out / "out"
    if not folder.is_dir():
        return []
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    backups = [path for path in shown if not path.name.endswith(".manifest.json")]
    for path in backups:
        manifest = json.loads(Path(f"{path}.manifest.json").read_text())
        assert manifest["size"] == path.stat().st_size
        assert manifest["verification"]["verdict"] == "ok"
    return backups


def quiet(database: Database) -> None:
    """Nothing of a dead backup goes on, in the container or here, before its time."""
    deadline = time.monotonic() + 15
    while left := [line for line in sh("docker", "top", database.container).splitlines() if "dump" in line]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_killed_at_any_moment(database: Database, tmp_path: Path) -> None:
    begin = time.monotonic()
    process = start(database, tmp_path)
    assert process.wait(60) == 0, process.communicate()
    whole = time.monotonic() - begin
    dice = random.Random(database.engine)
    finished = 1
    for _ in range(KILLS):
        process = start(database, tmp_path)
        time.sleep(dice.uniform(0.1, 1) * whole)
        process.kill()
        finished += process.wait() == 0
        process.communicate()
        assert len(seen(tmp_path)) >= finished
        quiet(database)
    process = start(database, tmp_path)
    assert process.wait(60) == 0, process.communicate()
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
    assert len(list((tmp_path / "out").iterdir())) == 2 * len(seen(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_in_good_order(database: Database, tmp_path: Path, number: signal.Signals) -> None:
    process = start(database, tmp_path)
    time.sleep(0.8)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert seen(tmp_path) == [] or process.returncode == 0
    quiet(database)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk))
    yield disk
    sh("umount", str(disk))


def test_a_disk_that_is_too_small(database: Database, small_disk: Path) -> None:
    job = dataclasses.replace(database.job, directory=small_disk / "out")
    with pytest.raises(BackupError, match=r"not enough space in .*: 3\.0 MiB free, about [\d.]+ MiB needed \(the data"):
        create(job, database.kind, database.connect)
    assert list(job.directory.iterdir()) == []


@pytest.mark.usefixtures("unestimated")
def test_a_disk_that_fills_up_in_the_middle(database: Database, small_disk: Path) -> None:
    job = dataclasses.replace(database.job, directory=small_disk / "out")
    job.directory.mkdir()
    older = job.directory / "older.dump"
    older.write_bytes(b"older")
    with pytest.raises(BackupError, match=r"no space left in .* after [\d.]+ MiB: .*older backups are untouched"):
        create(job, database.kind, database.connect)
    assert list(job.directory.iterdir()) == [older]
    quiet(database)


@pytest.fixture
def unestimated(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows beforehand how large it will be."""
    monkeypatch.setattr(database.kind, "estimate", lambda self: None)


def test_a_server_that_restarts_in_the_middle(database: Database) -> None:
    begun = threading.Event()

    def restart() -> None:
        begun.wait(30)
        subprocess.run(["docker", "restart", "--time", "1", database.container], check=True, capture_output=True)

    thread = threading.Thread(target=restart)
    thread.start()

    class Slow(database.kind):  # type: ignore[misc,name-defined]
        def dump(self, write):  # type: ignore[no-untyped-def]
            def slowly(data: bytes) -> None:
                write(data)
                if not begun.is_set():
                    begun.set()
                    time.sleep(4)

            return super().dump(slowly)

    good = database.connect()
    try:
        with pytest.raises(BackupError) as caught:
            create(database.job, Slow, lambda part: Slow(good._target))  # type: ignore[attr-defined]
    finally:
        thread.join()
    assert "dump" in str(caught.value) or "psql" in str(caught.value) or "mariadb" in str(caught.value)
    assert not database.job.directory.exists() or list(database.job.directory.iterdir()) == []
    wait(lambda: database.connect().counts())


def test_jobs_that_overlap_wait_for_each_other(database: Database, tmp_path: Path) -> None:
    """The same job twice is refused; here are two that share the locks of a server."""
    first = start(database, tmp_path)
    time.sleep(0.7)
    other = dataclasses.replace(database.job, name="other", locks=tmp_path / "locks", patience=60)
    made = create(other, database.kind, database.connect)[0]
    assert first.wait(1) == 0, first.communicate()
    assert made.manifest["verification"]["verdict"] == "ok"
    again = start(database, tmp_path)
    time.sleep(0.7)
    same = dataclasses.replace(database.job, name="j", locks=tmp_path / "locks")
    if again.poll() is None:
        with pytest.raises(BackupError, match="backup job 'j' is being worked on already, by process"):
            create(same, database.kind, database.connect)
    assert again.wait(60) == 0
