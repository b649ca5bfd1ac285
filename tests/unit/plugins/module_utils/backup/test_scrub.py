# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from ansible_collections.mainstay.platform.plugins.filter.backup_scrubbed import backup_scrubbed
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, scrub
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

START = 1_795_226_400.0


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "locks")


def look(job: Job, level: str, server: Server | None = None) -> list[scrub.Seen]:
    engine = connector(server or Server())("")
    return list(scrub.scrub(job.directory, level, lambda _manifest: engine, START + 60))


def flip(made: Made) -> None:
    data = made.path.read_bytes()
    made.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("damage", "verdict", "reason"),
    [
        pytest.param(lambda made: None, "ok", "", id="nothing"),
        pytest.param(flip, "bad", "the bytes have changed", id="a bit flipped"),
        pytest.param(lambda made: made.path.write_bytes(b""), "bad", "0 bytes", id="emptied"),
        pytest.param(lambda made: made.path.unlink(), "bad", "the backup is gone", id="gone"),
        pytest.param(lambda made: files.manifest_of(made.path).write_text("{"), "bad", "manifest", id="manifest cut"),
        pytest.param(
            lambda made: files.manifest_of(made.path).unlink(), "not_verified", "it has no manifest", id="no manifest"
        ),
    ],
)
@pytest.mark.parametrize("level", ["quick", "full"])
def test_what_is_found(job: Job, level: str, damage: Callable[[Made], object], verdict: str, reason: str) -> None:
    made = create(job, FakeEngine, connector(Server()), START, clock=lambda: START)[0]
    other = create(job, FakeEngine, connector(Server()), START + 10, clock=lambda: START + 10)[0]
    damage(made)
    seen = {item.path: item for item in look(job, level)}
    assert set(seen) == {str(made.path), str(other.path)}
    assert seen[str(made.path)].verdict == verdict
    assert reason in seen[str(made.path)].reason
    assert (seen[str(other.path)].verdict, seen[str(other.path)].reason) == ("ok", "")


def test_what_only_decoding_sees(job: Job) -> None:
    create(job, FakeEngine, connector(Server()), START, clock=lambda: START)
    assert [item.verdict for item in look(job, "quick", Server(rots=True))] == ["ok"]
    assert [item.verdict for item in look(job, "full", Server(checksum=False))] != ["ok"]


def test_of_what_is_encrypted_the_bytes_are_compared(job: Job) -> None:
    key = pyrage.x25519.Identity.generate()
    sealed = dataclasses.replace(job, recipients=(str(key.to_public()),))
    made = create(sealed, FakeEngine, connector(Server()), START, clock=lambda: START)[0]
    assert [item.verdict for item in look(job, "full")] == ["ok"]
    flip(made)
    assert [item.verdict for item in look(job, "full")] == ["bad"]


def test_a_set_that_lacks_one_is_bad(job: Job) -> None:
    both = dataclasses.replace(job, databases=("a", "b"))
    first, second = create(both, FakeEngine, connector(Server()), START, clock=lambda: START)
    second.path.unlink()
    assert [(item.path, item.verdict) for item in look(both, "quick")] == [
        (str(first.path), "ok"), (str(second.path), "bad"),
    ]  # fmt: skip
    files.manifest_of(second.path).unlink()
    lost = look(both, "quick")[-1]
    assert (lost.path, lost.verdict, lost.set) == (str(second.path), "bad", first.manifest["set"])
    assert lost.reason == f"incomplete: the set {lost.set} should have it"


def test_what_was_begun_is_no_backup(job: Job) -> None:
    create(job, FakeEngine, connector(Server()), START, clock=lambda: START)
    (job.directory / files.partial_name("pg-backup-x.dump")).touch()
    assert len(look(job, "quick")) == 1


def test_the_table_has_the_worst_first() -> None:
    backups = [
        {"job": "a", "set": "1", "path": "/a", "size": 10, "verdict": "ok", "reason": ""},
        {"job": "", "set": "", "path": "/b", "size": 1024, "verdict": "not_verified", "reason": "it has no manifest"},
        {"job": "c", "set": "2", "path": "/c", "size": 0, "verdict": "bad", "reason": "gone"},
    ]
    lines = backup_scrubbed(backups)
    assert [line.split()[0] for line in lines] == ["job", "c", "/b", "a", "1"]
    assert lines[-1] == "1 ok, 1 not verified, 1 bad; 1.0 KiB read"
    assert backup_scrubbed([]) == ["no backups"]
