# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases served on a server that is gone, as a backup of its state and the manifests of other backups tell it.
The data is theirs: another release may find a schema that it does not know."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.checks import SERVER_JOB
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states


def told_by(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the state of an app tells of what serves: ``{release, id, since, rolled_back}``."""
    serving = state.get("serving")
    if not serving:
        return None
    return {
        **{key: serving.get(key, "") for key in ("release", "id", "since")},
        "rolled_back": state.get("rolled_back"),
    }


def served(archive: IO[bytes], folder: Path = states.FOLDER) -> dict[str, dict[str, Any]]:
    """What served of each app, as ``told_by`` gives it, from a packed state. Raises BackupError."""
    found = {}
    try:
        with tarfile.open(fileobj=archive, mode="r|") as members:
            for member in members:
                path = Path("/") / member.name
                file = members.extractfile(member) if path.parent == folder and path.suffix == ".json" else None
                state = json.load(file) if file else {}
                if known := told_by(state):
                    found[path.stem] = known
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise BackupError(f"the backup of the server's state cannot be read: {error}") from error
    return found


def newest(pieces: Iterable[Mapping[str, Any]], state: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What served last of each app, of all that the backups tell which are brought back: ``state`` is what that of the
    server's state holds, others say it in their manifests (``served``), as far as they are not from before that.

    ``pieces`` are backups with ``job`` and ``manifest``. Adds which backup told it: ``job``, ``set`` and ``at``.
    """
    found: dict[str, dict[str, Any]] = {}
    for piece in pieces:
        item = piece["manifest"]
        own = {item["app"]: item["served"]} if item.get("served") else {}
        origin = {"job": piece["job"], "set": item["set"], "at": item["started"]}
        for app, known in (state if piece["job"] == SERVER_JOB else own).items():
            if app not in found or found[app]["at"] <= origin["at"]:
                found[app] = {**known, **origin}
    return found


def as_served(apps: Iterable[Mapping[str, Any]], served: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The apps of an inventory, each with the release that served where that is known."""
    return [
        {**app, "release": served[app["name"]]["release"]} if app.get("name") in served else dict(app) for app in apps
    ]


def told(apps: Iterable[Mapping[str, Any]], served: Mapping[str, Mapping[str, Any]], key: str) -> list[str]:
    """Which release of each app runs after a recovery, and why. ``apps`` are those of the inventory, ``served`` is from
    ``newest``, ``key`` is the set of the state's backup, empty where there was none or nobody asked."""
    lines = []
    for app in apps:
        known, wanted = served.get(app["name"]), app["release"]
        if not known:
            none = f"nothing of it served when set {key} of {SERVER_JOB} was made"
            why = none if key else "no backup tells which release served, or none was asked"
            lines.append(f"{app['name']} runs {wanted}, which the inventory names: {why}")
            continue
        origin = f"when set {known['set']} of {known['job']} was made"
        line = f"{app['name']} runs {known['release']}, which served {origin}"
        bad = known.get("rolled_back")
        if bad:
            line += f"; {bad['release']} was rolled back before, and stays left alone"
        if known["release"] != wanted and not (bad and bad["release"] == wanted):
            line += f". The inventory names {wanted}, and the next run of site.yml releases that"
        lines.append(line)
    return lines


def remember(app: str, known: Mapping[str, Any], folder: Path = states.FOLDER) -> bool:
    """Keep in mind what was rolled back before the recovery, so that runs leave it alone as they did. Returns whether
    that changed anything; where something else serves by now it does not. Raises ReleaseError."""
    state, bad = states.read(app, folder), known.get("rolled_back")
    serving = state["serving"]
    if (
        not bad
        or not serving
        or serving["release"] != known["release"]
        or state["rolled_back"]
        or bad["id"] == serving["id"]
    ):
        return False
    states.write({**state, "rolled_back": bad}, folder)
    return True
