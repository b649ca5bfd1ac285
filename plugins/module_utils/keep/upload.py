# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring what is on the server into its stores, each for itself: one that is down hinders no other.

A credential that may only create cannot look, so the server remembers what it has sent. What a store missed while it
was down is sent with the next run, as long as the copy on the server is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import folder
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import (
    CLOCKS,
    moment,
    names,
    whole_sets,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import OVERWRITE_REFUSED, BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.protection import Protection
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store, open_store

Manifest = Mapping[str, Any]
# What services answer to a name that is taken. The last is Azurite's word, and Azure's for more than this.
_TAKEN = ("PreconditionFailed", "BlobAlreadyExists", OVERWRITE_REFUSED, "AuthorizationPermissionMismatch")


@dataclasses.dataclass
class Outcome:
    """What came of one store. ``sent`` are names of files; ``error`` is empty when the store has all that is here."""

    store: str
    where: str = ""
    sent: list[str] = dataclasses.field(default_factory=list)
    verified: list[str] = dataclasses.field(default_factory=list)
    unverified: list[str] = dataclasses.field(default_factory=list)
    protection: Protection | None = None
    error: str = ""


def due(manifests: Sequence[Manifest], known: Mapping[str, Any]) -> list[tuple[Manifest, str]]:
    """The files that a store lacks, each with its manifest, in the order in which they are sent: the newest set first,
    and the manifests of a set last, for they say that all else is there. Of an incomplete set nothing is sent."""
    manifests = whole_sets(manifests)
    done = set(known.get("files", []))
    found: list[tuple[Manifest, str]] = []
    for key in sorted({item["set"] for item in manifests}, reverse=True):
        parts = [item for item in manifests if item["set"] == key]
        files = [(item, name) for item in parts for name in names(item)]
        found += sorted(files, key=lambda pair: pair[1].endswith(MANIFEST))
    return [(item, name) for item, name in found if name not in done]


def remember(known: Mapping[str, Any], manifests: Sequence[Manifest], now: float) -> dict[str, Any]:
    """What to keep in mind of a store: nothing of files that are gone from the server, but when the newest set in it
    was begun (``newest``, seconds). What a wrong clock has dated in the future is not the newest."""
    here = {name for item in manifests for name in names(item)}
    files, tried = ([name for name in known.get(key, []) if name in here] for key in ("files", "tried"))
    lacking = {item["set"] for item in manifests if not set(names(item)) <= set(files)}
    sets = sorted({item["set"] for item in whole_sets(manifests)} - lacking)
    moments = [moment(item["started"]) for item in manifests if item["set"] in sets]
    newest = max((one for one in [*moments, known.get("newest", 0)] if one <= now + CLOCKS), default=0)
    return {"files": files, "tried": tried, "sets": sets, **({"newest": newest} if newest else {})}


def bring(
    settings: Mapping[str, Any],
    job: Mapping[str, Any],
    directory: Path,
    manifests: Sequence[Manifest],
    known: Mapping[str, Any],
    save: Callable[[dict[str, Any]], None],
    now: float,
    opener: Callable[[Mapping[str, Any]], Store] = open_store,
) -> Outcome:
    """Send what one store lacks. ``save`` is called with what to remember of it, before and after each file.

    Raises nothing: what went wrong is in the outcome.
    """
    outcome = Outcome(store=settings["name"])
    state = remember(known, manifests, now)
    path = folder(job, settings.get("prefix") or "")
    try:
        with opener({**settings, "prefix": ""}) as store:
            outcome.where = store.where
            for item, name in due(manifests, state):
                _send(store, directory, path, name, item, state, outcome, save)
                state = remember(state, manifests, now)
                save(state)
            outcome.protection = store.may_remove()
    except (BlobError, ValueError, OSError) as error:
        outcome.error = str(error)
    save(remember(state, manifests, now))
    return outcome


def _send(
    store: Store,
    directory: Path,
    path: str,
    name: str,
    item: Manifest,
    state: dict[str, Any],
    outcome: Outcome,
    save: Callable[[dict[str, Any]], None],
) -> None:
    again = name in state["tried"]
    if not again:
        state["tried"].append(name)
        save(state)
    words = {"app": item["app"], "job": item["job"], "set": item["set"], "verdict": item["verification"]["verdict"]}
    try:
        known = item["sha256"] if name == item["file"] else None
        done = store.put(directory / name, path + name, words, sha256=known)
    except BlobError as error:
        # An earlier run sent it and never got the answer, or was killed before it could remember it.
        if not (again and error.code in _TAKEN):
            raise
        outcome.unverified.append(f"{name}: there already, which this credential cannot compare")
    else:
        outcome.sent.append(name)
        outcome.verified.append(f"{name}: {done.verified}")
    state["files"].append(name)
