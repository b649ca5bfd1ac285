# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all engines have in common: the target they work on, and the interface that create, verify and restore use."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import CHUNK, Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import Findings

Sink = Callable[[bytes], None]


@dataclasses.dataclass(frozen=True)
class Target:
    """What to back up or to check: where its tools run, and how they reach the server from there.

    Without ``host`` and ``socket`` tools use the socket or loopback address that is the engine's default. ``database``
    is empty where the whole server is meant, ``paths`` are what the engine ``files`` packs. ``tls`` asks for an
    encrypted connection to a server that proves its name, by an authority in the file ``ca`` or one that is trusted
    where the tools are. ``compression`` is ``zstd``, ``gzip`` or empty for what suits. ``timeout`` in seconds bounds
    every tool that reads or writes all data.
    """

    place: Place
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    database: str = ""
    host: str = ""
    port: int = 0
    socket: str = ""
    tls: bool = False
    ca: str = ""
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    compression: str = ""
    timeout: float = 4 * 3600


@dataclasses.dataclass
class Source:
    """What is known of the server and of its data from the dump itself.

    ``counts`` as the server reported them; ``same_snapshot`` whether they are of the very data that was dumped, all of
    it of one moment; ``as_read`` whether they are of the very data, piece after piece. Where they are neither,
    ``counts_after`` is a second look, and ``volatile`` how many of each may come and go by themselves. ``note`` says it
    in words for the manifest. ``uncounted`` are those that could not be counted because somebody replaced them while
    they were dumped.
    """

    server_version: str
    tool_version: str
    counts: dict[str, int] | None
    same_snapshot: bool
    note: str
    as_read: bool = False
    counts_after: dict[str, int] | None = None
    volatile: dict[str, int] | None = None
    uncounted: tuple[str, ...] = ()


class Engine(Protocol):
    """One kind of database."""

    name: str
    whole_server: bool

    def __init__(self, target: Target) -> None: ...

    @property
    def suffix(self) -> str:
        """How names of its files end."""

    @property
    def compression(self) -> str:
        """What its dumps are packed with; empty where they are not, or the engine decides it."""

    def estimate(self) -> int | None:
        """About how many bytes a dump will take at most, where the server can say."""

    def version(self) -> str:
        """What the server says that it is: ``17.6 (Debian 17.6-1)``; empty where there is none. Raises ToolError."""

    def dump(self, write: Sink) -> Source:
        """Hand a consistent dump to ``write``, piece by piece. Raises ToolError."""

    def counts(self) -> dict[str, int]:
        """What is in the live database now. Raises ToolError."""

    def look(self, path: Path) -> Findings:
        """A glance at the structure: no tool, no reading of the whole."""

    def examine(self, path: Path) -> Findings:
        """Decode every byte and check every checksum that the format has."""

    def restore(self, path: Path) -> list[str] | None:
        """Put the dump in place of what is there. Raises ToolError; says whether anything was changed.

        Returns what the operator should know of it, if there is anything."""


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """All of a stream, in pieces."""
    while chunk := stream.read(CHUNK):
        yield chunk


def pump(stream: IO[bytes], write: Sink) -> None:
    """Hand all of a stream on."""
    for chunk in chunks(stream):
        write(chunk)
