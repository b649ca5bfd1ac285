# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of mongodump: walked frame by frame, checksums checked, documents counted, with constant memory.

The format is that of mongo-tools' ``common/archive``: a magic number, a prelude of BSON documents (header, then one per
collection), and blocks of a namespace header and its documents, each ended by ``ff ff ff ff``. A namespace ends with
a header that has ``EOF`` set and carries the CRC-64 over all its documents.
"""

from __future__ import annotations

import dataclasses
import lzma
import struct
import zlib
from collections.abc import Iterable
from typing import Any

MAGIC = struct.pack("<I", 0x8199E26D)
TERMINATOR = 0xFFFFFFFF
MIN_BSON = 5
MAX_BSON = (48 << 20) + (16 << 10)
MAX_HEADER = (16 << 20) + (16 << 10)
LZMA_CHUNK = 1 << 16


class ArchiveError(ValueError):
    """The stream is no whole and sound archive."""


class Crc64:
    """CRC-64 as mongodump and xz both use it, at the speed of liblzma.

    The standard library has no such checksum, but its xz decoder checks one. So the bytes are dressed up as an .xz
    stream of stored chunks, and the expected value is put where the decoder will look for it.
    """

    _HEADER = b"\xfd7zXZ\x00" + b"\x00\x04" + struct.pack("<I", zlib.crc32(b"\x00\x04"))
    _BLOCK = b"\x02\x00\x21\x01\x00\x00\x00\x00"

    def __init__(self) -> None:
        # Memory is bounded by the dictionary size named in the block header: 4 KiB.
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._decoder.decompress(self._HEADER + self._BLOCK + struct.pack("<I", zlib.crc32(self._BLOCK)))
        self._length = 0
        self._control = 1

    def update(self, data: bytes | memoryview) -> None:
        """Take more bytes."""
        for start in range(0, len(data), LZMA_CHUNK):
            piece = data[start : start + LZMA_CHUNK]
            self._decoder.decompress(struct.pack(">BH", self._control, len(piece) - 1) + piece)
            self._length += 3 + len(piece)
            self._control = 2

    def matches(self, expected: int) -> bool:
        """Whether the checksum over all bytes is ``expected``. Ends the calculation."""
        padding = b"\x00" * (-(self._length + 1) % 4)
        try:
            self._decoder.decompress(b"\x00" + padding + struct.pack("<Q", expected & 0xFFFFFFFFFFFFFFFF))
        except lzma.LZMAError:
            return False
        return True


def flat_bson(data: bytes) -> dict[str, Any]:
    """The fields of a BSON document without nesting. Raises ArchiveError on other types and on damage."""
    fields: dict[str, Any] = {}
    position = 4
    try:
        while data[position] != 0:
            kind = data[position]
            end = data.index(0, position + 1)
            name = data[position + 1 : end].decode()
            position = end + 1
            if kind == 0x02:
                (length,) = struct.unpack_from("<i", data, position)
                value = data[position + 4 : position + 4 + length]
                if length < 1 or len(value) != length or value[-1] != 0:
                    raise ArchiveError(f"field {name!r} of a header is damaged")
                fields[name] = value[:-1].decode()
                position += 4 + length
            elif kind == 0x08:
                fields[name] = data[position] == 1
                position += 1
            elif kind == 0x10:
                (fields[name],) = struct.unpack_from("<i", data, position)
                position += 4
            elif kind == 0x12:
                (fields[name],) = struct.unpack_from("<q", data, position)
                position += 8
            else:
                raise ArchiveError(f"field {name!r} of a header has type {kind:#x}")
    except (IndexError, ValueError, struct.error) as error:
        raise ArchiveError(f"a header is damaged: {error}") from error
    if position != len(data) - 1:
        raise ArchiveError("a header is damaged: it ends early")
    return fields


@dataclasses.dataclass
class _Namespace:
    crc: Crc64 = dataclasses.field(default_factory=Crc64)
    documents: int = 0


class Archive:
    """Reads an archive piece by piece: ``feed`` all of it, then ``finish``.

    ``counts`` then maps ``database.collection`` to its documents, ``checksums`` to their CRC-64; ``header`` holds the
    versions of server and tool.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.checksums: dict[str, str] = {}
        self.header: dict[str, Any] = {}
        self._buffer = b""
        self._state = self._magic
        self._expected: set[str] = set()
        self._open: dict[str, _Namespace] = {}
        self._current: _Namespace | None = None
        self._remaining = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece. Raises ArchiveError as soon as something is wrong."""
        self._buffer += chunk
        while True:
            before = self._state
            used = self._state()
            self._buffer = self._buffer[used:]
            if not used and self._state == before:
                return

    def finish(self) -> None:
        """Say that this was all. Raises ArchiveError when something is missing."""
        if self._buffer or self._state != self._block:
            raise ArchiveError("the archive is cut short")
        if self._open:
            raise ArchiveError(f"{', '.join(sorted(self._open))}: not finished, the dump was cut short")
        missing = self._expected - set(self.counts)
        if missing:
            raise ArchiveError(f"{', '.join(sorted(missing))}: announced, but not there; the dump was cut short")

    def _document(self) -> bytes | None:
        """A whole small document at the start of the buffer, empty for a terminator, None when more is needed."""
        if len(self._buffer) < 4:
            return None
        (length,) = struct.unpack_from("<I", self._buffer)
        if length == TERMINATOR:
            return b""
        if not MIN_BSON <= length <= MAX_HEADER:
            raise ArchiveError(f"a header says it has {length} bytes")
        if len(self._buffer) < length:
            return None
        if self._buffer[length - 1] != 0:
            raise ArchiveError("a header has no end")
        return self._buffer[:length]

    def _magic(self) -> int:
        if len(self._buffer) < 4:
            return 0
        if self._buffer[:4] != MAGIC:
            raise ArchiveError("this is no archive of mongodump")
        self._state = self._prelude_header
        return 4

    def _prelude_header(self) -> int:
        document = self._document()
        if document is None:
            return 0
        if not document:
            raise ArchiveError("the archive has no header")
        self.header = flat_bson(document)
        if self.header.get("version") != "0.1":
            raise ArchiveError(f"archive format {self.header.get('version')!r} is not known")
        self._state = self._prelude
        return len(document)

    def _prelude(self) -> int:
        document = self._document()
        if document is None:
            return 0
        if not document:
            self._state = self._block
            return 4
        fields = flat_bson(document)
        collection = fields.get("collection", "")
        if fields.get("type") == "timeseries":
            collection = f"system.buckets.{collection}"
        if fields.get("type") != "view":
            self._expected.add(f"{fields.get('db', '')}.{collection}")
        return len(document)

    def _block(self) -> int:
        document = self._document()
        if document is None:
            return 0
        if not document:
            raise ArchiveError("a block has no header")
        fields = flat_bson(document)
        if "db" not in fields or "collection" not in fields:
            raise ArchiveError("a block's header names no collection")
        name = f"{fields['db']}.{fields['collection']}"
        if name in self.counts:
            raise ArchiveError(f"{name} goes on behind its end")
        if fields.get("EOF"):
            space = self._open.pop(name, None) or _Namespace()
            if not space.crc.matches(fields.get("CRC", 0)):
                raise ArchiveError(f"{name}: the checksum over its documents is wrong")
            self.counts[name] = space.documents
            self.checksums[name] = f"{fields.get('CRC', 0) & 0xFFFFFFFFFFFFFFFF:016x}"
            self._current = None
        else:
            self._current = self._open.setdefault(name, _Namespace())
        self._state = self._documents
        return len(document)

    def _documents(self) -> int:
        """Pass over as many documents as the buffer has, or a part of one that is larger."""
        buffer = self._buffer
        size = len(buffer)
        space = self._current
        position = 0
        count = 0
        while True:
            if self._remaining:
                step = min(self._remaining, size - position)
                self._remaining -= step
                position += step
                if self._remaining:
                    break
                if step and buffer[position - 1] != 0:
                    raise ArchiveError("a document has no end")
            if size - position < 4:
                break
            (length,) = struct.unpack_from("<I", buffer, position)
            if length == TERMINATOR:
                self._state = self._block
                break
            if not MIN_BSON <= length <= MAX_BSON:
                raise ArchiveError(f"a document says it has {length} bytes")
            if space is None:
                raise ArchiveError("there are documents behind the end of their collection")
            count += 1
            self._remaining = length
        if space is not None:
            space.documents += count
            space.crc.update(buffer[:position])
        return position + 4 if self._state == self._block else position


def read(chunks: Iterable[bytes]) -> Archive:
    """Read a whole archive that is not compressed. Raises ArchiveError."""
    archive = Archive()
    for chunk in chunks:
        archive.feed(chunk)
    archive.finish()
    return archive
