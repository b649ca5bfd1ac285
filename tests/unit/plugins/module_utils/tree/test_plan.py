# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.tree.plan import Found, plan
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry

ACCOUNTS = {"root": 0, "www-data": 33}


def account(name: str | int) -> int | None:
    return name if isinstance(name, int) else ACCOUNTS.get(name)


def written(content: str, secret: bool = False) -> dict[str, Any]:
    return {"kind": "file", "sha256": hashlib.sha256(content.encode()).hexdigest(), "secret": secret}


ROOT = {"/r": Found("directory", mode=0o755)}
FILE = Entry("/r/x", "file", content="new")
SAME = Found("file", b"new", mode=0o644)
CASES: dict[str, tuple[list[Entry], dict[str, Found], dict[str, Any], list[tuple[str, str]]]] = {
    "new file": ([FILE], ROOT, {}, [("write", "/r/x")]),
    "unchanged": ([FILE], {**ROOT, "/r/x": SAME}, {}, []),
    "other content": ([FILE], {**ROOT, "/r/x": Found("file", b"old", mode=0o644)}, {}, [("write", "/r/x")]),
    "other mode": ([FILE], {**ROOT, "/r/x": Found("file", b"new", mode=0o600)}, {}, [("attributes", "/r/x")]),
    "other owner": ([FILE], {**ROOT, "/r/x": Found("file", b"new", uid=1, mode=0o644)}, {}, [("attributes", "/r/x")]),
    "a link becomes a file": ([FILE], {**ROOT, "/r/x": Found("link", target="y")}, {}, [("write", "/r/x")]),
    "a file becomes a link": ([Entry("/r/x", "link", target="y")], {**ROOT, "/r/x": SAME}, {}, [("write", "/r/x")]),
    "same link": ([Entry("/r/x", "link", target="y")], {**ROOT, "/r/x": Found("link", target="y", mode=0o777)}, {}, []),
    "other link": (
        [Entry("/r/x", "link", target="y")],
        {**ROOT, "/r/x": Found("link", target="z")},
        {},
        [("write", "/r/x")],
    ),
    "missing parents come first": (
        [Entry("/r/a/b/x", "file"), Entry("/r/a", "directory", mode=0o700)],
        ROOT,
        {},
        [("write", "/r/a"), ("write", "/r/a/b"), ("write", "/r/a/b/x")],
    ),
    "directory's mode": (
        [Entry("/r/d", "directory", mode=0o700)],
        {**ROOT, "/r/d": Found("directory")},
        {},
        [("attributes", "/r/d")],
    ),
    "stale": (
        [FILE],
        {**ROOT, "/r/x": SAME, "/r/y": Found("file", b"old")},
        {"/r/y": written("old")},
        [("remove", "/r/y")],
    ),
    "stale and gone": ([FILE], {**ROOT, "/r/x": SAME}, {"/r/y": written("old")}, []),
    "stale but edited": ([FILE], {**ROOT, "/r/x": SAME, "/r/y": Found("file", b"edit")}, {"/r/y": written("old")}, []),
    "stale link": (
        [],
        {"/r/y": Found("link", target="a")},
        {"/r/y": {"kind": "link", "target": "a"}},
        [("remove", "/r/y")],
    ),
    "stale link to elsewhere": ([], {"/r/y": Found("link", target="b")}, {"/r/y": {"kind": "link", "target": "a"}}, []),
    "stale directory with what goes": (
        [],
        {"/r/d": Found("directory", names=("y",)), "/r/d/y": Found("file", b"old")},
        {"/r/d": {"kind": "directory"}, "/r/d/y": written("old")},
        [("remove", "/r/d/y"), ("remove", "/r/d")],
    ),
    "stale directory with somebody else's": (
        [],
        {"/r/d": Found("directory", names=("z",))},
        {"/r/d": {"kind": "directory"}},
        [],
    ),
    "parent of ours stays": (
        [Entry("/r/d/x", "file", content="new")],
        {**ROOT, "/r/d": Found("directory", names=("x",)), "/r/d/x": SAME},
        {"/r/d": {"kind": "directory"}},
        [],
    ),
    "nobody else's file": ([FILE], {**ROOT, "/r/x": SAME, "/r/z": Found("file", b"theirs")}, {}, []),
}


@pytest.mark.parametrize(("entries", "there", "record", "steps"), CASES.values(), ids=CASES)
def test_plan(
    entries: list[Entry], there: dict[str, Found], record: dict[str, Any], steps: list[tuple[str, str]]
) -> None:
    made = plan(entries, lambda path: there.get(path, Found()), record, account, account)
    assert [(step.action, step.path) for step in made.steps] == steps
    assert not made.obstacles


OBSTACLES = {
    "directory for a file": (FILE, Found("directory"), "/r/x: is a directory where a file belongs; move it away"),
    "socket for a file": (FILE, Found("other"), "/r/x: is something else where a file belongs; move it away"),
    "directory for a link": (
        Entry("/r/x", "link", target="y"),
        Found("directory"),
        "/r/x: is a directory where a link belongs; move it away",
    ),
    "file for a directory": (
        Entry("/r/x", "directory"),
        Found("file"),
        "/r/x: is a file where a directory belongs; move it away",
    ),
}


@pytest.mark.parametrize(("entry", "found", "message"), OBSTACLES.values(), ids=OBSTACLES)
def test_obstacles(entry: Entry, found: Found, message: str) -> None:
    there = {**ROOT, "/r/x": found}
    made = plan([entry], lambda path: there.get(path, Found()), {}, account, account)
    assert made.obstacles == [message]


def test_unknown_accounts_are_told_and_still_a_change() -> None:
    made = plan([Entry("/x", "file", owner="postgres", group="nogroup")], lambda _path: Found(), {}, account, account)
    assert made.changed_files == ["/x"]
    assert made.unknown_accounts == [
        "/x: user 'postgres' does not exist on this server; create it first",
        "/x: group 'nogroup' does not exist on this server; create it first",
    ]


RECORDS = {
    "edited stale file stays known": (
        [],
        {"/r/y": Found("file", b"edit")},
        {"/r/y": written("old")},
        {"/r/y"},
        ["/r/y"],
    ),
    "gone stale file is forgotten": ([], {}, {"/r/y": written("old")}, set(), []),
    "directory of others is not ours": (
        [Entry("/r/d", "directory", mode=0)],
        {**ROOT, "/r/d": Found("directory")},
        {},
        set(),
        [],
    ),
    "missing directory becomes ours": ([Entry("/r/d", "directory")], ROOT, {}, {"/r/d"}, []),
}


@pytest.mark.parametrize(("entries", "there", "record", "known", "kept"), RECORDS.values(), ids=RECORDS)
def test_record(
    entries: list[Entry], there: dict[str, Found], record: dict[str, Any], known: set[str], kept: list[str]
) -> None:
    made = plan(entries, lambda path: there.get(path, Found()), record, account, account)
    assert set(made.record) == known
    assert made.kept == kept


def test_a_file_that_was_secret_stays_hidden_when_it_goes() -> None:
    made = plan([], {"/y": Found("file", b"pw")}.__getitem__, {"/y": written("pw", secret=True)}, account, account)
    assert [step.secret for step in made.steps] == [True]
