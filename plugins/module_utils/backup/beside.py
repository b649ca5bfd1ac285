# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's tool that reads and writes much, in a confined container of its own, by pipes that have names.

What goes through ``docker exec`` is copied by its client, by the daemon and by a shim, a few KiB at a time: four times
what pg_restore itself takes to decode an archive. Pipes that both sides open need none of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import CHUNK, Place, Running, ToolError

# For less, starting a container costs more than it saves.
LARGE = 16 << 20
# Where Docker's daemon sees what we see: a unit of systemd may have a /tmp of its own.
RUN = "/run"
PIPE_SIZE = 1 << 20
SET_PIPE_SIZE = 1031
POLL = 200
INSIDE = 'exec <"$0/in" >"$0/out" && exec "$@"'


class _Pipe:
    """A named pipe that anyone who sees its folder may open. Both ends are held, so that nobody waits for the other."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        path.chmod(0o666)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.reader: IO[bytes] = os.fdopen(reader, "rb")
        self.writer: IO[bytes] = os.fdopen(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "wb")
        os.set_blocking(reader, True)
        with contextlib.suppress(OSError):
            fcntl.fcntl(reader, SET_PIPE_SIZE, PIPE_SIZE)


class _Said(io.RawIOBase):
    """What comes out of a pipe for as long as the client of Docker is there: the pipe itself may be open for longer,
    where the daemon does not end what it has started."""

    def __init__(self, pipe: IO[bytes], client: subprocess.Popen[bytes]) -> None:
        self._pipe, self._client = pipe, client
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def waits(self) -> bool:
        """Whether there is something to be read, or an end, before the client has ended."""
        while True:
            ended = self._client.poll() is not None
            if self._poll.poll(0 if ended else POLL):
                return True
            if ended:
                return False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, or wait for it."""
        return os.readv(self._pipe.fileno(), [buffer]) if self.waits() else 0


class Pipes:
    """A pipe into a tool and one out of it, while the block runs. No other user of the host can reach them."""

    def __enter__(self) -> Pipes:
        with contextlib.ExitStack() as stack:
            where = RUN if os.access(RUN, os.W_OK) else None
            private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mainstay-", dir=where)))
            # Root in the container may be somebody else on the host.
            self.folder = private / "pipes"
            self.folder.mkdir()
            self.folder.chmod(0o755)
            self.into, self.out = _Pipe(self.folder / "in"), _Pipe(self.folder / "out")
            for pipe in (self.into, self.out):
                stack.callback(pipe.reader.close)
                stack.callback(pipe.writer.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextlib.contextmanager
def running(place: Place, argv: Sequence[str], pipes: Pipes, *, timeout: float, called: str) -> Iterator[Running]:
    """Start a tool that a container or an image has, which reads from one pipe and writes into the other.

    It must say something before it reads: where it does not, because Docker sees other folders than we or the image is
    gone, it is started as ``Place.running`` would. Raises ToolError like that.
    """
    with contextlib.ExitStack() as stack:
        try:
            tool = stack.enter_context(_alone(place, argv, pipes, timeout, called))
        except ToolError as error:
            if error.late:
                raise
            pipes.into.writer.close()
            tool = stack.enter_context(place.running(argv, source=pipes.into.reader, timeout=timeout, called=called))
        yield tool


@contextlib.contextmanager
def _alone(place: Place, argv: Sequence[str], pipes: Pipes, timeout: float, called: str) -> Iterator[Running]:
    image = place.image
    if place.container:
        image = Place().run(["docker", "inspect", "--format", "{{.Image}}", place.container], timeout=60).strip()
    alone = Place(image=image, files=(str(pipes.folder),), offline=True)
    command = ["sh", "-c", INSIDE, str(pipes.folder), *argv]
    with alone.running(command, guarded=True, timeout=timeout, called=called) as tool:
        said = _Said(pipes.out.reader, tool.process)
        if not said.waits():
            raise alone.failure(called, tool.process.wait(), tool.errors())
        # It has both pipes open: from here on only their ends in its hands and in the unpacker's count.
        pipes.into.writer.close()
        pipes.out.writer.close()
        yield Running(tool.process, tool.log, io.BufferedReader(said, CHUNK))
