# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis' RDB files: walked key by key without keeping anything, to count keys and to find the end.

The format is that of Redis' ``src/rdb.c``, versions 1 to 12. The checksum at the end is left to redis-check-rdb: its
CRC-64 is another one than xz's, and in pure Python it would take fifty times as long as SHA-256.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from typing import IO

MAGIC = b"REDIS"
NEWEST = 12
# Since this format (Redis 5) a file holds all the keys that it announces: servers before it left out expired ones.
EXACT = 9
CHUNK = 1 << 17
# More than an expiry, a type and a string's lengths take.
LOOKAHEAD = 32

EOF, SELECTDB, EXPIRETIME, EXPIRETIME_MS, RESIZEDB, AUX = 255, 254, 253, 252, 251, 250
FREQ, IDLE, MODULE_AUX, FUNCTION_PRE_GA, FUNCTION, SLOT_INFO = 249, 248, 247, 246, 245, 244

# A value is one string, or a count and so many items. Parts of an item: s string, n length, d 8 bytes, z old double.
_ONE_STRING = {0, 9, 10, 11, 12, 13, 16, 17, 20, 23}
_ITEMS = {1: "s", 2: "s", 3: "sz", 4: "ss", 5: "sd", 14: "s", 18: "ns", 22: "nss"}
_MODULE, _HASH_METADATA, _HASH_LISTPACK_EX = 7, 24, 25
_STREAMS = {15: 1, 19: 2, 21: 3}
_MODULE_PARTS = {1: "n", 2: "n", 3: "f", 4: "d", 5: "s"}


class RdbError(ValueError):
    """The file is no whole and sound RDB file."""


class UnknownFormat(Exception):  # noqa: N818 - not an error of the file, but a limit of ours
    """The file holds something that this reader does not know."""


@dataclasses.dataclass
class Rdb:
    """What a file holds: keys per database (``db0``), those with an expiry, notes of the server, the checksum."""

    version: int
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    volatile: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    checksum: int | None = None
    trailing: int = 0


class _Reader:
    """Exact reads and skips over a stream, in chunks."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._data = b""
        self._position = 0

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            parts = [self._data[self._position :]]
            have = len(parts[0])
            while have < count:
                chunk = self._stream.read(CHUNK)
                if not chunk:
                    raise RdbError("the file is cut short")
                parts.append(chunk)
                have += len(chunk)
            self._data = b"".join(parts)
            self._position, end = 0, count
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def skip(self, count: int) -> None:
        while count > 0:
            step = min(count, CHUNK)
            self.take(step)
            count -= step

    def rest(self) -> int:
        left = len(self._data) - self._position
        while chunk := self._stream.read(CHUNK):
            left += len(chunk)
        return left

    def byte(self) -> int:
        return self.take(1)[0]

    def length(self) -> int:
        first = self.byte()
        kind = first >> 6
        if kind == 0:
            return first
        if kind == 1:
            return ((first & 0x3F) << 8) | self.byte()
        if first == 0x80:
            return int(struct.unpack(">I", self.take(4))[0])
        if first == 0x81:
            return int(struct.unpack(">Q", self.take(8))[0])
        raise RdbError(f"{first:#x} is no length")

    def skip_string(self) -> None:
        first = self.byte()
        if first >> 6 == 3:
            encoding = first & 0x3F
            if encoding == 3:
                packed = self.length()
                self.length()
                self.skip(packed)
            elif encoding < 3:
                self.take(1 << encoding)
            else:
                raise RdbError(f"{first:#x} is no string")
            return
        self._position -= 1
        self.skip(self.length())

    def text(self) -> str:
        first = self.byte()
        if first >> 6 == 3 and first & 0x3F < 3:
            return str(int.from_bytes(self.take(1 << (first & 0x3F)), "little", signed=True))
        self._position -= 1
        if first >> 6 == 3:
            self.skip_string()
            return ""
        length = self.length()
        if length > 1024:
            self.skip(length)
            return ""
        return self.take(length).decode(errors="replace")

    def parts(self, shape: str, count: int = 1) -> None:
        for _turn in range(count):
            for part in shape:
                if part == "s":
                    self.skip_string()
                elif part == "n":
                    self.length()
                elif part == "d":
                    self.take(8)
                elif part == "f":
                    self.take(4)
                else:
                    length = self.byte()
                    self.take(length if length < 253 else 0)

    def plain_keys(self) -> tuple[int, int]:
        """Walk keys whose values are one string as far as they lie whole in what is at hand: how many, and how many of
        them with an expiry. Most keys are such, and the general way costs ten times as much. For the same reason
        lengths of the two most common kinds are not left to a function, and ends are looked for only behind values."""
        data, position = self._data, self._position
        one_string, last = _ONE_STRING, len(data) - LOOKAHEAD
        keys, volatile, expires = -1, 0, 0
        at = position
        with contextlib.suppress(IndexError):
            while at < last:
                # All before lies here whole.
                position = at
                keys += 1
                if expires:
                    volatile += 1
                    expires = 0
                kind = data[at]
                if kind:
                    if kind == EXPIRETIME_MS:
                        at += 9
                        expires = 1
                    if data[at] not in one_string:
                        break
                first = data[at + 1]
                if first < 0x40:
                    at += 2 + first
                elif first < 0x80:
                    at += 3 + ((first & 0x3F) << 8 | data[at + 2])
                elif (at := _behind_string(data, at + 1)) < 0:
                    break
                first = data[at]
                if first < 0x40:
                    at += 1 + first
                elif first < 0x80:
                    at += 2 + ((first & 0x3F) << 8 | data[at + 1])
                elif (at := _behind_string(data, at)) < 0:
                    break
        self._position = position
        return max(keys, 0), volatile

    def skip_module(self) -> None:
        while (code := self.length()) != 0:
            if code not in _MODULE_PARTS:
                raise RdbError(f"{code} is no part of a module's value")
            self.parts(_MODULE_PARTS[code])

    def skip_stream(self, generation: int) -> None:
        self.parts("ss", self.length())
        self.parts("nnn")
        if generation >= 2:
            self.parts("nnnnn")
        for _group in range(self.length()):
            self.parts("snn" if generation < 2 else "snnn")
            self.parts("dddn", self.length())
            for _consumer in range(self.length()):
                self.parts("sd" if generation < 3 else "sdd")
                self.parts("dd", self.length())

    def skip_value(self, kind: int) -> None:
        if kind in _ONE_STRING:
            self.skip_string()
        elif kind in _ITEMS:
            self.parts(_ITEMS[kind], self.length())
        elif kind in _STREAMS:
            self.skip_stream(_STREAMS[kind])
        elif kind == _MODULE:
            self.length()
            self.skip_module()
        elif kind == _HASH_METADATA:
            self.take(8)
            self.parts("nss", self.length())
        elif kind == _HASH_LISTPACK_EX:
            self.take(8)
            self.skip_string()
        else:
            raise UnknownFormat(f"a value of type {kind}")


def _behind_string(data: bytes, position: int) -> int:
    """Where a string that is a number or packed ends; -1 for one with an uncommon length, or none. Looks at up to 12
    bytes."""
    first = data[position]
    if first == 0xC3:
        packed = data[position + 1]
        position += 2
        if 0x40 <= packed < 0x80:
            packed = (packed & 0x3F) << 8 | data[position]
            position += 1
        elif packed >= 0x80:
            return -1
        kind = data[position] >> 6
        return position + packed + kind + 1 if kind < 2 else -1
    return position + 1 + (1 << (first & 3)) if 0xC0 <= first < 0xC3 else -1


def header_version(head: bytes) -> int:
    """The format version from the first 9 bytes. Raises RdbError when it is no RDB file."""
    if len(head) < 9 or head[:5] != MAGIC or not head[5:9].isdigit():
        raise RdbError("this is no RDB file")
    return int(head[5:9])


def read(stream: IO[bytes]) -> Rdb:
    """Walk a whole file. Raises RdbError on damage and UnknownFormat on what newer versions have brought."""
    reader = _Reader(stream)
    found = Rdb(version=header_version(reader.take(9)))
    if found.version > NEWEST:
        raise UnknownFormat(f"format version {found.version}; known are 1 to {NEWEST}")
    name = "db0"
    expires = False
    announced: dict[str, int] = {}
    while True:
        kind = reader.byte()
        if kind == EOF:
            break
        if kind == EXPIRETIME_MS:
            reader.take(8)
            expires = True
        elif kind == EXPIRETIME:
            reader.take(4)
            expires = True
        elif kind == SELECTDB:
            name = f"db{reader.length()}"
        elif kind == RESIZEDB:
            announced[name] = reader.length()
            reader.length()
        elif kind == SLOT_INFO:
            reader.parts("nnn")
        elif kind == AUX:
            key = reader.text()
            found.notes[key] = reader.text()
        elif kind in (FUNCTION, FUNCTION_PRE_GA):
            reader.skip_string()
        elif kind == MODULE_AUX:
            reader.parts("nnn")
            reader.skip_module()
        elif kind == IDLE:
            reader.length()
        elif kind == FREQ:
            reader.take(1)
        else:
            reader.skip_string()
            reader.skip_value(kind)
            keys, volatile = reader.plain_keys()
            found.counts[name] = found.counts.get(name, 0) + 1 + keys
            if expires or volatile:
                found.volatile[name] = found.volatile.get(name, 0) + expires + volatile
            expires = False
    for name, keys in announced.items():
        # Zeros, for one, read as keys without a name or a value.
        if found.version >= EXACT and found.counts.get(name, 0) != keys:
            raise RdbError(f"the file announces {keys} keys in {name} and holds {found.counts.get(name, 0)}")
    if found.version >= 5:
        found.checksum = int(struct.unpack("<Q", reader.take(8))[0])
    found.trailing = reader.rest()
    return found
