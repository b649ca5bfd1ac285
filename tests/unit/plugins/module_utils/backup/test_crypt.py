# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption: what the server can't read afterwards, what opens it, and what becomes of damage and of kills."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyrage
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.filter.backup_key import backup_key
from ansible_collections.mainstay.platform.plugins.module_utils.backup import crypt, files, manifest, restore
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create, manifests_in
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector

START = 1_795_226_400.0  # 2026-11-21T02:00:00Z
NAME = "pg-backup-20261121-020000.dump.age"
OLD, NEW, OTHER = (pyrage.x25519.Identity.generate() for _each in range(3))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    recipients = (str(OLD.to_public()),)
    return Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "locks", recipients)


def run(job: Job, server: Server | None = None, started: float = START) -> Made:
    return create(job, FakeEngine, connector(server or Server()), started, clock=lambda: started + 2)[0]


def opened(made: Made, key: object) -> dict[str, int]:
    with crypt.opened(made.path, str(key)) as content:
        assert content.path is not None
        found: dict[str, int] = json.loads(content.path.read_bytes())
    return found


def report(made: Made, level: str, key: object = None) -> tuple[str, dict[str, str]]:
    engine = FakeEngine(Target(Place()))
    with crypt.opened(made.path, str(key) if key else None) as content:
        done = verify(made.path, engine, level, made.manifest, now=time.time(), content=content)
    return done.verdict, {check.name: check.verdict for check in done.checks}


def test_only_ciphertext_lies_there(job: Job) -> None:
    made = run(job)
    assert sorted(path.name for path in job.directory.iterdir()) == [NAME, NAME + files.MANIFEST]
    assert made.path.read_bytes().startswith(crypt.MAGIC)
    assert (made.manifest["size"], made.manifest["sha256"]) == files.sha256_of(made.path)
    plain = json.dumps(Server().data).encode()
    assert made.manifest["plain"]["file"] == NAME.removesuffix(".age")
    assert made.manifest["plain"]["size"] == len(plain)
    assert made.manifest["verification"]["verdict"] == "ok"
    assert "decrypts to what was proven" in [check["reason"] for check in made.manifest["verification"]["checks"]]
    everything = b"".join(path.read_bytes() for path in job.directory.iterdir())
    assert b"AGE-SECRET-KEY" not in everything
    assert b"t.a" not in made.path.read_bytes()


def test_the_private_key_opens_the_file_by_itself(job: Job) -> None:
    assert opened(run(job), OLD) == Server().data


def test_the_key_in_the_manifest_opens_this_backup_and_no_other(job: Job) -> None:
    first, second = run(job), run(job, started=START + 60)
    key = backup_key(first.manifest, str(OLD))
    assert opened(first, key) == Server().data
    with pytest.raises(crypt.WrongKeyError, match="could not be decrypted"), crypt.opened(second.path, key):
        pass


def test_rotation(job: Job) -> None:
    """Both keys while one follows the other: the new one opens what is new, the old one all until it is dropped."""
    before = run(job)
    both = run(dataclasses.replace(job, recipients=(str(OLD.to_public()), str(NEW.to_public()))), started=START + 60)
    after = run(dataclasses.replace(job, recipients=(str(NEW.to_public()),)), started=START + 120)
    ring = f"# kept while backups of then are\n{OLD}\n{NEW}\n"
    for made in (before, both, after):
        assert opened(made, ring) == Server().data
        assert opened(made, backup_key(made.manifest, ring)) == Server().data
    assert opened(both, NEW) == opened(both, OLD) == Server().data
    for made, key in ((before, NEW), (after, OLD)):
        with pytest.raises(crypt.WrongKeyError), crypt.opened(made.path, str(key)):
            pass
        with pytest.raises(AnsibleFilterError, match=r"is encrypted to age1.*: the key .* cannot be opened with this"):
            backup_key(made.manifest, str(key))


@pytest.mark.parametrize(
    ("level", "key", "verdict", "seen"),
    [
        ("quick", None, "ok", {"sha256": "ok", "structure": "ok"}),
        ("full", None, "not_verified", {"sha256": "ok", "content": "not_verified"}),
        ("full", OLD, "ok", {"plain": "ok", "counts": "ok"}),
        ("quick", OLD, "ok", {"plain": "ok"}),
    ],
    ids=["quick where no key is", "full where no key is", "full with the key", "quick with the key"],
)
def test_verification(job: Job, level: str, key: object, verdict: str, seen: dict[str, str]) -> None:
    found, checks = report(run(job), level, key)
    assert found == verdict
    assert seen.items() <= checks.items()


@pytest.mark.parametrize("fault", ["a bit", "cut", "cut between chunks", "appended", "empty"])
def test_damage_is_seen_with_and_without_a_key(job: Job, fault: str) -> None:
    made = run(job, Server(data={f"t.{n}": n for n in range(20000)}))
    data = bytearray(made.path.read_bytes())
    chunk = data.index(b"\n", data.index(b"\n---") + 1) + 1 + 16 + 65536 + 16
    if fault == "a bit":
        data[-3] ^= 4
    made.path.write_bytes(
        {"cut": data[:-9], "cut between chunks": data[:chunk], "appended": data + b"x", "empty": b""}.get(fault, data)
    )
    assert report(made, "quick")[0] == "bad"
    with pytest.raises(BackupError, match="could not be decrypted"), crypt.opened(made.path, str(OLD)):
        pass


def test_another_file_of_the_same_key_is_seen(job: Job) -> None:
    made, other = run(job), run(job, Server(data={"t.a": 1}), START + 60)
    made.path.write_bytes(other.path.read_bytes())
    assert report(made, "full", OLD)[1]["plain"] == "bad"


def test_restore_of_an_encrypted_backup(job: Job) -> None:
    made, server = run(job), Server(data={"t.a": 0})
    key = backup_key(made.manifest, str(OLD))
    with crypt.opened(made.path, key) as content:
        agreed = restore.plan(
            made.path, job, FakeEngine(Target(Place()), server), made.manifest,
            level="full", force=False, safety=True, where="here", content=content,
        )  # fmt: skip
        assert content.path is not None
        restore.restore(content.path, job, FakeEngine, connector(server), "shop", made.manifest, agreed)
    assert server.data == Server().data


def test_restore_without_the_key_says_so(job: Job) -> None:
    made = run(job)
    with crypt.opened(made.path, None) as content, pytest.raises(BackupError, match=r"is encrypted: give the key as"):
        restore.plan(
            made.path, job, FakeEngine(Target(Place())), made.manifest,
            level="quick", force=True, safety=True, where="here", content=content,
        )  # fmt: skip


KILLED = """
    import os, sys
    from pathlib import Path
    from ansible_collections.mainstay.platform.plugins.module_utils.backup import crypt, create as subject, files
    from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector
    out, stage, recipient = sys.argv[1:]
    def die(*a, **k):
        os.kill(os.getpid(), 9)
    server = Server(data={"secret.table": 3})
    if stage == "dumping":
        server.during_dump = die
    elif stage == "proving":
        server.during_examine = die
    elif stage == "encrypting":
        real = files.PartialFile.write
        def write(self, data):
            real(self, data)
            if self.path.name.endswith(".age.partial"):
                die()
        files.PartialFile.write = write
    elif stage == "proving what was encrypted":
        crypt.proof = die
    else:
        files.sync_directory = die
    places = (Path(out), "pg-backup", Path(out) / "locks")
    job = subject.Job("j", "app", "db", "postgresql", ("shop",), *places, (recipient,))
    subject.create(job, FakeEngine, connector(server), 1_795_226_400.0)
"""


@pytest.mark.parametrize("stage", ["dumping", "proving", "encrypting", "proving what was encrypted", "named"])
def test_killed_at_any_moment_no_plaintext_lies_there(tmp_path: Path, stage: str) -> None:
    arguments = [str(tmp_path / "out"), stage, str(OLD.to_public())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *arguments], env=env, check=False)
    assert done.returncode == -9
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in left if b'"secret.table": 3}' in path.read_bytes()]
    assert len(manifests_in(tmp_path / "out")) == (1 if stage == "named" else 0)


def test_a_full_disk_while_it_is_encrypted(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.PartialFile.write

    def write(self: files.PartialFile, data: bytes) -> None:
        if not isinstance(self, files.NamelessFile):
            raise BackupError("no space left in there")
        real(self, data)

    monkeypatch.setattr(files.PartialFile, "write", write)
    with pytest.raises(BackupError, match="no space left in there"):
        run(job)
    assert list(job.directory.iterdir()) == []


def test_room_is_asked_for_twice(job: Job) -> None:
    size = os.statvfs(job.locks.parent).f_bavail * os.statvfs(job.locks.parent).f_frsize * 2 // 3
    with pytest.raises(BackupError, match="and it is there twice until it is encrypted"):
        run(job, Server(size=size))


@pytest.mark.parametrize(
    ("recipient", "error"),
    [
        ("age1x", r"recipients\[0\]: 'age1x' is not a public key \(try the age1"),
        ("ssh-ed25519 AAAA", r"recipients\[0\]: 'ssh-ed25519 AAAA' is not a public key"),
        (
            str(OTHER),
            r"^recipients\[0\]: this is a private key, which belongs to no server \(try its public key, age1…\)$",
        ),
    ],
    ids=["no key", "no key of SSH", "the private key"],
)
def test_bad_recipients_are_refused_before_anything_is_dumped(job: Job, recipient: str, error: str) -> None:
    server = Server()
    with pytest.raises(BackupError, match=error):
        run(dataclasses.replace(job, recipients=(recipient,)), server)
    assert server.dumps == 0


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "AGE-SECRET-KEY-1XYZZY", "-----BEGIN OPENSSH PRIVATE KEY-----\nxyzzy"]
)
def test_bad_identities_are_not_shown(text: str) -> None:
    with pytest.raises(BackupError, match=r"^identity: not a private key of age") as error:
        crypt.parse_identities(text)
    assert "xyzzy" not in str(error.value).lower()


@pytest.mark.parametrize(
    ("given", "identity", "error"),
    [
        ({}, "x", "a manifest is needed"),
        ({"file": "a", "encryption": {"recipients": ["age1x"], "key": ""}}, "", "set backups_identity to one of their"),
        (
            {"file": "a", "encryption": {"recipients": ["age1x"], "key": "zz"}},
            str(OTHER),
            "a is encrypted to age1x: the key",
        ),
    ],
    ids=["no manifest", "no identity", "a damaged key"],
)
def test_the_filter_says_what_is_wrong(given: dict[str, object], identity: str, error: str) -> None:
    with pytest.raises(AnsibleFilterError, match=error):
        backup_key(given, identity)


def test_the_filter_has_nothing_to_open_where_nothing_is_encrypted() -> None:
    assert backup_key({"file": "x.dump", "encryption": None}, None) == ""


def test_manifests_of_encrypted_backups_are_read_back(job: Job) -> None:
    made = run(job)
    assert manifest.load(files.manifest_of(made.path)) == made.manifest
