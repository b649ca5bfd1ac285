# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an engine's tools run: in its container or on this host. Streams, watches the clock and every exit status."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, cast

from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

CHUNK = 1 << 18
ERROR_TAIL = 2000

# Runs a tool at low priority and ends it when the standard input closes: whoever started it is dead then, and a
# process in a container would go on without him. Every process is waited for: an orphan falls to the container's first
# process, and PostgreSQL takes one that a signal has ended for a crash of its own.
GUARD = """
command -v ionice >/dev/null 2>&1 && set -- ionice -c 2 -n 7 "$@"
command -v nice >/dev/null 2>&1 && set -- nice -n 10 "$@"
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ read -r line <&3; kill "$child"; } >/dev/null 2>&1 & watcher=$!
wait "$child"; status=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$status"
"""


# How a tool ends that somebody else has ended, the kernel where memory runs out or a host that goes down: by SIGHUP,
# SIGINT, SIGKILL or SIGTERM, as we see it and as a shell or Docker tells it.
_ENDED = {sign for number in (1, 2, 9, 15) for sign in (-number, 128 + number)}

# A container that is there for one tool and can do nothing else.
CONFINED = (
    "--rm", "--init", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--log-driver=none", "--entrypoint=",
)  # fmt: skip
ALONE = (*CONFINED, "--network=host")


class ToolError(BackupError):
    """A tool that ``said`` something and failed with a ``status``, was ``missing`` or took too long (``late``)."""

    def __init__(
        self, message: str, missing: bool = False, late: bool = False, status: int = 0, said: str = ""
    ) -> None:
        super().__init__(message)
        self.said = said
        self.missing = missing
        self.late = late
        self.status = status

    @property
    def inconclusive(self) -> bool:
        """Whether it says nothing of what the tool was given: it was missing, too slow, or ended by somebody else."""
        return self.missing or self.late or self.status in _ENDED


class Running:
    """A tool at work: ``stdout`` to be read, ``errors()`` what it has complained about so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], stdout: IO[bytes] | None = None) -> None:
        self.process = process
        self.log = log
        self._stdout = stdout or process.stdout

    @property
    def stdout(self) -> IO[bytes]:
        """What the tool prints."""
        return cast("IO[bytes]", self._stdout)

    @property
    def stdin(self) -> IO[bytes]:
        """Where an interactive tool takes its orders."""
        return cast("IO[bytes]", self.process.stdin)

    def errors(self) -> str:
        """All of standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


@dataclasses.dataclass(frozen=True)
class Place:
    """A container by its name, a new one of an ``image``, or this host when there is neither.

    A new container has the host's network, or none where it is ``offline``, and sees the ``files`` of the host; it ends
    with the tool.
    """

    container: str | None = None
    image: str | None = None
    files: tuple[str, ...] = ()
    offline: bool = False

    def __str__(self) -> str:
        if self.container:
            return f"container '{self.container}'"
        return f"image '{self.image}'" if self.image else "this host"

    @property
    def is_host(self) -> bool:
        """Whether tools run on this host itself."""
        return not self.container and not self.image

    def command(self, argv: Sequence[str], env: Mapping[str, str], guarded: bool = False) -> list[str]:
        """The command to start. Values of ``env`` are secrets: only their names are on the command line."""
        wrapped = ["sh", "-c", GUARD, "sh", *argv] if guarded else list(argv)
        if self.is_host:
            return wrapped
        names = [part for name in sorted(env) for part in ("--env", name)]
        if self.container:
            return ["docker", "exec", "--interactive", *names, self.container, *wrapped]
        mounts = [f"--volume={path}:{path}:ro" for path in self.files]
        alone = (*CONFINED, "--network=none") if self.offline else ALONE
        return ["docker", "run", "--interactive", *alone, *mounts, *names, str(self.image), *wrapped]

    @contextlib.contextmanager
    def running(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        source: IO[bytes] | None = None,
        sink: IO[bytes] | None = None,
        guarded: bool = False,
        timeout: float = 3600,
        called: str = "",
    ) -> Iterator[Running]:
        """Start a tool, and see to it that it has ended well when the block ends.

        ``source`` becomes its standard input, ``sink`` takes what it prints. ``guarded`` tools have low priority and
        die with us. Raises ToolError when it is missing, fails or takes more than ``timeout`` seconds. When the block
        raises, it is killed. Errors name it as it is ``called``, which is its first word unless that is a shell.
        """
        env = env or {}
        called = called or argv[0]
        with tempfile.TemporaryFile() as log, contextlib.ExitStack() as stack:
            try:
                process = subprocess.Popen(
                    self.command(argv, env, guarded),
                    stdin=source if source is not None else subprocess.PIPE,
                    stdout=sink if sink is not None else subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, **env},
                )
            except FileNotFoundError as error:
                program = called if self.is_host else "docker"
                raise ToolError(f"{program} is not installed on this host", missing=True) from error
            stack.callback(_end, process)
            late = threading.Event()

            def kill() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(timeout, kill)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
            tool = Running(process, log)
            try:
                yield tool
                if process.stdin and not guarded:
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.close()
                status = process.wait()
            except Exception as error:
                if late.is_set():
                    raise _late(called, self, timeout) from error
                raise
            if late.is_set():
                raise _late(called, self, timeout)
            if status != 0:
                raise self.failure(called, status, tool.errors())

    def failure(self, program: str, status: int, errors: str) -> ToolError:
        """What to raise for a tool that ended with this status and these last words."""
        said = errors.strip()[-ERROR_TAIL:] or "it said nothing"
        if self.container and ("No such container" in said or "is not running" in said):
            return ToolError(f"{self} is not there or not running: {said}")
        missing = status == 127 or (status == 126 and "executable file not found" in said)
        if missing:
            return ToolError(f"{program} is not installed in {self}: {said}", missing=True)
        return ToolError(f"{program} in {self} failed with status {status}: {said}", status=status, said=said)

    def run(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool with little to say and return what it printed. Raises ToolError like ``running``."""
        with self.running(argv, **options) as tool:
            if tool.process.stdin and not options.get("guarded"):
                tool.process.stdin.close()
                tool.process.stdin = None
            return tool.stdout.read().decode(errors="replace")


def _late(program: str, place: Place, timeout: float) -> ToolError:
    return ToolError(f"{program} in {place} did not finish within {timeout:.0f} s and was stopped", late=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind of a process, whatever state it is in."""
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()
