# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app is at the moment of a backup: its rendered projects without their secrets, and its database's image."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError

# Everything else in these folders is, or may hold, a secret.
OPEN = (
    "compose.yml",
    "slot-blue.yml",
    "slot-green.yml",
    "images.yml",
    "release.json",
    "units/*/*.service",
    "once/*/*.service",
    "once/*.service",
    "variables/*.env",
    "source/build.sh",
)


@dataclasses.dataclass(frozen=True)
class Configuration:
    """``files`` of the app by name; ``image`` of the database with its digest, empty where nobody knows; ``served``,
    the release that serves, as recall.told_by gives it."""

    files: dict[str, str]
    image: str
    served: dict[str, Any] | None = None


def configuration(
    app: str,
    container: str | None,
    image: str | None,
    srv: Path = Path("/srv"),
    state: Path = states.FOLDER,
    docker: Docker | None = None,
) -> Configuration:
    """Read it from the server. What is not there or cannot be read is left out: it must not hinder a backup."""
    found = {}
    folders = {"data": srv / app / "data"}
    try:
        served = recall.told_by(states.read(app, state))
    except ReleaseError:
        served = None
    if served:
        folders["release"] = srv / app / "releases" / served["id"]
    for part, folder in folders.items():
        for path in sorted(path for pattern in OPEN for path in folder.glob(pattern)):
            found[f"{part}/{path.relative_to(folder)}"] = path.read_text(encoding="utf-8")
    return Configuration(found, _image(container, image, docker or Docker()), served)


def _image(container: str | None, image: str | None, docker: Docker) -> str:
    """The image, pinned."""
    try:
        if container:
            image = docker.must("inspect", "--format", "{{.Config.Image}}", container).strip()
        return docker.pinned(image) if image else ""
    except ReleaseError:
        return image or ""
