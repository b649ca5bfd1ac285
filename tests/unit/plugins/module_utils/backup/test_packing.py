# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

from tests.unit.plugins.module_utils.backup import faults

CONTENT = b"".join(b"%d of many lines\n" % number for number in range(60000))
KINDS = [
    packing.GZIP,
    pytest.param(packing.ZSTD, marks=pytest.mark.skipif(packing.best() != packing.ZSTD, reason="zstd is not here")),
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def packed(path: Path, kind: str) -> Path:
    with path.open("wb") as file, packing.packing(kind, file.write, 60) as feed:
        for at in range(0, len(CONTENT), 70000):
            feed(CONTENT[at : at + 70000])
    return path


def test_there_and_back(tmp_path: Path, kind: str) -> None:
    path = packed(tmp_path / "x", kind)
    assert packing.kind_of_file(path) == kind
    assert path.stat().st_size < len(CONTENT) / 4
    assert b"".join(packing.unpack(path, 60)) == CONTENT
    with packing.unpacked(path, 60) as stream:
        assert subprocess.run(["sha256sum"], stdin=stream, capture_output=True, check=True).stdout
    assert subprocess.run([*packing.UNPACK[kind], path], capture_output=True, check=True).stdout == CONTENT


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_damage_is_seen(tmp_path: Path, kind: str, fault: str) -> None:
    good = packed(tmp_path / "good", kind).read_bytes()
    bad = tmp_path / "bad"
    dice = random.Random(fault)
    for _attempt in range(20):
        bad.write_bytes(faults.FAULTS[fault](good, dice))
        try:
            content = b"".join(packing.unpack(bad, 60))
        except packing.PackedError:
            continue
        # Fields that mean nothing to the content, such as gzip's time.
        assert content == CONTENT
        assert fault == "flip"


def test_a_second_member_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"a") + gzip.compress(b"b"))
    with pytest.raises(packing.PackedError, match="behind the end"):
        list(packing.unpack(path, 60))


def test_what_is_packed_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    with pytest.raises(packing.PackedError, match="neither a gzip nor a zstd file"):
        list(packing.unpack(path, 60))


def test_without_zstd_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(packing.MAGIC[packing.ZSTD])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="zstd is not installed on this host"):
        list(packing.unpack(path, 60))
    assert packing.best() == packing.GZIP


def test_a_full_disk_ends_it(kind: str) -> None:
    def full(data: bytes) -> None:
        raise BackupError("no space left")

    dice = random.Random(1)
    with pytest.raises(BackupError, match="no space left"), packing.packing(kind, full, 60) as feed:
        for _attempt in range(200):
            feed(dice.randbytes(1 << 18))


def test_a_feeder_that_fails_ends_it(kind: str) -> None:
    written = []
    with pytest.raises(ToolError, match="dump"), packing.packing(kind, written.append, 60) as feed:
        feed(CONTENT)
        raise ToolError("the dump failed")


def test_a_packer_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setitem(packing.PACK, kind, ["sh", "-c", "head -c 1000 >/dev/null; echo out of memory >&2; exit 1"])
    with pytest.raises(ToolError, match="out of memory"), packing.packing(kind, lambda data: None, 60) as feed:
        for _attempt in range(20):
            feed(CONTENT)
