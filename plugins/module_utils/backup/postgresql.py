# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL: pg_dump in its custom format, counts from the dump's own snapshot, checks by decoding all of it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import beside, packing, pg_back, pg_text
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target, chunks, pump
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

MAGIC = b"PGDMP"
# psql's status when the server refused a statement.
SCRIPT_FAILED = 3
CUSTOM_FORMAT = 1
DECODE = "pg_restore --version && exec pg_restore -f -"

# The tables whose rows pg_dump writes. Of those of an extension these are the ones that it calls the user's, with the
# condition that tells which of their rows are (pg_extension_config_dump); what comes with the server is not dumped.
_TABLES = """
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT extconfig, extcondition, pg_catalog.generate_subscripts(extconfig, 1) AS place
  FROM pg_catalog.pg_extension WHERE oid >= 16384) x ON x.extconfig[x.place] = c.oid
WHERE c.relkind = 'r' AND (x.place IS NOT NULL OR n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
ORDER BY 1
"""
LOCK = rf"""
SELECT pg_catalog.format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE', n.nspname, c.relname) {_TABLES} \gexec
"""
COUNT = rf"""
SELECT pg_catalog.format('SELECT pg_catalog.json_build_array(%L::text, %L::text, count(*)) FROM ONLY %I.%I %s',
  n.nspname, c.relname, n.nspname, c.relname, x.extcondition[x.place]) {_TABLES} \gexec
"""  # noqa: S608 - nothing from outside is in it
BEGIN = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '5min';"
    " SET row_security = off; BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
)


def conninfo(target: Target, database: str | None = None) -> str:
    """A connection string without the password; quoting makes any database name safe."""
    fields = {
        "dbname": database or target.database,
        "user": target.user,
        "host": target.host or (str(Path(target.socket).parent) if target.socket else ""),
        "port": str(target.port or ""),
        "sslmode": "verify-full" if target.tls else "",
        "sslrootcert": target.ca,
        "connect_timeout": "20",
        "application_name": "mainstay-backup",
    }
    return " ".join(
        "{}='{}'".format(key, value.replace("\\", "\\\\").replace("'", "\\'")) for key, value in fields.items() if value
    )


def parse_counts(lines: list[str]) -> dict[str, int]:
    """Counts from lines such as ``["public", "users", 3]``."""
    return {pg_text.table_name(schema, table): rows for schema, table, rows in map(json.loads, lines)}


class PostgreSQL:
    """One database of a PostgreSQL server."""

    name = "postgresql"
    whole_server = False

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = target.place
        self._env = {"PGPASSWORD": target.password} if target.password else {}
        self.compression = target.compression or packing.best()

    @property
    def suffix(self) -> str:
        """How names of dumps end: zstd is around the archive, gzip inside it."""
        return ".dump" + (packing.SUFFIX[packing.ZSTD] if self.compression == packing.ZSTD else "")

    @contextlib.contextmanager
    def _session(self, database: str | None = None) -> Iterator[Session]:
        command = [
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-w",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            conninfo(self._target, database),
        ]
        env = {**self._env, "PGCLIENTENCODING": "UTF8"}
        with self._place.running(command, env=env, timeout=self._target.timeout) as tool:
            yield Session(self._place, tool, "psql", "\\echo '{}'")

    def estimate(self) -> int | None:
        """The size of the database on the server's disk: a compressed dump is nearly always smaller."""
        with self._session() as session:
            return int(session.ask("SELECT pg_catalog.pg_database_size(pg_catalog.current_database());")[0])

    def version(self) -> str:
        """What it says of itself, also where the database is not there yet."""
        with self._session(None if self._exists() else "template1") as session:
            return session.ask("SHOW server_version;")[0]

    def dump(self, write: Sink) -> Source:
        """Dump one snapshot, and count its rows in the same snapshot."""
        with self._session() as session:
            session.ask(BEGIN)
            snapshot = session.ask("SELECT pg_catalog.pg_export_snapshot();")[0]
            server = session.ask("SHOW server_version;")[0]
            # Without locks a table that is emptied or dropped meanwhile would be counted as it is by then.
            session.ask(LOCK)
            command = [
                "pg_dump",
                "-Fc",
                *(["-Z0"] if self.compression == packing.ZSTD else []),
                "-w",
                f"--snapshot={snapshot}",
                "-d",
                conninfo(self._target),
            ]
            with (
                self._packing(write) as feed,
                self._place.running(command, env=self._env, guarded=True, timeout=self._target.timeout) as tool,
            ):
                pump(tool.stdout, feed)
            counts = parse_counts(session.ask(COUNT))
            session.ask("COMMIT;")
        return Source(
            server_version=server,
            tool_version=self._place.run(["pg_dump", "--version"]).strip(),
            counts=counts,
            same_snapshot=True,
            note="rows were counted in the snapshot that was dumped",
        )

    def _packing(self, write: Sink) -> contextlib.AbstractContextManager[Sink]:
        # pg_dump's own zstd has no checksum (a flipped bit decodes to wrong rows): that of the zstd program has one.
        if self.compression != packing.ZSTD:
            return contextlib.nullcontext(write)
        return packing.packing(packing.ZSTD, write, self._target.timeout)

    @contextlib.contextmanager
    def _archive(self, path: Path, ends: tuple[IO[bytes], IO[bytes]] | None = None) -> Iterator[IO[bytes]]:
        """The archive in a file, unpacked where it is packed. Raises PackedError when something is behind its end."""
        if packing.kind_of_file(path) is None:
            with path.open("rb") as file:
                yield file
            return
        with packing.unpacked(path, self._target.timeout, ends) as stream:
            yield stream
            if stream.read(1):
                raise packing.PackedError("there are bytes behind the end of the archive")

    def counts(self) -> dict[str, int]:
        """Rows per table, empty when there is no such database."""
        if not self._exists():
            return {}
        with self._session() as session:
            session.ask(BEGIN)
            return parse_counts(session.ask(COUNT))

    def _exists(self) -> bool:
        """Whether there is such a database. Some users may enter no other: those are asked only where it is closed."""
        try:
            with self._session() as session:
                return bool(session.ask("SELECT 1;"))
        except ToolError as refused:
            name = self._target.database.replace("'", "''")
            query = f"SELECT 1 FROM pg_catalog.pg_database WHERE datname = '{name}';"  # noqa: S608
            try:
                with self._session("template1") as session:
                    if not session.ask(query):
                        return False
            except ToolError:
                raise refused from None
            raise

    def look(self, path: Path) -> Findings:
        """Magic number and format of the archive."""
        with path.open("rb") as file:
            head = file.read(11)
        if packing.kind_of(head) == packing.ZSTD:
            return Findings([Check("structure", OK, "packed with zstd")])
        if len(head) < 11 or head[:5] != MAGIC:
            return Findings([Check("structure", BAD, "this is no archive of pg_dump")])
        if head[10] != CUSTOM_FORMAT:
            return Findings([Check("structure", BAD, f"archive format {head[10]} is not pg_dump's custom format")])
        return Findings([Check("structure", OK, f"archive of pg_dump, custom format {head[5]}.{head[6]}")])

    @contextlib.contextmanager
    def _decoder(self, path: Path) -> Iterator[Running]:
        """pg_restore, which says its version and then what is in the archive."""
        command = ["sh", "-c", DECODE]
        run: dict[str, Any] = {"timeout": self._target.timeout, "called": "pg_restore"}
        packed = packing.kind_of_file(path) is not None
        with contextlib.ExitStack() as open_until_the_end:
            if self._place.is_host or not packed or path.stat().st_size < beside.LARGE:
                archive = open_until_the_end.enter_context(self._archive(path))
                running = self._place.running(command, source=archive, **run)
            else:
                pipes = open_until_the_end.enter_context(beside.Pipes())
                open_until_the_end.enter_context(self._archive(path, (pipes.into.reader, pipes.into.writer)))
                running = beside.running(self._place, command, pipes, **run)
            yield open_until_the_end.enter_context(running)

    def _decoded(self, stream: IO[bytes]) -> pg_text.RestoreText | pg_text.DecodeError:
        """What a text says, or what is wrong with it: the text of a tool that was killed is cut short as well."""
        try:
            return pg_text.read(chunks(stream))
        except pg_text.DecodeError as error:
            pump(stream, lambda _data: None)
            return error

    def examine(self, path: Path) -> Findings:
        """Decode the archive with pg_restore, and count the rows of each table in what comes out."""
        findings = self.look(path)
        if findings.checks[0].verdict == BAD:
            return findings
        try:
            with self._decoder(path) as tool:
                findings.tool = tool.stdout.readline().decode().strip() or None
                text = self._decoded(tool.stdout)
            if isinstance(text, pg_text.DecodeError):
                raise text
        except ToolError as error:
            # What a newer pg_dump has written is for a newer pg_restore to judge.
            unclear = error.inconclusive or findings.tool is None or "unsupported version" in error.said
            verdict = NOT_VERIFIED if unclear else BAD
            findings.checks.append(Check("decode", verdict, str(error)))
            return findings
        except (packing.PackedError, pg_text.DecodeError) as error:
            findings.checks.append(Check("decode", BAD, str(error)))
            return findings
        findings.checks.append(Check("decode", OK, f"{findings.tool} decoded all of it, {len(text.counts)} tables"))
        findings.counts = text.counts
        findings.content = text.sha256
        findings.tables = text.tables
        findings.roles = text.roles
        return findings

    def restore(self, path: Path) -> list[str]:
        """Put the archive in place of all that is there, in one transaction: it fails as a whole or not at all.

        Returns what the operator should know of the roles that it names.
        """
        if not self._exists():
            with self._session("template1") as session:
                session.ask(f"CREATE DATABASE {pg_back.quoted(self._target.database)};")
        missing = self._missing_roles(path)
        env = {**self._env, "PGCLIENTENCODING": "UTF8"}
        command = ["psql", "-X", "-q", "-w", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", conninfo(self._target)]
        whole = False
        try:
            with (
                self._place.running(command, env=env, timeout=self._target.timeout) as client,
                # psql that has given up says why with its status.
                contextlib.suppress(BrokenPipeError),
            ):
                client.stdin.write(pg_back.begin(missing).encode())
                end = self._pour(path, client.stdin)
                whole = True
                client.stdin.write(end)
        except (ToolError, packing.PackedError) as error:
            if whole and getattr(error, "status", 0) != SCRIPT_FAILED:
                raise HalfDoneError(f"nobody knows whether it was restored: {error}") from error
            raise BackupError(f"nothing was restored, and nothing changed: {error}") from error
        return pg_back.made(missing)

    def _pour(self, path: Path, client: IO[bytes]) -> bytes:
        """Decode the archive to SQL for a client, and return its end. Raises when the archive is not whole."""
        command = ["pg_restore", "--clean", "--if-exists", "--single-transaction", "-f", "-"]
        with (
            self._archive(path) as archive,
            self._place.running(command, source=archive, timeout=self._target.timeout) as tool,
        ):
            pieces = chunks(tool.stdout)
            first = next(pieces, b"")
            # psql runs as root here, and what looks like its commands in a name or a comment would be obeyed.
            if self._place.is_host and b"\n\\restrict " not in first:
                raise BackupError(
                    "nothing was restored, and nothing changed: this host's PostgreSQL tools do not guard against "
                    "commands that hide in a dump (CVE-2025-8714, CVE-2025-8715): update them, and run this again"
                )
            return pg_back.pour(itertools.chain([first], pieces), client)

    def _missing_roles(self, path: Path) -> list[str]:
        """The roles that the archive names and the server lacks. Raises BackupError when they cannot be made."""
        named: list[str] = []
        command = ["pg_restore", "--schema-only", "-f", "-"]
        # All that follows the table of contents is left unread, which the archive's decoder takes for a failure. What
        # is wrong with it is seen again when all of it is read.
        with (
            contextlib.suppress(ToolError, packing.PackedError),
            self._archive(path) as archive,
            self._place.running(command, source=archive, timeout=self._target.timeout) as tool,
        ):
            named = pg_back.roles(line.decode(errors="replace").rstrip("\n") for line in tool.stdout)
        with self._session() as session:
            there = session.ask("SELECT rolname FROM pg_catalog.pg_roles;")
            missing = [name for name in named if name not in there]
            may = "SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user;"
            if missing and session.ask(may) != ["t"]:
                raise BackupError(
                    f"nothing was restored, and nothing changed: there is no role {', '.join(missing)}, and the user of"
                    f" the backup may not make it: {' '.join(f'CREATE ROLE {pg_back.quoted(one)};' for one in missing)}"
                )
        return missing
