# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry, TreeError, check, pack, unpack


def call(**arguments: Any) -> dict[str, Any]:
    return {"name": "t", "root": "/r", **arguments}


def one(**file: Any) -> dict[str, Any]:
    return call(files=[{"dest": "x", "content": "c", **file}])


WRONG = {
    "misspelt argument": (call(fles=[]), "fles: unknown; did you mean 'files'?"),
    "no name": (
        {"root": "/r"},
        "name: None is not a name for a tree (lower-case letters, digits, '.', '_', '-'; try 'nginx')",
    ),
    "relative root": (call(root="etc"), "root: 'etc' is not an absolute path (such as '/etc/nginx')"),
    "unknown state": (call(state="gone"), "state: 'gone' is neither 'present' nor 'absent'"),
    "validate without a place": (
        call(validate="nginx -t"),
        "validate: 'nginx -t' is not a command with '%s' for the path to validate",
    ),
    "validate of everything": (
        call(root="/", validate="x %s"),
        "validate: needs a root below '/', because a copy of the whole root is what gets validated",
    ),
    "files no list": (call(files="x"), "files: expected a list, found text"),
    "file no mapping": (call(files=["x"]), "files[0]: expected a mapping with a 'dest', found text"),
    "no dest": (call(files=[{"content": "x"}]), "files[0]: dest: expected a path below /r, found None"),
    "no content": (call(files=[{"dest": "x"}]), "files[0] 'x': needs exactly one of src, content and link, found none"),
    "two contents": (one(link="y"), "files[0] 'x': needs exactly one of src, content and link, found content and link"),
    "content a mapping": (
        one(content={"a": 1}),
        "files[0] 'x': content: expected text, found a mapping (render it first, such as with to_nice_json)",
    ),
    "mode a number": (one(mode=0o644), "files[0] 'x': mode: 420 is not a mode (quote it, such as '0644')"),
    "mode words": (one(mode="u=rw"), "files[0] 'x': mode: 'u=rw' is not a mode (octal digits, such as '0644')"),
    "owner negative": (one(owner=-1), "files[0] 'x': owner: -1 is neither a name nor a number"),
    "owner with a space": (one(group="www data"), "files[0] 'x': group: 'www data' is neither a name nor a number"),
    "secret no boolean": (one(secret="yes"), "files[0] 'x': secret: 'yes' is neither true nor false"),
    "vars no mapping": (one(vars=[1]), "files[0] 'x': vars: expected a mapping, found a list"),
    "file validate": (
        one(validate="true"),
        "files[0] 'x': validate: 'true' is not a command with '%s' for the path to validate",
    ),
    "outside": (one(dest="../y"), "files[0] '../y': dest: leads to /y, outside of root /r"),
    "unknown in a directory": (
        call(directories=[{"dest": "d", "secret": True}]),
        "directories[0] 'd': secret: unknown; known are dest, owner, group, mode",
    ),
    "twice": (
        call(files=[{"dest": "x", "content": ""}], directories=[{"dest": "/r/x"}]),
        "directories[0] '/r/x': the same path as files[0] 'x'",
    ),
    "below a file": (
        call(files=[{"dest": "x", "content": ""}, {"dest": "x/y", "content": ""}]),
        "files[1] 'x/y': lies below files[0] 'x', which is not a directory",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_wrong(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TreeError) as caught:
        check(arguments)
    assert caught.value.errors == [message]


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(TreeError) as caught:
        check({"name": "T", "root": "r", "files": [{"dest": "x"}, {"dest": "y", "content": "", "mode": 7}]})
    assert len(caught.value.errors) == 4


RIGHT = {
    "defaults": (one(), Entry("/r/x", "file", "root", "root", 0o644, "c")),
    "absolute": (one(dest="/r/sub//x"), Entry("/r/sub/x", "file", content="c")),
    "absolute and elsewhere": (one(dest="/etc/x"), Entry("/etc/x", "file", content="c")),
    "empty content": (one(content=""), Entry("/r/x", "file")),
    "numbers": (one(owner=999, group="33", mode="640"), Entry("/r/x", "file", 999, 33, 0o640, "c")),
    "secret": (one(secret=True, validate="v %s"), Entry("/r/x", "file", content="c", secret=True, validate="v %s")),
    "below /": (call(root="/", files=[{"dest": "etc/x", "content": "c"}]), Entry("/etc/x", "file", content="c")),
    "link": (call(files=[{"dest": "x", "link": "../y"}]), Entry("/r/x", "link", target="../y")),
    "directory": (call(directories=[{"dest": "d", "mode": "0700"}]), Entry("/r/d", "directory", mode=0o700)),
}


@pytest.mark.parametrize(("arguments", "entry"), RIGHT.values(), ids=RIGHT)
def test_right(arguments: dict[str, Any], entry: Entry) -> None:
    request = check(arguments)
    assert [source.entry for source in request.sources] + request.entries == [entry]


def test_entries_survive_the_transfer() -> None:
    entries = [Entry("/r/ä", "file", 999, "www-data", 0o600, "ü\n", secret=True), Entry("/r/l", "link", target="/x")]
    assert unpack(pack(entries)) == entries
