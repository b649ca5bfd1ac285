# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pg_restore decodes an archive to: rows per table and a digest, in one linear pass with bounded memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from ansible_collections.mainstay.platform.plugins.module_utils.backup.pg_back import Roles

MAX_LINE = 1 << 20
_END = b"\\.\n"
_HEADER = re.compile(rb"-- (?:Data for )?Name: .*; Type: TABLE DATA; ")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
# pg_restore guards its text with a random word in these lines, so that they differ from run to run.
_RANDOM = (b"\\restrict ", b"\\unrestrict ")


class DecodeError(ValueError):
    """The text is not what pg_restore prints."""


def table_name(schema: str, table: str) -> str:
    """One way to write a table's name, for example ``public.users`` or ``"My schema"."Two words"``."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in (schema, table))


def _identifiers(text: str) -> Iterator[str]:
    """The identifiers of a dotted name at the start of ``text``, without their quotes."""
    position = 0
    while position < len(text):
        if text[position] == '"':
            position += 1
            start = position
            while True:
                end = text.find('"', position)
                if end < 0:
                    raise DecodeError(f"no end of the quoted name in {text[:80]!r}")
                if text[end : end + 2] != '""':
                    break
                position = end + 2
            yield text[start:end].replace('""', '"')
            position = end + 1
        else:
            start = position
            while position < len(text) and text[position] not in '. ("':
                position += 1
            if start == position:
                raise DecodeError(f"no name in {text[:80]!r}")
            yield text[start:position]
        if text[position : position + 1] != ".":
            return
        position += 1


def copied_table(line: bytes) -> str:
    """The table of a line ``COPY public.users (id, name) FROM stdin;``. Raises DecodeError when it names none."""
    names = list(_identifiers(line.decode(errors="replace").removeprefix("COPY ")))
    if len(names) != 2:
        raise DecodeError(f"no table in {line[:80]!r}")
    return table_name(names[0], names[1])


class RestoreText:
    """Reads the text piece by piece: ``feed`` all of it, then ``finish``.

    ``counts`` then holds the rows of each table with data and ``tables`` a digest of them, in the order in which they
    were dumped; ``sha256`` is the digest of all the text less its random lines, ``roles`` are those that it names.
    A table's data is believed only behind the comment that announces it, so a function body that contains a COPY
    command is not taken for data. No piece of text is kept that is longer than 1 MiB.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.tables: dict[str, str] = {}
        self._digest = hashlib.sha256()
        self._rows_digest = hashlib.sha256()
        self._roles = Roles()
        self._rest = b""
        self._table: str | None = None
        self._announced = 0
        self._inside_line = False

    def feed(self, chunk: bytes) -> None:
        """Take the next piece, of any length."""
        data = self._rest + chunk
        position = 0
        while position < len(data):
            table = self._table
            following = self._line(data, position) if table is None else self._rows(table, data, position)
            if following == position:
                break
            position = following
        self._rest = data[position:]

    def _rows(self, table: str, data: bytes, position: int) -> int:
        """Count rows up to the end mark, or as far as the piece goes."""
        if not self._inside_line and data.startswith(_END, position):
            end = position
        else:
            # From behind it takes a third of the time, and nearly always there is none.
            found = data.rfind(b"\n" + _END, position)
            end = data.find(b"\n" + _END, position, found + 1 + len(_END)) + 1 if found >= 0 else -1
        if end >= 0:
            self._take_rows(table, data, position, end)
            # Every byte is hashed once: the whole is a digest of what is around the rows, and of their digests.
            self.tables[table] = self._rows_digest.hexdigest()
            self._digest.update(f"{table}: {self.tables[table]}\n".encode())
            self._table = None
            self._inside_line = False
            return end + len(_END)
        # The end mark may be cut in two: its line break and its first two bytes stay for the next piece.
        end = max(position, len(data) - len(_END))
        if end > position:
            self._take_rows(table, data, position, end)
            self._inside_line = data[end - 1 : end] != b"\n"
        return end

    def _take_rows(self, table: str, data: bytes, position: int, end: int) -> None:
        self.counts[table] += data.count(b"\n", position, end)
        self._rows_digest.update(memoryview(data)[position:end])

    def _line(self, data: bytes, position: int) -> int:
        """Take one line of SQL, or a piece of one that is too long to keep."""
        end = data.find(b"\n", position)
        if end < 0:
            if len(data) - position < MAX_LINE:
                return position
            self._digest.update(data[position:])
            self._inside_line = True
            return len(data)
        line = data[position : end + 1]
        whole = not self._inside_line
        self._inside_line = False
        if whole and line.startswith(_RANDOM):
            return end + 1
        self._digest.update(line)
        if whole:
            self._roles.take(line[:-1].decode(errors="replace"))
        if whole and _HEADER.match(line):
            self._announced = 8
        elif self._announced:
            self._announced -= 1
            if whole and line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
                self._announced = 0
                self._table = copied_table(line)
                self._rows_digest = hashlib.sha256()
                self.counts.setdefault(self._table, 0)
        return end + 1

    def finish(self) -> None:
        """Say that this was all. Raises DecodeError when a table's data has no end."""
        if self._table is not None:
            raise DecodeError(f"the data of {self._table} has no end")
        self._digest.update(self._rest)
        self._rest = b""

    @property
    def roles(self) -> list[str]:
        """The roles that it names as owners and in grants, less those that every server has."""
        return self._roles.names

    @property
    def sha256(self) -> str:
        """The digest of the text, in hex."""
        return self._digest.hexdigest()


def read(chunks: Iterable[bytes]) -> RestoreText:
    """Read a whole text. Raises DecodeError."""
    text = RestoreText()
    for chunk in chunks:
        text.feed(chunk)
    text.finish()
    return text
