# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a tree as it shall be with what is there and with what an earlier call wrote. Pure: looking is handed in."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry


@dataclass(frozen=True)
class Found:
    """What is at a path: `kind` is `missing`, `file`, `link`, `directory` (with `names` in it) or `other`."""

    kind: str = "missing"
    content: bytes = b""
    target: str = ""
    names: tuple[str, ...] = ()
    uid: int = 0
    gid: int = 0
    mode: int = 0


@dataclass(frozen=True)
class Step:
    """One change: `action` is `write` (new or other content), `attributes` (owner and mode only) or `remove`."""

    action: str
    path: str
    before: Found
    entry: Entry | None = None
    uid: int | None = None
    gid: int | None = None
    secret: bool = False


@dataclass
class Plan:
    """`steps` in the order to take them; `record` to keep afterwards; `kept` are stale but somebody changed them."""

    steps: list[Step] = field(default_factory=list)
    record: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    unknown_accounts: list[str] = field(default_factory=list)

    @property
    def changed_files(self) -> list[str]:
        """Paths that are written or get another owner or mode."""
        return sorted(step.path for step in self.steps if step.action != "remove")

    @property
    def removed_files(self) -> list[str]:
        """Paths that are removed."""
        return sorted(step.path for step in self.steps if step.action == "remove")


def plan(
    entries: Sequence[Entry],
    look: Callable[[str], Found],
    record: Mapping[str, Mapping[str, Any]],
    uid_of: Callable[[str | int], int | None],
    gid_of: Callable[[str | int], int | None],
) -> Plan:
    """Plan how `entries` come true.

    `record` maps a path to what an earlier call wrote there: `{kind, sha256 | target, secret}`. `uid_of` and `gid_of`
    answer None for an account that does not exist.
    """
    result = Plan()
    for entry in _with_parents(entries, look):
        _settle(entry, look(entry.path), record, uid_of, gid_of, result)
    for path in _parents(entries) & set(record):
        result.record[path] = dict(record[path])
    going: set[str] = set()
    for path in sorted(set(record) - set(result.record), key=_depth, reverse=True):
        _retire(path, record[path], look, going, result)
    result.record = {path: result.record[path] for path in sorted(result.record)}
    return result


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _with_parents(entries: Sequence[Entry], look: Callable[[str], Found]) -> list[Entry]:
    """The entries, parents first, with the directories that they need and that are missing."""
    wanted = {entry.path: entry for entry in entries}
    for parent in _parents(entries):
        if parent not in wanted and look(parent).kind == "missing":
            wanted[parent] = Entry(path=parent, kind="directory", mode=0o755)
    directories = sorted(
        (entry for entry in wanted.values() if entry.kind == "directory"), key=lambda entry: _depth(entry.path)
    )
    return directories + [entry for entry in wanted.values() if entry.kind != "directory"]


def _parents(entries: Sequence[Entry]) -> set[str]:
    parents: set[str] = set()
    for entry in entries:
        parent = posixpath.dirname(entry.path)
        while parent != "/" and parent not in parents:
            parents.add(parent)
            parent = posixpath.dirname(parent)
    return parents


def _obstacle(entry: Entry, found: Found) -> str:
    there = "something else" if found.kind == "other" else f"a {found.kind}"
    return f"{entry.path}: is {there} where a {entry.kind} belongs; move it away"


def _settle(
    entry: Entry,
    found: Found,
    record: Mapping[str, Mapping[str, Any]],
    uid_of: Callable[[str | int], int | None],
    gid_of: Callable[[str | int], int | None],
    result: Plan,
) -> None:
    secret = entry.secret or bool(record.get(entry.path, {}).get("secret"))
    if entry.kind == "link":
        result.record[entry.path] = {"kind": "link", "target": entry.target}
        if found.kind in ("directory", "other"):
            result.obstacles.append(_obstacle(entry, found))
        elif (found.kind, found.target) != ("link", entry.target):
            result.steps.append(Step("write", entry.path, found, entry, 0, 0, secret))
        return

    uid, gid = uid_of(entry.owner), gid_of(entry.group)
    for what, name, number in (("user", entry.owner, uid), ("group", entry.group, gid)):
        if number is None:
            result.unknown_accounts.append(
                f"{entry.path}: {what} {name!r} does not exist on this server; create it first"
            )
    same_owner = (found.uid, found.gid, found.mode) == (uid, gid, entry.mode)
    step = Step("attributes", entry.path, found, entry, uid, gid, secret)

    if entry.kind == "directory":
        if entry.path in record or found.kind == "missing":
            result.record[entry.path] = {"kind": "directory"}
        if found.kind == "missing":
            result.steps.append(Step("write", entry.path, found, entry, uid, gid))
        elif found.kind != "directory":
            result.obstacles.append(_obstacle(entry, found))
        elif not same_owner:
            result.steps.append(step)
        return

    content = entry.content.encode()
    result.record[entry.path] = {"kind": "file", "sha256": hashlib.sha256(content).hexdigest(), "secret": entry.secret}
    if found.kind in ("directory", "other"):
        result.obstacles.append(_obstacle(entry, found))
    elif found.kind != "file" or found.content != content:
        result.steps.append(Step("write", entry.path, found, entry, uid, gid, secret))
    elif not same_owner:
        result.steps.append(step)


def _retire(path: str, written: Mapping[str, Any], look: Callable[[str], Found], going: set[str], result: Plan) -> None:
    """Remove what an earlier call wrote and this one does not name, unless somebody has changed it since."""
    found = look(path)
    ours = {
        "file": lambda: hashlib.sha256(found.content).hexdigest() == written.get("sha256"),
        "link": lambda: found.target == written.get("target"),
        # a directory's content is its names: it goes when nothing of somebody else's is left in it
        "directory": lambda: all(posixpath.join(path, name) in going for name in found.names),
    }
    if found.kind == "missing":
        return
    if found.kind == written["kind"] and ours[found.kind]():
        going.add(path)
        result.steps.append(Step("remove", path, found, secret=bool(written.get("secret"))))
        return
    result.record[path] = dict(written)
    if written["kind"] != "directory":
        result.kept.append(path)
