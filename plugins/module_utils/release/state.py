# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server remembers of an app's releases: ``/var/lib/mainstay/app_stack/<app>.json``.

A release is ``{"id", "release", "slot", "images": {service: pinned reference}, "since"}``, and where its secrets have
been rotated since, ``rotated``: the id that it has with those of today, empty where nobody knows. Every transition is a
pure function from one state to the next; only ``read`` and ``write`` touch the disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError

FOLDER = Path("/var/lib/mainstay/app_stack")
HISTORY = 30

State = dict[str, Any]
Release = dict[str, Any]


def empty(app: str) -> State:
    """Return the state of an app that has never run here."""
    return {
        "app": app,
        "serving": None,
        # Everything that has served and may serve again, the newest first; what serves is the first.
        "released": [],
        # A release that is under way, or was when a run was cut off: {step: "start" | "switch", release, rollback}.
        "candidate": None,
        "rolled_back": None,
        "refused": None,
        # The databases: {id, images}.
        "data": None,
        "history": [],
    }


def previous(state: State) -> Release | None:
    """Return the release to go back to."""
    return next((item for item in state["released"] if item["id"] != (state["serving"] or {}).get("id")), None)


def started(state: State, release: Release, rollback: bool) -> State:
    """A candidate is about to be started."""
    return {**state, "candidate": {"step": "start", "release": release, "rollback": rollback}}


def switching(state: State) -> State:
    """The candidate is fit to serve; from now on it may have the traffic."""
    return {**state, "candidate": {**state["candidate"], "step": "switch"}}


def served(state: State, now: str, keep: int) -> State:
    """The candidate serves. ``keep`` releases in all are kept; one that was rolled back is not among them."""
    candidate, before = state["candidate"], state["serving"]
    release = {**candidate["release"], "since": now}
    gone = {release["id"], before["id"]} if candidate["rollback"] else {release["id"]}
    kept = [release, *(item for item in state["released"] if item["id"] not in gone)]
    bad = (
        {"id": before.get("rotated") or before["id"], "release": before["release"], "at": now}
        if candidate["rollback"]
        else None
    )
    after = {
        **state,
        "serving": release,
        "released": kept[: max(keep, 1)],
        "candidate": None,
        "refused": None,
        "rolled_back": bad,
    }
    return _noted(after, now, "rolled back" if bad else "released", release)


def is_release(release: Release, identity: str) -> bool:
    """Whether a release is what the inventory means by ``identity``."""
    return bool(release.get("rotated", release["id"]) == identity)


def rotated(state: State, now: str, what: str, identity: str | None, data: str | None) -> State:
    """Secrets have other values. ``identity`` and ``data`` are the ids that what serves has with them, where known.

    ``what`` has changed, nothing where it is empty.
    """
    serving, after = state["serving"], dict(state)
    if data and state["data"]:
        after["data"] = {**state["data"], "id": data}
    if not serving or not (identity or what):
        return after
    others = {item["id"] for item in state["released"]} - {serving["id"]}
    after = aligned(after, others if what else set())
    if identity != serving.get("rotated", serving["id"]):
        after["serving"] = {**serving, "rotated": identity or ""}
        after["released"] = [after["serving"] if item["id"] == serving["id"] else item for item in after["released"]]
    return _noted(after, now, "rotated", serving, secrets=what) if what else after


def aligned(state: State, releases: Collection[str]) -> State:
    """Releases that are kept have other secrets than when they served: the inventory has no id for them."""
    released = [{**item, "rotated": ""} if item["id"] in releases else item for item in state["released"]]
    return {**state, "released": released}


def refused(state: State, now: str, reason: str) -> State:
    """The candidate was not fit to serve and is gone."""
    release = state["candidate"]["release"]
    mark = {"id": release["id"], "release": release["release"], "at": now, "reason": reason}
    return _noted({**state, "candidate": None, "refused": mark}, now, "refused", release, reason=reason)


def _noted(state: State, now: str, event: str, release: Release, **more: str) -> State:
    entry = {
        "at": now,
        "event": event,
        "release": release["release"],
        "id": release["id"],
        "slot": release["slot"],
        **more,
    }
    return {**state, "history": [entry, *state["history"]][:HISTORY]}


def read(app: str, folder: Path = FOLDER) -> State:
    """Return an app's state; an empty one where there is none."""
    path = folder / f"{app}.json"
    try:
        return {**empty(app), **json.loads(path.read_text(encoding="utf-8"))}
    except FileNotFoundError:
        return empty(app)
    except (ValueError, TypeError) as error:
        raise ReleaseError(
            f"{path} cannot be read ({error}). It says which release serves: restore it from a backup of the server, "
            f"or remove it and the containers of {app}, and run the play again"
        ) from error


def known(folder: Path = FOLDER) -> list[str]:
    """Return the apps that have a state here."""
    return sorted(path.stem for path in folder.glob("[a-z]*.json"))


def write(state: State, folder: Path = FOLDER) -> None:
    """Write a state so that a crash leaves either the old or the new one."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=f".{state['app']}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(state, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(folder / f"{state['app']}.json")
    except BaseException:
        Path(partial).unlink()
        raise
