# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import mongo_archive, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.mongo_archive import Archive, ArchiveError, Crc64
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.backup import faults

DICE = random.Random(7)
SNIPPETS = [faults.bson(title=f"snippet {n}", code="x" * n) for n in range(40)]
GOOD = {
    "shop.snippets": SNIPPETS,
    "shop.empty": [],
    "shop.with space ü": [faults.bson(a=1)],
    "other.incompressible": [faults.bson(x=DICE.randbytes(300).hex()) for _each in range(20)],
}
COUNTS = {"shop.snippets": 40, "shop.empty": 0, "shop.with space ü": 1, "other.incompressible": 20}


DAMAGE = (ArchiveError, packing.PackedError)


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(data: bytes, size: int = 1 << 16) -> Archive:
    return mongo_archive.read(packing.gunzip(chunked(data, size)))


@pytest.mark.parametrize("interleaved", [False, True], ids=["one after the other", "interleaved"])
@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_counts_do_not_depend_on_how_the_bytes_arrive(interleaved: bool, size: int) -> None:
    archive = read(faults.packed(faults.archive(GOOD, interleaved=interleaved)), size)
    assert archive.counts == COUNTS
    assert archive.header["tool_version"] == "100.9.4"


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_every_fault_of_the_file_is_seen(fault: str) -> None:
    good = faults.packed(faults.archive(GOOD))
    dice = random.Random(fault)
    for _attempt in range(100):
        with pytest.raises(DAMAGE):
            read(faults.FAULTS[fault](good, dice))


def test_a_flip_before_compression_is_seen_in_documents() -> None:
    """Gzip's own checksum is right then; only the namespace's CRC or the frames tell."""
    good = faults.archive({"shop.snippets": SNIPPETS})
    start, end = good.index(SNIPPETS[0]), good.index(SNIPPETS[-1])
    for at in range(start, end, 17):
        bad = good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :]
        with pytest.raises(DAMAGE):
            read(faults.packed(bad))


FIRST = faults.archive({"a.b": [faults.bson(x=1)]})


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", "cut short", id="empty"),
        pytest.param(b"hello, this is text", "no archive of mongodump", id="something else"),
        pytest.param(FIRST[:-4], "cut short", id="the last terminator is missing"),
        pytest.param(FIRST + b"\0", "cut short", id="a byte behind the end"),
        pytest.param(FIRST[: FIRST.rindex(faults.header("a.b")[:4])], "not finished", id="cut between two blocks"),
        pytest.param(faults.archive({"a.b": [faults.bson(x=1)]}, wrong_crc="a.b"), "checksum", id="wrong checksum"),
        pytest.param(FIRST + FIRST[4:], "names no collection", id="two archives glued"),
        pytest.param(FIRST.replace(b"0.1", b"0.9"), "format '0.9'", id="a newer format"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, error: str) -> None:
    with pytest.raises(DAMAGE, match=error):
        mongo_archive.read([data])


def test_a_dump_that_lost_a_whole_collection_is_seen() -> None:
    whole = faults.archive({"a.b": [faults.bson(x=1)], "a.c": []})
    start = whole.rindex(faults.header("a.c", EOF=True)[:4])
    with pytest.raises(DAMAGE, match=r"a\.c"):
        mongo_archive.read([whole[:start]])


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        pytest.param(bytes(10), "behind the end", id="zeros"),
        pytest.param(faults.packed(FIRST), "behind the end", id="a second member"),
    ],
)
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_bytes_behind_the_gzip_stream_are_seen(tail: bytes, error: str, size: int) -> None:
    with pytest.raises(DAMAGE, match=error):
        read(faults.packed(FIRST) + tail, size)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_crc64_is_that_of_xz(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    right, wrong = Crc64(), Crc64()
    for piece in pieces:
        right.update(piece)
        wrong.update(piece)
    assert right.matches(faults.crc64(whole))
    assert not wrong.matches(faults.crc64(whole) ^ 1)


def test_crc64_of_the_published_check_value() -> None:
    crc = Crc64()
    crc.update(b"123456789")
    assert crc.matches(0x995DC9BBDF1939FA)


def test_crc64_over_more_than_a_chunk() -> None:
    data = bytes(range(256)) * 1000
    crc = Crc64()
    crc.update(data)
    assert crc.matches(faults.crc64(data))


def test_memory_stays_bounded_for_what_unpacks_to_much() -> None:
    pieces = packing.gunzip([faults.packed(bytes(30 << 20))])
    assert max(map(len, pieces)) <= packing.CHUNK


def test_a_document_larger_than_the_chunks() -> None:
    big = faults.bson(x="y" * 500_000)
    assert mongo_archive.read(chunked(faults.archive({"a.b": [big, big]}), 4096)).counts == {"a.b": 2}
