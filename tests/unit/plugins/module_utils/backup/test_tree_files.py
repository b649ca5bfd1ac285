# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing, tree_files
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.tree_files import ArchiveError, Files
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, HalfDoneError

from tests.unit.plugins.module_utils.backup import faults

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners can be restored by root alone")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Everything that a folder can hold."""
    root = tmp_path / "data" / "up loads"
    root.mkdir(parents=True)
    (root / "a").write_bytes(b"x" * 1000)
    (root / "ü \n 'q'").write_bytes(b"y")
    (root / "empty").mkdir(mode=0o750)
    deep = root / "/".join(["long-name-of-a-folder"] * 12)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(random.Random(1).randbytes(300_000))
    (root / "link").symlink_to("nowhere")
    os.link(root / "a", root / "hard")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
    os.chown(root / "a", 1234, 4321)
    (root / "a").chmod(0o640)
    os.utime(root / "a", ns=(5, 1_000_000_000_123_456_789))
    return root


def engine(*paths: Path | str, exclude: tuple[str, ...] = (), compression: str = "gzip") -> Files:
    return Files(Target(Place(), paths=tuple(map(str, paths)), exclude=exclude, compression=compression, timeout=60))


def dumped(made: Files, path: Path) -> tree_files.Source:
    with path.open("wb") as file:
        return made.dump(file.write)


def listing(root: Path) -> str:
    # All but when folders were changed, which is what a restore does.
    form = ["-printf", "%P %y %m %U %G %s %l\\n", "-type", "f", "-printf", "%T@\\n"]
    return subprocess.run(
        ["find", root, "-not", "-type", "s", *form], capture_output=True, check=True, text=True, errors="replace"
    ).stdout


@pytest.mark.parametrize("compression", ["gzip", pytest.param("zstd", marks=pytest.mark.skipif(
    packing.best() != "zstd", reason="zstd is not here"))])  # fmt: skip
def test_there_and_back(tree: Path, tmp_path: Path, compression: str) -> None:
    made = engine(tree, tree / "a", "/nowhere/to/be/found", compression=compression)
    source = dumped(made, tmp_path / "x")
    counts = {f"{tree} files": 20, f"{tree} bytes": 301_001}
    assert source.counts == source.counts_after == counts
    assert (
        source.note
        == "files were counted before and behind: they are of no one moment; not there: /nowhere/to/be/found"
    )
    findings = made.examine(tmp_path / "x")
    assert findings.counts == counts
    assert [check.verdict for check in findings.checks] == ["ok"]
    assert engine().examine(tmp_path / "x").counts == counts
    before = listing(tree)
    (tree / "a").write_bytes(b"changed")
    (tree / "later").write_bytes(b"new")
    made.restore(tmp_path / "x")
    assert listing(tree) == before
    assert (tree / "hard").stat().st_ino == (tree / "a").stat().st_ino
    assert sorted(path.name for path in tree.parent.iterdir()) == [tree.name]


def test_a_single_file_and_one_left_out(tree: Path, tmp_path: Path) -> None:
    made = engine(tree / "a", tree / "empty", exclude=(str(tree / "em*"),))
    assert dumped(made, tmp_path / "x").counts == {f"{tree}/a files": 1, f"{tree}/a bytes": 1000} | {
        f"{tree}/empty files": 0, f"{tree}/empty bytes": 0
    }  # fmt: skip
    assert made.examine(tmp_path / "x").counts == {f"{tree}/a files": 1, f"{tree}/a bytes": 1000}
    (tree / "a").unlink()
    made.restore(tmp_path / "x")
    assert (tree / "a").stat().st_uid == 1234


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="none of /nowhere is there"):
        dumped(engine("/nowhere"), tmp_path / "x")


def test_files_that_change_meanwhile(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GNU tar says so with status 1, and what it has written is whole."""
    changed = 'echo "tar: a: file changed as we read it" >&2; exit 1'
    (tmp_path / "tar").write_text(f'#!/bin/sh\n/usr/bin/tar "$@" || exit 2\ncase $* in *--create*) {changed} ;; esac\n')
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    source = dumped(engine(tree), tmp_path / "x")
    assert source.note.endswith("changed meanwhile: tar: a: file changed as we read it")
    assert engine().examine(tmp_path / "x").checks[0].verdict == "ok"


def test_a_file_that_cannot_be_read(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tar").write_text('#!/bin/sh\necho "tar: a: Input/output error" >&2; exit 2')
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ToolError, match="status 2: tar: a: Input/output error"):
        dumped(engine(tree), tmp_path / "x")


def plain(tree: Path, tmp_path: Path) -> bytes:
    dumped(engine(tree), tmp_path / "x")
    return b"".join(packing.unpack(tmp_path / "x", 60))


def walked(data: bytes, size: int = 5000) -> dict[str, int]:
    return tree_files.count(tree_files.members(data[at : at + size] for at in range(0, len(data), size)))


def test_a_producer_that_died(tree: Path, tmp_path: Path) -> None:
    """Fault i: the packer has closed its file in good order."""
    data = plain(tree, tmp_path)
    dice = random.Random(1)
    for cut in (0, 512, 1024, len(data) // 1024 * 512, *(dice.randrange(len(data) - 10240) for _each in range(50))):
        with pytest.raises(ArchiveError):
            walked(data[:cut])


def test_every_header_is_checked(tree: Path, tmp_path: Path) -> None:
    data = plain(tree, tmp_path)
    with tarfile.open(fileobj=__import__("io").BytesIO(data)) as archive:
        offsets = [member.offset for member in archive.getmembers()]
    for offset in offsets:
        with pytest.raises(ArchiveError):
            walked(data[: offset + 50] + bytes([data[offset + 50] ^ 1]) + data[offset + 51 :])


def test_something_behind_the_end(tree: Path, tmp_path: Path) -> None:
    data = plain(tree, tmp_path)
    assert walked(data + bytes(10240)) == walked(data, 1) == walked(data)
    with pytest.raises(ArchiveError, match="behind the end"):
        walked(data + bytes(10240) + b"x")
    with pytest.raises(ArchiveError, match="behind the end"):
        walked(data + data)


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_damage_is_seen(tree: Path, tmp_path: Path, fault: str) -> None:
    made = engine(tree)
    dumped(made, tmp_path / "x")
    good, findings = (tmp_path / "x").read_bytes(), made.examine(tmp_path / "x")
    dice = random.Random(fault)
    for _attempt in range(20):
        (tmp_path / "x").write_bytes(faults.FAULTS[fault](good, dice))
        found = made.examine(tmp_path / "x")
        # A field of gzip's header that means nothing to the content.
        assert found.checks[0].verdict == "bad" or (fault == "flip" and found.counts == findings.counts)


def test_a_restore_that_fails_leaves_what_was_there(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine(tree)
    dumped(made, tmp_path / "x")
    before = listing(tree)
    (tmp_path / "tar").write_text("#!/bin/sh\nexit 2")
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BackupError, match="nothing was restored; run it again"):
        made.restore(tmp_path / "x")
    assert listing(tree) == before
    assert sorted(path.name for path in tree.parent.iterdir()) == [tree.name]


def test_a_restore_that_was_cut_off_is_made_up_for(tree: Path, tmp_path: Path) -> None:
    made = engine(tree)
    dumped(made, tmp_path / "x")
    before = listing(tree)
    tree.rename(tree.with_name(f"{tree_files.OLD}-{tree.name}"))
    (tree.parent / f"{tree_files.STAGE}-{tree.name}").mkdir()
    made.restore(tmp_path / "x")
    assert listing(tree) == before
    assert sorted(path.name for path in tree.parent.iterdir()) == [tree.name]


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
def test_what_backups_leave_out_outlives_a_restore(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted: bool, interrupted: bool
) -> None:
    """No backup has it, not even the one that is made before a restore."""
    made = engine(tree, exclude=(f"{tree}/videos", "*.raw"))
    (tree / "videos" / "deep").mkdir(parents=True)
    (tree / "videos" / "deep" / "film").write_bytes(b"film")
    (tree / "empty" / "one.raw").write_bytes(b"raw")
    dumped(made, tmp_path / "x")
    before = listing(tree)
    (tree / "later").write_bytes(b"new")
    monkeypatch.setattr(os.path, "ismount", lambda path: mounted and Path(path) == tree)
    if interrupted:
        # Killed when what has come was in place, and what was there was not all brought back.
        old = (tree if mounted else tree.parent) / f"{tree_files.OLD}-{tree.name}"
        (old / "empty").mkdir(parents=True)
        (tree / "videos").rename(old / "videos")
        (tree / "empty" / "one.raw").rename(old / "empty" / "one.raw")
    made.restore(tmp_path / "x")
    assert listing(tree) == before
    assert sorted(path.name for path in tree.parent.iterdir()) == [tree.name]


def test_one_path_is_restored_and_the_next_is_not(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tree.with_name("zoo")
    other.mkdir()
    made = engine(tree, other)
    dumped(made, tmp_path / "x")
    put_back = Files._put_back

    def once(self: Files, path: Path, root: str) -> None:
        if root == str(other):
            raise OSError("full")
        put_back(self, path, root)

    monkeypatch.setattr(Files, "_put_back", once)
    with pytest.raises(HalfDoneError, match=f"{tree} restored, {other} and what follows not"):
        made.restore(tmp_path / "x")


def test_as_a_backup(tree: Path, tmp_path: Path) -> None:
    job = Job("j", "app", "up", "files", (), tmp_path / "out", "up-backup", tmp_path / "locks")
    made = create(job, Files, lambda _part: engine(tree))[0]
    assert made.path.name.startswith("up-backup-")
    assert made.path.name.endswith(".tar.gz")
    assert made.manifest["verification"]["verdict"] == "ok"
    assert made.manifest["counts"] == {f"{tree} files": 20, f"{tree} bytes": 301_001}


def test_beside_what_is_there(tree: Path, tmp_path: Path) -> None:
    made, path = engine(tree), tmp_path / "made.tar.gz"
    dumped(made, path)
    before = listing(tree)
    (tree / "a").write_text("new")
    now = listing(tree)
    aside = Files(Target(Place(), paths=(str(tree),), database=str(tmp_path / "kept" / "beside"), timeout=60))
    assert aside.counts() == {}
    aside.restore(path)
    assert listing(Path(f"{tmp_path}/kept/beside{tree}")) == before
    assert listing(tree) == now
    assert aside.counts() == made.examine(path).counts
    with pytest.raises(BackupError, match=r"nothing was restored: .*/kept/beside is there already"):
        aside.restore(path)
    assert [item.name for item in (tmp_path / "kept").iterdir()] == ["beside"]


def test_a_damaged_archive_leaves_nothing_beside(tree: Path, tmp_path: Path) -> None:
    made, path = engine(tree), tmp_path / "made.tar.gz"
    dumped(made, path)
    path.write_bytes(path.read_bytes()[:-2000])
    aside = Files(Target(Place(), paths=(str(tree),), database=str(tmp_path / "kept" / "beside"), timeout=60))
    with pytest.raises(BackupError, match="nothing was restored"):
        aside.restore(path)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        pytest.param("/data/up loads/disk", ["/data/up loads/disk"], id="inside, with a space"),
        pytest.param("/data/up loads", [], id="the folder itself"),
        pytest.param("/data/up loads too", [], id="another that begins the same"),
    ],
)
def test_what_is_mounted_inside(point: str, inside: list[str]) -> None:
    escaped = point.replace(" ", "\\040")
    mounts = f"proc /proc proc rw 0 0\ntmpfs {escaped} tmpfs rw 0 0\n"
    assert tree_files.mounted_below("/data/up loads", mounts) == inside


def test_a_disk_inside_is_neither_emptied_nor_lost(tree: Path, tmp_path: Path) -> None:
    made, path = engine(tree), tmp_path / "made.tar.gz"
    dumped(made, path)
    disk = tree / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "precious").write_text("x")
        with pytest.raises(BackupError, match=r"nothing was restored: .*/disk is mounted inside"):
            engine(tree).restore(path)
        assert (disk / "precious").read_text() == "x"
    finally:
        subprocess.run(["umount", disk], check=True)
