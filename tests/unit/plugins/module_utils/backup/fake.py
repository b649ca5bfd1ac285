# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database in memory, whose dumps are JSON: everything around the engines can be tried with it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    Check,
    Findings,
)


@dataclasses.dataclass
class Server:
    """The state behind an engine, and what goes wrong with it. ``during_dump`` runs between two pieces of a dump."""

    data: dict[str, int] = dataclasses.field(default_factory=lambda: {"t.a": 3, "t.b": 2})
    size: int | None = 1000
    same_snapshot: bool = True
    before: dict[str, int] | None = None
    after: dict[str, int] | None = None
    during_dump: Callable[[], None] = lambda: None
    during_examine: Callable[[], None] = lambda: None
    checksum: bool = True
    rots: bool = False
    refuses_restore: bool = False
    loses_on_restore: bool = False
    unreadable: bool = False
    dumps: int = 0
    version: str = "1"


class FakeEngine:
    name = "postgresql"
    suffix = ".dump"
    compression = ""
    whole_server = False

    def __init__(self, target: Target, server: Server | None = None) -> None:
        self.target = target
        self.server = server or Server()

    def estimate(self) -> int | None:
        return self.server.size

    def version(self) -> str:
        return self.server.version

    def dump(self, write: Sink) -> Source:
        self.server.dumps += 1
        if self.server.unreadable:
            raise ToolError("invalid page in block 7")
        text = json.dumps(self.server.data).encode()
        write(text[:5])
        self.server.during_dump()
        write(text[5:])
        if self.server.rots:
            write(b"garbage")
        return Source(
            server_version=self.server.version,
            tool_version="dumper 1",
            counts=self.server.before if self.server.before is not None else dict(self.server.data),
            same_snapshot=self.server.same_snapshot,
            note="",
            counts_after=self.server.after,
        )

    def counts(self) -> dict[str, int]:
        if self.server.unreadable:
            raise ToolError("invalid page in block 7")
        return dict(self.server.data)

    def look(self, path: Path) -> Findings:
        good = path.read_bytes().startswith(b"{")
        return Findings([Check("structure", OK if good else BAD, "starts like one" if good else "no dump")])

    def examine(self, path: Path) -> Findings:
        self.server.during_examine()
        try:
            counts = json.loads(path.read_bytes())
        except ValueError as error:
            return Findings([Check("decode", BAD, str(error))])
        checks = [Check("decode", OK, "decoded")]
        if not self.server.checksum:
            checks.append(Check("checksum", NOT_VERIFIED, "the file has no checksum"))
        return Findings(checks, counts=counts, content="digest", tool="dumper 1")

    def restore(self, path: Path) -> None:
        if self.server.refuses_restore:
            raise ToolError("the tool failed")
        self.server.data |= json.loads(path.read_bytes())
        self.server.unreadable = False
        if self.server.loses_on_restore:
            self.server.data.popitem()


def connector(server: Server) -> Callable[[str], FakeEngine]:
    return lambda database: FakeEngine(Target(Place(), database=database), server)
