# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import source
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, StoppedError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.plan import Block, blocks
from ansible_collections.mainstay.platform.plugins.module_utils.blob.source import each, open_source


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(grow, "size", id="grows"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), "modification time", id="is touched"),
        pytest.param(
            lambda path: path.write_bytes(b"other"[: path.stat().st_size]), "modification time", id="is rewritten"
        ),
        pytest.param(replace, "file", id="is replaced by a copy"),
        pytest.param(lambda path: path.unlink(), "file", id="is deleted"),
    ],
)
def test_a_file_that_changes_is_noticed(tmp_path: Path, change: Callable[[Path], object], what: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"first")
    os.utime(path, ns=(10**18, 10**18))
    with open_source(path) as opened:
        opened.unchanged()
        change(path)
        with pytest.raises(BlobError) as caught:
            opened.unchanged()
    assert str(caught.value) == f"{path} changed while it was read (another {what}); nothing was stored"


def test_a_file_that_becomes_shorter_is_noticed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    with open_source(path) as opened:
        os.truncate(path, 4)
        with pytest.raises(BlobError, match=r"it ends at byte 4 of 10$"):
            opened.read(0, 10)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in (
        (tmp_path / "no", "does not exist"),
        (tmp_path, "is not a regular file"),
        (pipe, "is not a regular file"),
    ):
        with pytest.raises(BlobError) as caught, open_source(path):
            pass
        assert str(caught.value) == f"src: {path} {reason}"


def test_hashes_do_not_depend_on_how_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 40)
    with open_source(path) as opened:
        whole, tree = opened.hash("sha256"), opened.tree(1000, 1)
        monkeypatch.setattr(source, "READ", 7)
        assert (opened.hash("sha256"), opened.tree(1000, 4)) == (whole, tree)


@pytest.mark.parametrize(
    ("size", "block"),
    [
        pytest.param(0, 100, id="an empty file"),
        pytest.param(99, 100, id="less than one block"),
        pytest.param(100, 100, id="one block"),
        pytest.param(1001, 100, id="several, the last one short"),
    ],
)
def test_one_reading_gives_the_digests_of_all_blocks_and_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, block: int
) -> None:
    monkeypatch.setattr(source, "READ", 7)
    content = (bytes(range(256)) * 4)[:size]
    (tmp_path / "x").write_bytes(content)
    pieces = list(blocks(size, block)) or [Block(0, 0, 0)]
    asked: list[None] = []
    whole = hashlib.sha256()
    with open_source(tmp_path / "x") as opened:
        md5s = [opened.md5_within(piece, whole, lambda: asked.append(None)) for piece in pieces]
        assert md5s == [opened.md5(piece) for piece in pieces]
    assert whole.digest() == hashlib.sha256(content).digest()
    assert bool(asked) is bool(size), "a transfer can be stopped while it is hashed"


def test_each_keeps_the_order() -> None:
    def slow(block: Block) -> int:
        time.sleep(0.002 * (5 - block.index % 5))
        return block.index

    assert each(slow, blocks(40, 1), 4, threading.Event()) == list(range(40))


def test_each_reports_the_cause_and_not_those_it_stopped() -> None:
    stop, started = threading.Event(), []

    def work(block: Block) -> int:
        started.append(block.index)
        if block.index == 2:
            raise BlobError("the cause")
        stop.wait(5)
        raise StoppedError

    with pytest.raises(BlobError, match="the cause"):
        each(work, blocks(1000, 1), 4, stop)
    assert len(started) < 20
