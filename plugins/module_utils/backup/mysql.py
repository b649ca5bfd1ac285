# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MySQL and MariaDB: a dump as SQL from one snapshot, packed; checks by unpacking it and counting rows in one pass."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing, sql_text
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target, chunks
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Running, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.session import Session
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
    Findings,
    HalfDoneError,
)

SECRET = "MAINSTAY_MYSQL_CONFIG"  # noqa: S105 - the name of a variable
# The clients read a password from a file: a here-document is one that exists in no directory. The variable does not
# outlive the shell.
WITH_SECRET = f"""
secret=${SECRET}; unset {SECRET}; program=$1; shift
exec "$program" --defaults-extra-file=/dev/fd/3 "$@" 3<<END
[client]
$secret
END
"""
# Of several names for one program the first that is there, and what it says of its version.
FIND = """
for name; do command -v "$name" >/dev/null && echo "$name" && exec "$name" --version; done
echo "none of $* is there" >&2; exit 127
"""

# Writers stand still for as long as two snapshots take to begin, and for no longer than this, in seconds.
FREEZE_WAIT, FREEZE = 5, 30
# What follows the head of a dump is written after its snapshot has begun.
BEGUN = (b"\n-- Table structure for ", b"\n-- Dumping ", b"\n-- Dump completed", b"\n-- Sequence structure ")
HEAD = 1 << 16

# Tables whose rows are dumped, and whether they take part in transactions.
TABLES = """
SELECT HEX(CONVERT(t.TABLE_NAME USING utf8mb4)), COALESCE(e.TRANSACTIONS, 'NO') = 'YES'
FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = CONVERT(0x{database} USING utf8mb4) AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
  AND COALESCE(t.ENGINE, '') NOT IN ('MRG_MyISAM', 'MRG_MYISAM', 'FEDERATED', 'OQGRAPH');
"""
SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */;"
)
# What the server says of a table that was dropped or renamed, truncated or altered since the snapshot began.
CHANGED = {"1146", "1412"}
SIZE = """
SELECT CAST(COALESCE(SUM(DATA_LENGTH), 0) AS UNSIGNED) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = CONVERT(0x{database} USING utf8mb4);
"""

DUMP_OPTIONS = [
    "--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob", "--no-tablespaces",
    "--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--comments", "--dump-date",
]  # fmt: skip


def option_file(password: str) -> str:
    """A password as a line of an option file (quoting: mysys/my_default.c of either server)."""
    quoted = password.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'password="{quoted}"'


def quoted(name: str) -> str:
    """A name as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def generation(text: str) -> tuple[int, int]:
    """Major and minor version in what a server or a tool says of itself: ``Ver 10.19 Distrib 10.11.6-MariaDB``."""
    found = re.search(r"(?:Distrib |from |Ver |^)(\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class _Freeze:
    """Keeps all writers from committing, until it is released: by its owner, or by the clock."""

    def __init__(self, session: Session) -> None:
        session.ask(f"SET SESSION lock_wait_timeout = {FREEZE_WAIT}; FLUSH TABLES WITH READ LOCK;")
        self._session = session
        self._lock = threading.Lock()
        self._held = True
        self.in_time = False
        self._timer = threading.Timer(FREEZE, self._thaw)
        self._timer.daemon = True
        self._timer.start()

    def forget(self) -> None:
        """The session is about to end, and the lock with it."""
        self._timer.cancel()
        with self._lock:
            self._held = False

    def release(self) -> None:
        """Let writers go on. ``in_time`` then tells whether they had stood still until now."""
        self._timer.cancel()
        self.in_time = self._thaw()

    def _thaw(self) -> bool:
        with self._lock:
            held, self._held = self._held, False
            if held:
                self._session.ask("UNLOCK TABLES;")
            return held


class MySQL:
    """One database of a MySQL server."""

    name = "mysql"
    whole_server = False
    _dump_tools: Sequence[str] = ("mysqldump",)
    _clients: Sequence[str] = ("mysql",)
    # A table that cannot be counted any more is one, not all of them. Whoever connects anew has lost the snapshot.
    _patient: Sequence[str] = ("--force", "--skip-reconnect")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = target.place
        self._env = {SECRET: option_file(target.password) if target.password else "# no password"}
        self.compression = target.compression or packing.best()
        self._programs: dict[Sequence[str], tuple[str, str]] = {}

    @property
    def suffix(self) -> str:
        """How names of dumps end."""
        return ".sql" + packing.SUFFIX[self.compression]

    def _program(self, names: Sequence[str]) -> tuple[str, str]:
        """Name and version of a program, asked for once: each question starts a process in the container."""
        if names not in self._programs:
            said = self._place.run(["sh", "-c", FIND, "sh", *names], called=names[0])
            name, _newline, version = said.partition("\n")
            self._programs[names] = name, version.strip()
        return self._programs[names]

    def _options(self, oracle: bool) -> list[str]:
        target = self._target
        options = [f"--user={target.user}"] if target.user else []
        if target.host:
            options += [f"--host={target.host}", "--protocol=tcp"]
        if target.port:
            options.append(f"--port={target.port}")
        if target.socket:
            options.append(f"--socket={target.socket}")
        if target.tls:
            options += ["--ssl-mode=VERIFY_IDENTITY"] if oracle else ["--ssl", "--ssl-verify-server-cert"]
            if target.ca:
                options.append(f"--ssl-ca={target.ca}")
        return options

    def _command(self, program: str, version: str, options: Sequence[str]) -> list[str]:
        connect = self._options(oracle="MariaDB" not in version)
        return ["sh", "-c", WITH_SECRET, "sh", program, *connect, *options]

    @contextlib.contextmanager
    def _client(self, *options: str, source: IO[bytes] | None = None) -> Iterator[tuple[Running, str]]:
        program, version = self._program(self._clients)
        command = self._command(program, version, ["--default-character-set=utf8mb4", *options])
        run: dict[str, Any] = {"env": self._env, "source": source, "timeout": self._target.timeout}
        with self._place.running(command, called=self._clients[0], **run) as tool:
            yield tool, self._clients[0]

    @contextlib.contextmanager
    def _session(self, *options: str) -> Iterator[Session]:
        with self._client("--batch", "--skip-column-names", "--unbuffered", *options) as (tool, called):
            yield Session(self._place, tool, called, "SELECT '{}';")

    def _name(self) -> str:
        return self._target.database.encode().hex()

    def estimate(self) -> int | None:
        """What the server thinks the rows take: a packed dump is nearly always smaller."""
        with self._session() as session:
            return int(session.ask(SIZE.format(database=self._name()))[0])

    def version(self) -> str:
        """What it says of itself."""
        with self._session() as session:
            return session.ask("SELECT VERSION();")[0]

    def dump(self, write: Sink) -> Source:
        """Dump one snapshot, and count its rows in another that began while nobody could write."""
        program, version = self._program(self._dump_tools)
        with contextlib.ExitStack() as stack:
            counter = stack.enter_context(self._session(*self._patient))
            server = counter.ask("SELECT VERSION();")[0]
            self._fits(version, server)
            freeze, refused = self._freeze(stack)
            counter.ask(SNAPSHOT)
            tables = self._tables(counter)
            options = [*DUMP_OPTIONS, *(["--set-gtid-purged=OFF"] if "MariaDB" not in version else [])]
            command = self._command(program, version, [*options, "--", self._target.database])
            run: dict[str, Any] = {"env": self._env, "guarded": True, "timeout": self._target.timeout}
            with (
                packing.packing(self.compression, write, self._target.timeout) as feed,
                self._place.running(command, called=self._dump_tools[0], **run) as tool,
            ):
                self._pump(tool.stdout, feed, freeze)
            counts = self._count(counter, list(tables))
            after = None
            same = freeze is not None and freeze.in_time
            loose = [name for name, transactional in tables.items() if not transactional]
            if same and loose:
                same = False
                refused = f"{', '.join(loose)} take no part in transactions"
            if not same:
                with self._session(*self._patient) as later:
                    there = self._tables(later)
                    after = self._count(later, [name for name in tables if name in there])
        changed = tuple(name for name in tables if name not in counts)
        note = (
            "rows were counted in a snapshot that began together with that of the dump"
            if same
            else f"rows were counted in a snapshot right before the dump and again behind it: {refused}"
        )
        if changed:
            note += f"; {', '.join(changed)} could not be counted, for somebody dropped, truncated or altered them"
        return Source(
            server_version=server,
            tool_version=version,
            counts=counts,
            counts_after=after,
            uncounted=changed,
            same_snapshot=same,
            note=note,
        )

    def _fits(self, tool: str, server: str) -> None:
        """Raise BackupError when the program is of the other family, or older than the server."""
        wrong = "of another kind than" if ("MariaDB" in tool) != ("MariaDB" in server) else ""
        if not wrong and generation(tool) < generation(server):
            wrong = "older than"
        if wrong:
            raise BackupError(
                f"the client tools in {self._place} are {wrong} the server: '{tool}', and the server is {server};"
                " install those of the server's version there, or name an image that has them"
            )

    def _freeze(self, stack: contextlib.ExitStack) -> tuple[_Freeze | None, str]:
        """Keep writers from committing, if the user may do that."""
        try:
            with contextlib.ExitStack() as attempt:
                freeze = _Freeze(attempt.enter_context(self._session()))
                attempt.callback(freeze.forget)
                stack.enter_context(attempt.pop_all())
        except ToolError as error:
            return None, f"writers could not be kept waiting ({str(error).splitlines()[-1][:200]})"
        return freeze, f"the dump did not begin within {FREEZE} s"

    def _pump(self, stream: IO[bytes], feed: Sink, freeze: _Freeze | None) -> None:
        head = b""
        for chunk in chunks(stream):
            feed(chunk)
            if freeze and not freeze.in_time:
                head += chunk
                if len(head) > HEAD or any(mark in head for mark in BEGUN):
                    freeze.release()
                    freeze = None

    def _tables(self, session: Session) -> dict[str, bool]:
        rows = (line.split("\t") for line in session.ask(TABLES.format(database=self._name())))
        return {bytes.fromhex(name).decode(): transactional == "1" for name, transactional in rows}

    def _count(self, session: Session, tables: list[str]) -> dict[str, int]:
        """Rows of each table, and nothing of tables that are not what they were: the last that a session does."""
        database = quoted(self._target.database)
        # Names are quoted, and come from the server itself.
        statements = [
            f"SELECT {number}, COUNT(*) FROM {database}.{quoted(table)};"  # noqa: S608
            for number, table in enumerate(tables)
        ]
        lines, errors = session.last(statements)
        counts = {tables[int(number)]: int(count) for number, count in (line.split("\t") for line in lines)}
        codes = re.findall(r"^ERROR (\d+)", errors, re.MULTILINE)
        if set(codes) - CHANGED or len(counts) + len(codes) != len(tables):
            raise self._place.failure(self._clients[0], 1, errors)
        return counts

    def counts(self) -> dict[str, int]:
        """Rows per table, empty when there is no such database."""
        with self._session(*self._patient) as session:
            session.ask(SNAPSHOT)
            return self._count(session, list(self._tables(session)))

    def look(self, path: Path) -> Findings:
        """What it is packed with."""
        return packing.look(path)

    def examine(self, path: Path) -> Findings:
        """Unpack all of it, count rows, and look for the last line, in one pass."""
        try:
            text = sql_text.read(packing.unpack(path, self._target.timeout))
        except ToolError as error:
            return Findings([Check("decode", NOT_VERIFIED, str(error))])
        except (packing.PackedError, sql_text.DumpError) as error:
            return Findings([Check("decode", BAD, str(error))])
        if text.tool is None:
            reason = "it was made without comments: nothing tells where it ends, and which rows belong to which table"
            return Findings([Check("decode", NOT_VERIFIED, reason)])
        findings = Findings([Check("decode", OK, f"unpacked to its last line, {len(text.counts or {})} tables")])
        if text.counts is None:
            reason = "the name of a table has a line break, so rows were not counted"
            findings.checks.append(Check("rows", NOT_VERIFIED, reason))
        findings.counts = text.counts
        findings.tables = text.tables or None
        findings.tool = text.tool
        findings.server = text.server
        return findings

    def restore(self, path: Path) -> None:
        """Replace every table, routine and event that the dump holds, one after the other."""
        with self._session() as session:
            session.ask(f"CREATE DATABASE IF NOT EXISTS {quoted(self._target.database)};")
        try:
            with (
                packing.unpacked(path, self._target.timeout) as stream,
                self._client("--max-allowed-packet=1G", f"--database={self._target.database}", source=stream) as (
                    tool,
                    _called,
                ),
            ):
                tool.stdout.read()
        except ToolError as error:
            raise HalfDoneError(f"restored in part only, run it again when the cause is gone: {error}") from error


class MariaDB(MySQL):
    """One database of a MariaDB server."""

    name = "mariadb"
    _dump_tools = ("mariadb-dump", "mysqldump")
    _clients = ("mariadb", "mysql")
