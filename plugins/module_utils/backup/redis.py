# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis: BGSAVE awaited, the RDB file copied out; checks by redis-check-rdb and by walking every key."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import rdb
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target, chunks, pump
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
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

POLL = 0.2
SOON = 0.02
READY = 60.0
NEAR = ("", "localhost", "127.0.0.1", "::1")
EOF_MARK = 40
# What an answer starts with that is none: redis-cli ends with status 0 whatever the server says.
REFUSALS = ("ERR ", "NOAUTH ", "WRONGPASS ", "NOPERM ", "LOADING ", "MISCONF ", "Could not connect")
# Puts a command to the server, given as words, and returns the answer.
Ask = Callable[..., str]

# Runs where the server runs, as its user or as root. Nothing of the old state is touched before all of the new one is
# there.
PLACE_RDB = """
set -e
cd "$1"
cat > .mainstay-restore.rdb
[ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g .)" .mainstay-restore.rdb
mv .mainstay-restore.rdb "$2"
"""
PLACE_AOF = """
set -e
cd "$1"
rm -rf .mainstay-restore; mkdir .mainstay-restore
cat > ".mainstay-restore/$3.1.base.rdb"
printf 'file %s.1.base.rdb seq 1 type b\\n' "$3" > ".mainstay-restore/$3.manifest"
[ "$(id -u)" != 0 ] || chown -R "$(stat -c %u:%g .)" .mainstay-restore
rm -rf "$2"
mv .mainstay-restore "$2"
"""

_KEYSPACE = re.compile(r"^(db\d+):keys=(\d+)(?:,expires=(\d+))?", re.MULTILINE)
_ERROR = re.compile(r"--- RDB ERROR DETECTED ---\n(?P<what>.*)")
_READ = re.compile(r"\[info\] (\d+) keys read")


def parse_info(text: str) -> dict[str, str]:
    """The fields of an answer to INFO."""
    pairs = (line.strip().split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return dict(pairs)


def parse_keyspace(text: str) -> dict[str, int]:
    """Keys per database from an answer to INFO keyspace."""
    return {name: int(keys) for name, keys, _expires in _KEYSPACE.findall(text)}


def parse_expiring(text: str) -> dict[str, int]:
    """How many of them have an expiry."""
    return {name: int(expires) for name, _keys, expires in _KEYSPACE.findall(text) if expires}


class Redis:
    """A whole Redis server."""

    name = "redis"
    suffix = ".rdb"
    compression = ""
    whole_server = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = target.place
        self._env = {"REDISCLI_AUTH": target.password} if target.password else {}

    def _options(self) -> list[str]:
        target = self._target
        options = ["-h", target.host] if target.host else []
        options += ["-p", str(target.port)] if target.port else []
        options += ["-s", target.socket] if target.socket else []
        options += ["--tls", *(["--cacert", target.ca] if target.ca else [])] if target.tls else []
        return options

    def _ask(self, *command: str) -> str:
        answer = self._place.run(["redis-cli", "--raw", *self._options(), *command], env=self._env, timeout=60)
        if answer.startswith(REFUSALS):
            raise ToolError(f"redis in {self._place} refuses {command[0]}: {answer.strip()}")
        return answer

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple[Ask, str]]:
        """One client for many plain questions, and its version: starting one costs more than any answer."""
        script = 'redis-cli --version && exec redis-cli --raw "$@"'
        command = ["sh", "-c", script, "sh", *self._options()]
        run: dict[str, Any] = {"env": self._env, "timeout": self._target.timeout}
        with self._place.running(command, called="redis-cli", **run) as tool:
            version = tool.stdout.readline().decode().strip()
            session = Session(self._place, tool, "redis", "ECHO '{}'", REFUSALS)
            yield (lambda *words: "\n".join(session.ask(" ".join(words)))), version

    def _info(self, section: str, ask: Ask | None = None) -> dict[str, str]:
        return parse_info((ask or self._ask)("INFO", section))

    def _setting(self, name: str, ask: Ask | None = None) -> str:
        lines = (ask or self._ask)("CONFIG", "GET", name).splitlines()
        if len(lines) != 2:
            raise ToolError(f"redis in {self._place} does not tell its setting '{name}'")
        return lines[1]

    def estimate(self) -> int | None:
        """The memory that the data takes: an RDB file is nearly always smaller."""
        return int(self._info("memory")["used_memory_dataset"])

    def counts(self) -> dict[str, int]:
        """Keys per database; keys that have expired but are not swept yet count."""
        return parse_keyspace(self._ask("INFO", "keyspace"))

    def version(self) -> str:
        """What it says of itself."""
        return self._info("server")["redis_version"]

    def dump(self, write: Sink) -> Source:
        """Have the server write a snapshot, wait for it, and read it."""
        with self._session() as (ask, version):
            said = ask("INFO", "keyspace")
            before = parse_keyspace(said)
            if self._near:
                self._save(ask)
                after = parse_keyspace(ask("INFO", "keyspace"))
                path = f"{self._setting('dir', ask)}/{self._setting('dbfilename', ask)}"
                with self._place.running(["cat", path], guarded=True, timeout=self._target.timeout) as tool:
                    pump(tool.stdout, write)
            else:
                self._replicate(write)
                after = parse_keyspace(ask("INFO", "keyspace"))
            server = self._info("server", ask)["redis_version"]
        return Source(
            server_version=server,
            tool_version=version,
            counts=before,
            counts_after=after,
            volatile=parse_expiring(said),
            same_snapshot=False,
            note="keys were counted right before and after the snapshot, the manifest's counts are those of the file",
        )

    @property
    def _near(self) -> bool:
        """Whether the server's own files can be read where the tools run."""
        return bool(self._place.container) or (self._place.is_host and self._target.host in NEAR)

    def _replicate(self, write: Sink) -> None:
        """Take the snapshot that a server sends to a new replica."""
        tail = b""
        command = ["redis-cli", *self._options(), "--rdb", "-"]
        with self._place.running(command, env=self._env, guarded=True, timeout=self._target.timeout) as tool:
            for chunk in chunks(tool.stdout):
                tail += chunk
                write(tail[:-EOF_MARK])
                tail = tail[-EOF_MARK:]
            # A server that does not know the length beforehand ends with a mark, which redis-cli leaves there.
            write(b"" if "until EOF marker" in tool.errors() else tail)

    def _save(self, ask: Ask) -> None:
        deadline = time.monotonic() + self._target.timeout
        while True:
            before = self._await_no_save(deadline, ask)
            # Servers count their saves since version 7. Before, the time tells, in seconds: ours must not end in the
            # one in which the last has ended.
            mark = "rdb_saves" if "rdb_saves" in before else "rdb_last_save_time"
            while mark == "rdb_last_save_time" and ask("TIME").split()[0] == before[mark]:
                self._sleep(deadline)
            answer = ask("BGSAVE", "SCHEDULE")
            if "started" in answer or "scheduled" in answer:
                break
        state = self._await_no_save(deadline, ask)
        while state[mark] == before[mark]:
            # One that failed does not change the time.
            if mark == "rdb_last_save_time" and state.get("rdb_last_bgsave_status") != "ok":
                break
            self._sleep(deadline)
            state = self._await_no_save(deadline, ask)
        if state.get("rdb_last_bgsave_status") != "ok":
            raise ToolError(
                f"redis in {self._place} could not write its snapshot; its log says why"
                " (often no space where its data lies, or no memory to fork)"
            )

    def _await_no_save(self, deadline: float, ask: Ask) -> Mapping[str, str]:
        wait = SOON
        while True:
            state = self._info("persistence", ask)
            if state.get("rdb_bgsave_in_progress") == "0" and state.get("loading", "0") == "0":
                return state
            self._sleep(deadline, wait)
            wait = min(2 * wait, POLL)

    def _sleep(self, deadline: float, wait: float = POLL) -> None:
        if time.monotonic() > deadline:
            raise ToolError(f"redis in {self._place} did not finish its snapshot within {self._target.timeout:.0f} s")
        time.sleep(wait)

    def look(self, path: Path) -> Findings:
        """The magic number and the version of the format."""
        with path.open("rb") as file:
            head = file.read(9)
        try:
            return Findings([Check("structure", OK, f"RDB file, format {rdb.header_version(head)}")])
        except rdb.RdbError as error:
            return Findings([Check("structure", BAD, str(error))])

    def examine(self, path: Path) -> Findings:
        """Walk every key, look at the end, and have redis-check-rdb compute the checksum."""
        findings = Findings()
        try:
            with path.open("rb") as file:
                found = rdb.read(file)
        except rdb.RdbError as error:
            findings.checks.append(Check("structure", BAD, str(error)))
            return findings
        except rdb.UnknownFormat as unknown:
            findings.checks.append(Check("structure", NOT_VERIFIED, f"cannot be read to its end: {unknown}"))
        else:
            keys = sum(found.counts.values())
            findings.checks.append(Check("structure", OK, f"RDB file, format {found.version}, {keys} keys"))
            findings.counts, findings.volatile = found.counts, found.volatile
            if found.trailing:
                findings.checks.append(Check("end", BAD, f"{found.trailing} bytes behind the end"))
            else:
                findings.checks.append(Check("end", OK, "nothing behind the end"))
            if not found.checksum:
                reason = "the file has no checksum (the server runs with 'rdbchecksum no')"
                findings.checks.append(Check("checksum", NOT_VERIFIED, reason))
        findings.checks.append(self._native(path, findings))
        return findings

    def _native(self, path: Path, findings: Findings) -> Check:
        said = ""
        command = ["redis-check-rdb", "/dev/stdin"]
        try:
            with (
                path.open("rb") as file,
                self._place.running(command, source=file, timeout=self._target.timeout) as tool,
            ):
                said = tool.stdout.read().decode(errors="replace")
        except ToolError as failure:
            if error := _ERROR.search(said):
                return Check("redis-check-rdb", BAD, error["what"])
            return Check("redis-check-rdb", NOT_VERIFIED, str(failure))
        read = _READ.search(said)
        keys = None if findings.counts is None else sum(findings.counts.values())
        if read and keys is not None and int(read[1]) != keys:
            return Check("redis-check-rdb", BAD, f"it read {read[1]} keys, there are {keys}")
        if "Checksum OK" in said:
            return Check("redis-check-rdb", OK, f"checksum right, {read[1] if read else '?'} keys read")
        if "checksum disabled" in said:
            return Check("redis-check-rdb", OK, "structure right; no checksum to check")
        return Check("redis-check-rdb", NOT_VERIFIED, f"it did not speak of the checksum: {said[-200:].strip()}")

    def restore(self, path: Path) -> None:
        """Put the file where the server loads it from, and restart the server without letting it save."""
        if not self._near:
            raise BackupError(
                f"redis on {self._target.host} is restored only where its own files are in reach: have its operator"
                f" load {path}, or restore it into a container and copy the keys from there"
            )
        restart = self._restart()
        folder = self._setting("dir")
        appends = self._setting("appendonly") == "yes"
        if appends and int(self._info("server")["redis_version"].split(".")[0]) < 7:
            raise BackupError("this redis keeps an append-only file of the kind before version 7: restore it by hand")
        script = ["sh", "-c", PLACE_RDB, "sh", folder, self._setting("dbfilename")]
        if appends:
            names = self._setting("appenddirname"), self._setting("appendfilename")
            script = ["sh", "-c", PLACE_AOF, "sh", folder, *names]
        # Settings made this way end with the process, which must write nothing over what is put in its place. Until
        # then it saves nothing, so nobody may go on with it where the rest fails.
        self._ask("CONFIG", "SET", "save", "")
        try:
            if appends:
                self._ask("CONFIG", "SET", "appendonly", "no")
            self._await_no_save(time.monotonic() + self._target.timeout, self._ask)
            with (
                path.open("rb") as file,
                self._place.running(script, source=file, timeout=self._target.timeout) as tool,
            ):
                tool.stdout.read()
            Place().run(restart, timeout=120)
            self._await_ready()
        except ToolError as error:
            raise HalfDoneError(
                f"not restored, or not loaded; redis in {self._place} saves nothing until it is restarted: {error}"
            ) from error

    def _restart(self) -> list[str]:
        """The command that starts the server again: its container, or the unit of its process."""
        if self._place.container:
            return ["docker", "restart", self._place.container]
        process = self._info("server")["process_id"]
        unit = self._place.run(["ps", "-o", "unit=", "-p", process]).strip()
        if not unit.endswith(".service"):
            raise BackupError(f"no systemd unit runs redis on this host (process {process} is of '{unit}')")
        return ["systemctl", "restart", unit]

    def _await_ready(self) -> None:
        deadline = time.monotonic() + max(READY, self._target.timeout)
        while True:
            try:
                if self._info("persistence").get("loading") == "0":
                    return
            except ToolError:
                if time.monotonic() > deadline:
                    raise
            self._sleep(deadline)
