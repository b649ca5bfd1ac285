# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states and upstream files of nginx on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATES = Path("/var/lib/mainstay/nginx")
CLOSED = ".maintenance"
UPSTREAMS = Path("/etc/nginx/mainstay/upstreams.d")


def states() -> dict[str, dict[str, Any]]:
    """State of every app by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(STATES.glob("*.json"))}


def files(app: str, state: Mapping[str, Any], upstreams: str) -> dict[Path, str]:
    """Path -> content of an app's two files, in the order to write them.

    The state comes first: after a crash between the two, the next run finishes the switch and never undoes it.
    """
    return {
        STATES / f"{app}.json": json.dumps(state, indent=1, sort_keys=True) + "\n",
        UPSTREAMS / f"{app}.conf": upstreams,
    }


def closed() -> set[str]:
    """Apps whose site is closed for maintenance, which its flag says: ``<app>.maintenance``."""
    return {path.stem for path in STATES.glob(f"*{CLOSED}")}


def all_of(app: str) -> list[Path]:
    """Every file of an app that may be there."""
    return [*files(app, {}, ""), STATES / f"{app}{CLOSED}"]


def read(path: Path) -> str | None:
    """Content of a file; None where there is none."""
    return path.read_text() if path.exists() else None


def put(path: Path, content: str | None) -> None:
    """Replace a file atomically; None removes it."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(0o755, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.mainstay-new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    beside.replace(path)


def tidy() -> None:
    """Remove the directories that hold nothing any more."""
    for directory in (STATES, UPSTREAMS, UPSTREAMS.parent):
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
