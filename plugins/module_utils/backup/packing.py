# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packing and unpacking streams, in bounded memory: zstd where this host has it, gzip where not."""

from __future__ import annotations

import contextlib
import shutil
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import CHUNK, Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BAD, OK, Check, Findings

Sink = Callable[[bytes], None]

GZIP, ZSTD = "gzip", "zstd"
MAGIC = {GZIP: b"\x1f\x8b\x08", ZSTD: b"\x28\xb5\x2f\xfd"}
SUFFIX = {GZIP: ".gz", ZSTD: ".zst"}
# Both write a checksum over the whole content.
PACK = {GZIP: ["gzip", "-c"], ZSTD: ["zstd", "-q", "-c", "--check", "-3"]}
# What a frame may ask for is bounded, whoever made it.
UNPACK = {GZIP: ["gzip", "-dc"], ZSTD: ["zstd", "-q", "-dc", "--memory=32MB"]}


class PackedError(ValueError):
    """The file is not whole, or not what it says it is."""


def best() -> str:
    """What to pack with on this host."""
    return ZSTD if shutil.which(ZSTD) else GZIP


def kind_of(head: bytes) -> str | None:
    """What a file that begins like this is packed with."""
    return next((kind for kind, magic in MAGIC.items() if head.startswith(magic)), None)


def kind_of_file(path: Path) -> str | None:
    """What a file is packed with, by its first bytes."""
    with path.open("rb") as file:
        return kind_of(file.read(4))


def look(path: Path) -> Findings:
    """What a file is packed with, as a glance at its structure."""
    kind = kind_of_file(path)
    if kind is None:
        return Findings([Check("structure", BAD, "this is neither a gzip nor a zstd file")])
    return Findings([Check("structure", OK, f"packed with {kind}")])


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack one gzip member in bounded pieces. Raises PackedError on damage, truncation and bytes behind the end."""
    decoder = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        if decoder.eof:
            raise PackedError("there are bytes behind the end of the gzip stream")
        data = chunk
        while True:
            try:
                piece = decoder.decompress(data, CHUNK)
            except zlib.error as error:
                raise PackedError(f"gzip: {error}") from error
            if piece:
                yield piece
            # Behind the end zlib goes on handing back what it will never take.
            data = decoder.unconsumed_tail
            if decoder.eof or (not data and len(piece) < CHUNK):
                break
        if decoder.unused_data:
            raise PackedError("there are bytes behind the end of the gzip stream")
    if not decoder.eof:
        raise PackedError("the gzip stream is cut short")


@contextlib.contextmanager
def packing(kind: str, write: Sink, timeout: float) -> Iterator[Sink]:
    """Give a function that takes plain bytes; what they pack to goes to ``write``, from a thread.

    When the block ends everything has been written. Raises what ``write`` raises, and ToolError.
    """
    failures: list[BaseException] = []

    def drain(stream: IO[bytes]) -> None:
        try:
            while chunk := stream.read(CHUNK):
                write(chunk)
        except BaseException as error:
            failures.append(error)
            # Whoever feeds must not wait for a reader that is gone.
            stream.close()

    with Place().running(PACK[kind], timeout=timeout) as tool:
        thread = threading.Thread(target=drain, args=(tool.stdout,), daemon=True)
        thread.start()

        def feed(data: bytes) -> None:
            try:
                tool.stdin.write(data)
            except BrokenPipeError:
                thread.join()
                if failures:
                    raise failures[0] from None
                raise ToolError(f"{kind} on this host gave up: {tool.errors().strip()}") from None

        yield feed
        with contextlib.suppress(BrokenPipeError):
            tool.stdin.close()
        thread.join()
        if failures:
            raise failures[0]


@contextlib.contextmanager
def unpacked(path: Path, timeout: float, ends: tuple[IO[bytes], IO[bytes]] | None = None) -> Iterator[IO[bytes]]:
    """The plain content of a packed file as a stream that another process can read. Raises ToolError at its end.

    ``ends`` are those of a pipe that is there already, to be read from and to be written to."""
    kind = kind_of_file(path)
    if kind is None:
        raise ToolError(f"{path} is packed with neither gzip nor zstd")
    place = Place()
    source, sink = ends or (None, None)
    with path.open("rb") as file, place.running(UNPACK[kind], source=file, sink=sink, timeout=timeout) as tool:
        stream = source or tool.stdout
        try:
            yield stream
        except ToolError as error:
            # Whoever reads what is cut short fails as well. The cause is told, where it is not the file.
            stream.close()
            own = place.failure(kind, tool.process.wait(), tool.errors())
            if own.inconclusive and not error.inconclusive:
                raise own from error
            raise


def unpack(path: Path, timeout: float) -> Iterator[bytes]:
    """The plain content of a packed file, piece by piece.

    Raises PackedError when the file is damaged, and ToolError when it cannot be told because zstd is not
    here, or was ended by somebody else.
    """
    kind = kind_of_file(path)
    if kind is None:
        raise PackedError("this is neither a gzip nor a zstd file")
    if kind == GZIP:
        with path.open("rb") as file:
            yield from gunzip(iter(lambda: file.read(CHUNK), b""))
        return
    try:
        with unpacked(path, timeout) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except ToolError as error:
        if error.inconclusive:
            raise
        raise PackedError(str(error)) from error
