# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import rdb

from tests.unit.plugins.module_utils.backup import faults

FIXTURES = Path(__file__).parent / "fixtures"
RECORDED = sorted(FIXTURES.glob("redis-*.rdb"))


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def file(*body: bytes, version: str = "0010", checksum: bytes = b"12345678") -> bytes:
    return b"REDIS" + version.encode() + b"".join(body) + b"\xff" + checksum


def read(data: bytes) -> rdb.Rdb:
    return rdb.read(io.BytesIO(data))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_files_of_real_servers(path: Path) -> None:
    """One key of each type and encoding; the counts are those that redis-check-rdb gives."""
    found = read(path.read_bytes())
    assert found.counts["db3"] == 1
    assert found.counts["db0"] >= 17
    assert found.volatile["db0"] >= 1
    assert found.trailing == 0
    assert found.checksum
    assert f"redis-{found.notes['redis-ver']}".startswith(path.stem)


def test_there_are_recorded_files() -> None:
    assert RECORDED


@pytest.mark.parametrize(
    ("data", "counts", "volatile"),
    [
        pytest.param(file(), {}, {}, id="empty"),
        pytest.param(file(b"\xfe\0\0" + text("k") + text("v")), {"db0": 1}, {}, id="one string"),
        pytest.param(
            file(b"\xfe\x02\xfb\x01\x00\xfc12345678\0" + text("k") + text("v")), {"db2": 1}, {"db2": 1}, id="expiry"
        ),
        pytest.param(
            file(b"\xfe\0\xfd1234\0" + text("a") + text("v") + b"\0" + text("b") + text("v")),
            {"db0": 2},
            {"db0": 1},
            id="an expiry is of one key only",
        ),
        pytest.param(file(b"\0" + text("k") + b"\xc3\x02\x10ab"), {"db0": 1}, {}, id="packed string"),
        pytest.param(file(b"\0" + text("k") + b"\x80\0\0\0\x01x"), {"db0": 1}, {}, id="long length"),
        pytest.param(file(b"\0" + text("k") + b"\x81" + bytes(7) + b"\x01x"), {"db0": 1}, {}, id="very long length"),
        pytest.param(
            file(b"\x07" + text("k") + b"\x81" + bytes(8) + b"\x02\x01\x05" + text("x") + b"\0"),
            {"db0": 1},
            {},
            id="module",
        ),
        pytest.param(
            file(b"\x18" + text("h") + bytes(8) + b"\x01\x00" + text("f") + text("v")),
            {"db0": 1},
            {},
            id="hash with expiring fields",
        ),
        pytest.param(
            file(b"\xfe\0\xfb\x02\0\0" + text("k") + text("v"), version="0008"),
            {"db0": 1},
            {},
            id="an old server announces keys that have expired",
        ),
    ],
)
def test_counts(data: bytes, counts: dict[str, int], volatile: dict[str, int]) -> None:
    found = read(data)
    assert (found.counts, found.volatile, found.trailing) == (counts, volatile, 0)


def test_many_keys_of_every_length() -> None:
    """Longer than what is read at once, so that keys lie across its edges; kinds of strings and values mixed."""
    dice = random.Random(1)

    def string() -> bytes:
        kind, content = dice.randrange(8), dice.randbytes(dice.choice((0, 3, 63, 64, 300, 16383, 40000)))
        if kind == 0:
            return b"\xc0\x07"
        if kind == 1:
            return b"\xc2\0\0\0\x07"
        if kind == 2 and len(content) < 16384:
            return b"\xc3" + length(len(content)) + length(dice.choice((5, 500, 1 << 20))) + content
        return length(len(content)) + content

    def length(count: int) -> bytes:
        if count < 64:
            return bytes([count])
        return (0x4000 | count).to_bytes(2, "big") if count < 16384 else b"\x80" + count.to_bytes(4, "big")

    body, volatile, keys = [b"\xfe\0"], 0, 3000
    for _key in range(keys):
        if dice.random() < 0.3:
            volatile += 1
            body.append(b"\xfc12345678")
        kind = dice.choice((0, 0, 0, 2, 4, 16, 20))
        items = [string() for _item in range(dice.choice((0, 2, 4)))]
        body += [bytes([kind]), string()]
        body += [string()] if kind in (0, 16, 20) else [length(len(items) // (2 if kind == 4 else 1)), *items]
    found = read(file(*body))
    assert (found.counts, found.volatile, found.trailing) == ({"db0": keys}, {"db0": volatile}, 0)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", "cut short", id="nothing"),
        pytest.param(b"REDISabcd\xff12345678", "no RDB file", id="no version"),
        pytest.param(b"PGDMP0010\xff12345678", "no RDB file", id="something else"),
        pytest.param(file()[:-3], "cut short", id="half a checksum"),
        pytest.param(file(b"\0" + text("k"))[:-9], "cut short", id="no value"),
        pytest.param(file(b"\0" + text("k") + b"\xc9"), "no string", id="unknown encoding"),
        pytest.param(file(b"\x01" + text("k") + b"\xff"), "no length", id="unknown length"),
        pytest.param(
            file(b"\xfe\x01\xfb\x02\0\0" + text("k") + text("v")), "2 keys in db1 and holds 1", id="a key less"
        ),
        pytest.param(
            file(b"\xfe\0\xfb\x01\0\0" + text("k") + text("v") + bytes(6)), "1 keys in db0 and holds 3", id="zeros"
        ),
        pytest.param(file(b"\xfe\0\xfb\x01\0"), "1 keys in db0 and holds 0", id="no key"),
    ],
)
def test_damage(data: bytes, error: str) -> None:
    with pytest.raises(rdb.RdbError, match=error):
        read(data)


def test_newer_things_are_unknown_not_damaged() -> None:
    with pytest.raises(rdb.UnknownFormat, match="type 99"):
        read(file(b"\x63" + text("k") + text("v")))
    with pytest.raises(rdb.UnknownFormat, match="version 99"):
        read(file(version="0099"))


def test_what_is_behind_the_end_is_counted() -> None:
    assert read(file() + b"xyz").trailing == 3


def test_a_file_without_checksum_says_so() -> None:
    assert read(file(checksum=bytes(8))).checksum == 0


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_faults_end_in_an_answer(path: Path, fault: str) -> None:
    """Whatever the damage, the walk ends with one of its own errors or with counts."""
    good = path.read_bytes()
    dice = random.Random(fault)
    for _attempt in range(200):
        try:
            read(faults.FAULTS[fault](good, dice))
        except (rdb.RdbError, rdb.UnknownFormat):
            continue
