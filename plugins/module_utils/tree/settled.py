# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call has settled, so that a later look can prove it without knowing what was asked for.

The proof is an entry's digest beside what must be found at each of its paths:
``{"digest": hex, "paths": [{"path", "kind", "target" | "sha256", "owner", "group", "mode"}]}``. No content is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.tree.plan import Found
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry, digest


def proof(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what is kept of a call that has come true."""
    return {"digest": digest(entries), "paths": [_expected(entry) for entry in entries]}


def _expected(entry: Entry) -> dict[str, Any]:
    expected: dict[str, Any] = {"path": entry.path, "kind": entry.kind}
    if entry.kind == "link":
        return expected | {"target": entry.target}
    expected |= {"owner": entry.owner, "group": entry.group, "mode": entry.mode}
    if entry.kind == "file":
        expected["sha256"] = hashlib.sha256(entry.content.encode()).hexdigest()
    return expected


def holds(
    settled: Mapping[str, Any],
    look: Callable[[str], Found],
    uid_of: Callable[[str | int], int | None],
    gid_of: Callable[[str | int], int | None],
) -> bool:
    """Whether everything that was settled is still so: contents, targets, owners and modes."""
    return all(_holds(expected, look(expected["path"]), uid_of, gid_of) for expected in settled["paths"])


def _holds(
    expected: Mapping[str, Any],
    found: Found,
    uid_of: Callable[[str | int], int | None],
    gid_of: Callable[[str | int], int | None],
) -> bool:
    if found.kind != expected["kind"]:
        return False
    if found.kind == "link":
        return bool(found.target == expected["target"])
    if found.kind == "file" and hashlib.sha256(found.content).hexdigest() != expected["sha256"]:
        return False
    owner = uid_of(expected["owner"]), gid_of(expected["group"])
    return (found.uid, found.gid, found.mode) == (*owner, expected["mode"])
