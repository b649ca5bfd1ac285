# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mysqldump and mariadb-dump write: rows per table and a whole end, in one linear pass with bounded memory.

Both escape line breaks inside strings, so a line break is never part of a value, and ``;`` before one ends a statement.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MAX_LINE = 1 << 20
PIECE = 1 << 16
_TITLE = re.compile(rb"-- (?P<tool>(?:MariaDB|MySQL) dump .*)")
_SERVER = re.compile(rb"-- Server version\s+(?P<version>.*)")
_DATA = b"-- Dumping data for table "
_INSERT = b"INSERT INTO "
_VALUES = b" VALUES"
_UNLOCK = b"UNLOCK TABLES;"
_COMPLETED = b"-- Dump completed"
_END = b";\n"


class DumpError(ValueError):
    """The text is not what a dump program writes, or not all of it."""


def identifier(text: bytes, position: int = 0) -> tuple[str, int]:
    """The name in backticks at ``position``, and where it ends. Raises DumpError when there is none."""
    if text[position : position + 1] != b"`":
        raise DumpError(f"no name in {text[position : position + 80]!r}")
    start = position = position + 1
    while True:
        end = text.find(b"`", position)
        if end < 0:
            raise DumpError(f"no end of the quoted name in {text[start : start + 80]!r}")
        if text[end : end + 2] != b"``":
            return text[start:end].decode(errors="replace").replace("``", "`"), end + 1
        position = end + 2


class DumpText:
    """Reads a dump piece by piece: ``feed`` all of it, then ``finish``.

    ``counts`` then holds the rows of each table whose data was dumped, or is None where a name could not be read;
    ``tables`` a digest of their text, in the order in which they were dumped;
    ``tool`` and ``server`` are what the dump says made it. Rows count between the comment that announces their table
    and the end of its data, so an INSERT in the body of a trigger is not taken for data. No more than 1 MiB is kept.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] | None = {}
        self.tables: dict[str, str] = {}
        self.tool: str | None = None
        self.server: str | None = None
        self.completed = False
        self._rest = b""
        self._table: str | None = None
        self._rows = 0
        self._digest = hashlib.sha256()
        self._inserting = False
        self._in_string = False
        self._inside_line = False

    def feed(self, chunk: bytes) -> None:
        """Take the next piece, of any length. Raises DumpError as soon as something is wrong."""
        data = self._rest + chunk
        position = 0
        while position < len(data):
            following = self._values(data, position) if self._inserting else self._line(data, position)
            if following == position:
                break
            position = following
        self._rest = data[position:]

    def finish(self) -> None:
        """Say that this was all. Raises DumpError when the last line is not that of a whole dump."""
        if self._inserting or self._rest or (self.tool and not self.completed):
            raise DumpError("its last line is not '-- Dump completed': it was cut short")

    def _values(self, data: bytes, position: int) -> int:
        """Count rows up to the end of the statement, or as far as the piece goes."""
        found = data.find(_END, position)
        if found < 0:
            # The end may be cut in two.
            return self._count(data, position, len(data) - data.endswith(b";"))
        self._count(data, position, found)
        if self._in_string:
            raise DumpError(f"a row of {self._table} has a string without an end")
        self._inserting = False
        return found + len(_END)

    def _count(self, data: bytes, position: int, end: int) -> int:
        """Count the brackets that open outside of strings: nothing but a row has one. Returns how far it came."""
        while position < end:
            piece = data[position : min(position + PIECE, end)]
            # A backslash that escapes what comes next stays with it.
            piece = piece[: len(piece) - (len(piece) - len(piece.rstrip(b"\\"))) % 2]
            if not piece:
                break
            # Pairs of backslashes go first, so that one before a quote is one that escapes it.
            parts = piece.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'")
            self._digest.update(piece)
            self._rows += sum(part.count(b"(") for part in parts[self._in_string :: 2])
            self._in_string ^= len(parts) % 2 == 0
            position += len(piece)
        return position

    def _line(self, data: bytes, position: int) -> int:
        """Take one line, the start of a statement with rows, or a piece of a line that is too long to keep."""
        rows = None
        if self._table is not None and not self._inside_line and data.startswith(_INSERT, position):
            rows = self._head(data, position)
            if rows == position:
                return position
        if rows is not None:
            self._inserting = True
            return rows
        end = data.find(b"\n", position)
        if end < 0:
            if len(data) - position < MAX_LINE:
                return position
            self._inside_line = True
            return len(data)
        if self.completed and end > position:
            raise DumpError("there is something behind its last line")
        if not self._inside_line:
            self._note(data[position:end])
        self._inside_line = False
        return end + 1

    def _head(self, data: bytes, position: int) -> int | None:
        """Where the rows of an INSERT into the announced table begin; ``position`` when more of it is needed."""
        if data[position + len(_INSERT) : position + len(_INSERT) + 1] not in (b"`", b""):
            return None
        try:
            name, place = identifier(data, position + len(_INSERT))
            if name != self._table:
                return None
            if data[place : place + 2] == b" (":
                place += 1
                while data[place : place + 1] in (b"(", b",", b" "):
                    place += 1
                    if data[place : place + 1] == b"`":
                        place = identifier(data, place)[1]
                place += 1
        except DumpError:
            if len(data) - position < MAX_LINE:
                return position
            raise
        if data.startswith(_VALUES, place):
            return place + len(_VALUES)
        if len(data) - place < len(_VALUES):
            return position
        raise DumpError(f"no rows in {data[position : position + 80]!r}")

    def _note(self, line: bytes) -> None:
        """Learn what a line of SQL has to say."""
        if line.startswith(_DATA):
            self._close()
            try:
                self._table = identifier(line, len(_DATA))[0]
            except DumpError:
                self.counts = None
        elif line == _UNLOCK:
            self._close()
        elif line.startswith(_COMPLETED):
            self._close()
            self.completed = True
        elif self.tool is None and (found := _TITLE.match(line)):
            self.tool = found["tool"].decode(errors="replace")
        elif self.server is None and (found := _SERVER.match(line)):
            self.server = found["version"].decode(errors="replace")

    def _close(self) -> None:
        if self._table is not None and self.counts is not None:
            self.counts[self._table] = self.counts.get(self._table, 0) + self._rows
            self.tables[self._table] = self._digest.hexdigest()
        self._table, self._rows, self._digest = None, 0, hashlib.sha256()


def read(chunks: Iterable[bytes]) -> DumpText:
    """Read a whole dump. Raises DumpError."""
    text = DumpText()
    for chunk in chunks:
        text.feed(chunk)
    text.finish()
    return text
