# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases served on a server that is gone, as a backup of its state tells it. The data is theirs: another
release may find a schema that it does not know."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states


def served(archive: IO[bytes], folder: Path = states.FOLDER) -> dict[str, dict[str, Any]]:
    """What served of each app, ``{release, id, since, rolled_back}``, from a packed state. Raises BackupError."""
    found = {}
    try:
        with tarfile.open(fileobj=archive, mode="r|") as members:
            for member in members:
                path = Path("/") / member.name
                file = members.extractfile(member) if path.parent == folder and path.suffix == ".json" else None
                state = json.load(file) if file else {}
                if serving := state.get("serving"):
                    known = {key: serving.get(key, "") for key in ("release", "id", "since")}
                    found[path.stem] = {**known, "rolled_back": state.get("rolled_back")}
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise BackupError(f"the backup of the server's state cannot be read: {error}") from error
    return found


def as_served(apps: Iterable[Mapping[str, Any]], served: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The apps of an inventory, each with the release that served where that is known."""
    return [
        {**app, "release": served[app["name"]]["release"]} if app.get("name") in served else dict(app) for app in apps
    ]


def told(apps: Iterable[Mapping[str, Any]], served: Mapping[str, Mapping[str, Any]], key: str) -> list[str]:
    """Which release of each app runs after a recovery, and why. ``apps`` are those of the inventory, ``key`` is the
    set of the state's backup, empty where there was none or nobody asked."""
    origin = f"when set {key} of server-state was made"
    lines = []
    for app in apps:
        known, wanted = served.get(app["name"]), app["release"]
        if not known:
            why = f"nothing of it served {origin}" if key else "no backup of the server's state was asked"
            lines.append(f"{app['name']} runs {wanted}, which the inventory names: {why}")
            continue
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
