# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MongoDB: mongodump into a gzip'd archive; checks by walking every frame and every checksum of it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import mongo_archive, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target, chunks, pump
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Running, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    OK,
    Check,
    Findings,
    HalfDoneError,
)

SECRET = "MAINSTAY_MONGO_CONFIG"  # noqa: S105 - the name of a variable
# The tools read a password from a file alone: a here-document is one that exists in no directory.
WITH_SECRET = f'exec "$@" --config=/dev/fd/3 3<<END\n${SECRET}\nEND\n'

_DONE = re.compile(r"\tdone dumping (?P<name>.+) \((?P<count>\d+) documents?\)$")


def reported_counts(errors: str) -> dict[str, int]:
    """Documents per collection as mongodump says that it has read them.

    Its lines look like ``2026-11-21T02:15:00.123+0000<TAB>done dumping shop.orders (3 documents)``.
    """
    found = (_DONE.search(line) for line in errors.splitlines())
    return {match["name"]: int(match["count"]) for match in found if match}


class MongoDB:
    """One database of a MongoDB server, or all of them."""

    name = "mongodb"
    suffix = ".archive.gz"
    compression = packing.GZIP
    whole_server = False

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = target.place
        self._env: dict[str, str] = {}
        if target.password:
            # JSON's strings are YAML's, which is what the tools read.
            self._env[SECRET] = f"password: {json.dumps(target.password)}"

    def _command(self, tool: str, options: Sequence[str]) -> list[str]:
        target = self._target
        command = [tool, *options]
        if target.host:
            command.append(f"--host={target.host}")
        if target.port:
            command.append(f"--port={target.port}")
        if target.tls:
            command += ["--ssl", *([f"--sslCAFile={target.ca}"] if target.ca else [])]
        if target.password:
            command += [f"--username={target.user}", "--authenticationDatabase=admin"]
            command = ["sh", "-c", WITH_SECRET, "sh", *command]
        return command

    @contextlib.contextmanager
    def _running(self, called: str, command: list[str], source: IO[bytes] | None = None) -> Iterator[Running]:
        options: dict[str, Any] = {
            "env": self._env,
            "source": source,
            "guarded": source is None,
            "timeout": self._target.timeout,
        }
        with self._place.running(command, called=called, **options) as tool:
            yield tool

    def _dump_command(self, *options: str) -> list[str]:
        database = [f"--db={self._target.database}"] if self._target.database else []
        return self._command("mongodump", ["--archive", *options, *database])

    def estimate(self) -> int | None:
        """Not known: the server is only asked by mongodump."""
        return None

    def _version(self, tool: str) -> str:
        return self._place.run([tool, "--version"]).splitlines()[0].strip()

    def dump(self, write: Sink) -> Source:
        """Dump collection after collection; the counts are what mongodump read of each."""
        with self._running("mongodump", self._dump_command("--gzip")) as tool:
            pump(tool.stdout, write)
            tool.process.wait()
            counts = reported_counts(tool.errors())
        return Source(
            server_version="",
            tool_version=self._version("mongodump"),
            counts=counts,
            same_snapshot=False,
            as_read=True,
            note="documents were counted by mongodump as it read them; collections are read one after the other, so"
            " they are of one moment each, not of one moment together",
        )

    def counts(self) -> dict[str, int]:
        """Documents per collection, by dumping everything into a counter: no other tool is sure to be there."""
        return self._live().counts

    def version(self) -> str:
        """What mongodump has heard from the server, by dumping everything: it tells of it nowhere else."""
        return str(self._live().header.get("server_version", ""))

    def _live(self) -> mongo_archive.Archive:
        with self._running("mongodump", self._dump_command()) as tool:
            try:
                return mongo_archive.read(chunks(tool.stdout))
            except mongo_archive.ArchiveError as error:
                tool.process.wait(timeout=60)
                said = tool.errors().strip() or str(error)
                raise ToolError(f"the documents cannot be counted: {said}") from error

    def look(self, path: Path) -> Findings:
        """The magic number of gzip, and that of the archive inside."""
        with path.open("rb") as file:
            head = file.read(4096)
        if packing.kind_of(head) != packing.GZIP:
            return Findings([Check("structure", BAD, "this is no gzip file")])
        archive = mongo_archive.Archive()
        try:
            for piece in packing.gunzip([head]):
                archive.feed(piece)
        except (mongo_archive.ArchiveError, packing.PackedError) as error:
            if "cut short" not in str(error):
                return Findings([Check("structure", BAD, str(error))])
        return Findings([Check("structure", OK, "gzip'd archive of mongodump")])

    def examine(self, path: Path) -> Findings:
        """Unpack all of it, walk every frame, check gzip's checksum and that of every collection, count documents."""
        try:
            with path.open("rb") as file:
                archive = mongo_archive.read(packing.gunzip(chunks(file)))
        except (mongo_archive.ArchiveError, packing.PackedError) as error:
            return Findings([Check("archive", BAD, str(error))])
        reason = f"every frame and the checksums of gzip and of {len(archive.counts)} collections hold"
        findings = Findings([Check("archive", OK, reason)], counts=archive.counts)
        findings.tool = f"mongodump {archive.header.get('tool_version', '?')}"
        findings.tables = archive.checksums
        findings.server = str(archive.header.get("server_version", ""))
        return findings

    def restore(self, path: Path) -> None:
        """Drop each collection that the archive holds, and put it back."""
        # Whatever database it was dumped from: it goes into the one that is meant.
        into = (
            ["--nsFrom=$db$.$collection$", f"--nsTo={self._target.database}.$collection$"]
            if self._target.database
            else []
        )
        command = self._command("mongorestore", ["--archive", "--gzip", "--drop", "--stopOnError", *into])
        try:
            with path.open("rb") as file, self._running("mongorestore", command, file) as tool:
                tool.stdout.read()
        except ToolError as error:
            raise HalfDoneError(f"restored in part only, run it again when the cause is gone: {error}") from error
