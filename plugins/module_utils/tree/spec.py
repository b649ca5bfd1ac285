# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller of config_tree may say, checked all at once, and the form in which it travels to the server."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import posixpath
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

RECORDS = "/var/lib/mainstay/trees"

_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
_MODE = re.compile(r"[0-7]{3,4}")
_TREE = re.compile(r"[a-z0-9][a-z0-9._-]*")

_ARGUMENTS = ("name", "root", "files", "directories", "validate", "state")
_FILE = ("src", "content", "link", "dest", "owner", "group", "mode", "secret", "validate", "vars")
_DIRECTORY = ("dest", "owner", "group", "mode")


class TreeError(Exception):
    """Something that the user must put right; `errors` holds one complete sentence each."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


@dataclass(frozen=True)
class Entry:
    """One path of the tree as it shall be. `kind` is `file`, `link` or `directory`; `path` is absolute."""

    path: str
    kind: str
    owner: str | int = "root"
    group: str | int = "root"
    mode: int = 0o644
    content: str = ""
    target: str = ""
    secret: bool = False
    validate: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a file's content comes from: `entry.content`, or the template `src`, rendered with `variables` on top."""

    label: str
    entry: Entry
    src: str | None
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A checked call: `sources` are files, `entries` links and directories."""

    name: str
    root: str
    state: str
    validate: str | None
    sources: list[Source]
    entries: list[Entry]


def pack(entries: Sequence[Entry]) -> str:
    """Entries as the text that travels to the server, as an argument of the module."""
    return base64.b64encode(zlib.compress(_plain(entries), 1)).decode()


def unpack(text: str) -> list[Entry]:
    """The reverse of `pack`."""
    return [Entry(**fields) for fields in json.loads(zlib.decompress(base64.b64decode(text)))]


def digest(entries: Sequence[Entry]) -> str:
    """SHA-256 in hex over all that the entries say: equal when, and only when, a call asks for the same tree."""
    return hashlib.sha256(_plain(entries)).hexdigest()


def _plain(entries: Sequence[Entry]) -> bytes:
    return json.dumps([asdict(entry) for entry in entries]).encode()


def check(arguments: Mapping[str, Any]) -> Request:
    """Check a task's arguments; raises `TreeError` with every mistake, each with its path in the arguments."""
    errors: list[str] = []
    _unknown(arguments, _ARGUMENTS, "", errors)
    name = arguments.get("name")
    if not isinstance(name, str) or not _TREE.fullmatch(name):
        errors.append(
            f"name: {name!r} is not a name for a tree (lower-case letters, digits, '.', '_', '-'; try 'nginx')"
        )
    root = arguments.get("root", "/")
    if not isinstance(root, str) or not root.startswith("/"):
        errors.append(f"root: {root!r} is not an absolute path (such as '/etc/nginx')")
        root = "/"
    root = posixpath.normpath(root).replace("//", "/")
    state = arguments.get("state", "present")
    if state not in ("present", "absent"):
        errors.append(f"state: {state!r} is neither 'present' nor 'absent'")
    validate = _validate(arguments.get("validate"), "validate", errors)
    if validate and root == "/":
        errors.append("validate: needs a root below '/', because a copy of the whole root is what gets validated")

    sources = [
        _source(item, f"files[{at}]", root, errors) for at, item in enumerate(_items(arguments, "files", errors))
    ]
    directories = [
        _directory(item, f"directories[{at}]", root, errors)
        for at, item in enumerate(_items(arguments, "directories", errors))
    ]
    labelled = [(source.label, source.entry) for source in sources] + directories
    _clashes(labelled, errors)
    if errors:
        raise TreeError(errors)
    return Request(
        name=str(name),
        root=root,
        state=state,
        validate=validate,
        sources=[source for source in sources if source.entry.kind == "file"],
        entries=[source.entry for source in sources if source.entry.kind != "file"]
        + [entry for _label, entry in directories],
    )


def _items(arguments: Mapping[str, Any], key: str, errors: list[str]) -> list[Mapping[str, Any]]:
    value = arguments.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        errors.append(f"{key}: expected a list, found {_what(value)}")
        return []
    for at, item in enumerate(value):
        if not isinstance(item, Mapping):
            errors.append(f"{key}[{at}]: expected a mapping with a 'dest', found {_what(item)}")
    return [item for item in value if isinstance(item, Mapping)]


def _what(value: Any) -> str:
    """Name of a value's type as YAML calls it; Ansible's own subclasses have names that help nobody."""
    for kind, name in (
        (bool, "true or false"),
        (str, "text"),
        (Mapping, "a mapping"),
        (list, "a list"),
        (int, "a number"),
    ):
        if isinstance(value, kind):
            return name
    return "nothing" if value is None else type(value).__name__


def _unknown(given: Mapping[str, Any], known: Sequence[str], where: str, errors: list[str]) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
            errors.append(f"{where}{key}: unknown; {hint}")


def _source(item: Mapping[str, Any], where: str, root: str, errors: list[str]) -> Source:
    label = f"{where} {item['dest']!r}" if item.get("dest") else where
    _unknown(item, _FILE, f"{label}: ", errors)
    ways = [way for way in ("src", "content", "link") if item.get(way) is not None]
    if len(ways) != 1:
        errors.append(f"{label}: needs exactly one of src, content and link, found {' and '.join(ways) or 'none'}")
    for way in ways:
        if not isinstance(item[way], str):
            errors.append(
                f"{label}: {way}: expected text, found {_what(item[way])}"
                + (" (render it first, such as with to_nice_json)" if way == "content" else "")
            )
    variables = item.get("vars") or {}
    if not isinstance(variables, Mapping):
        errors.append(f"{label}: vars: expected a mapping, found {_what(variables)}")
        variables = {}
    secret = item.get("secret", False)
    if not isinstance(secret, bool):
        errors.append(f"{label}: secret: {secret!r} is neither true nor false")
    entry = Entry(
        path=_path(item.get("dest"), label, root, errors),
        kind="link" if item.get("link") is not None else "file",
        owner=_account(item, "owner", label, errors),
        group=_account(item, "group", label, errors),
        mode=_mode(item, 0o644, label, errors),
        content=str(item.get("content") or ""),
        target=str(item.get("link") or ""),
        secret=bool(secret),
        validate=_validate(item.get("validate"), f"{label}: validate", errors),
    )
    src = item.get("src")
    return Source(label=label, entry=entry, src=None if src is None else str(src), variables=variables)


def _directory(item: Mapping[str, Any], where: str, root: str, errors: list[str]) -> tuple[str, Entry]:
    label = f"{where} {item['dest']!r}" if item.get("dest") else where
    _unknown(item, _DIRECTORY, f"{label}: ", errors)
    return label, Entry(
        path=_path(item.get("dest"), label, root, errors),
        kind="directory",
        owner=_account(item, "owner", label, errors),
        group=_account(item, "group", label, errors),
        mode=_mode(item, 0o755, label, errors),
    )


def _path(dest: Any, label: str, root: str, errors: list[str]) -> str:
    if not isinstance(dest, str) or not dest:
        errors.append(f"{label}: dest: expected a path below {root}, found {dest!r}")
        return ""
    path = posixpath.normpath(posixpath.join(root, dest))
    if not dest.startswith("/") and not path.startswith(root.rstrip("/") + "/"):
        errors.append(f"{label}: dest: leads to {path}, outside of root {root}")
    return path


def _account(item: Mapping[str, Any], key: str, label: str, errors: list[str]) -> str | int:
    value = item.get(key, "root")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return int(value)
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        errors.append(f"{label}: {key}: {value!r} is neither a name nor a number")
        return "root"
    return str(value)


def _mode(item: Mapping[str, Any], default: int, label: str, errors: list[str]) -> int:
    value = item.get("mode")
    if value is None:
        return default
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        hint = "quote it" if isinstance(value, int) else "octal digits"
        errors.append(f"{label}: mode: {value!r} is not a mode ({hint}, such as '{default:04o}')")
        return default
    return int(value, 8)


def _validate(value: Any, label: str, errors: list[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or "%s" not in value:
        errors.append(f"{label}: {value!r} is not a command with '%s' for the path to validate")
        return None
    return str(value)


def _clashes(labelled: Sequence[tuple[str, Entry]], errors: list[str]) -> None:
    seen: dict[str, str] = {}
    for label, entry in labelled:
        if entry.path in seen:
            errors.append(f"{label}: the same path as {seen[entry.path]}")
        seen.setdefault(entry.path, label)
    solid = {entry.path: label for label, entry in labelled if entry.kind != "directory"}
    for label, entry in labelled:
        parent = posixpath.dirname(entry.path)
        while parent not in ("/", ""):
            if parent in solid:
                errors.append(f"{label}: lies below {solid[parent]}, which is not a directory")
            parent = posixpath.dirname(parent)
