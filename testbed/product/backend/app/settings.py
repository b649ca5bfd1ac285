# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process is told by its environment, and what its image says of the release."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

RELEASE = Path(__file__).resolve().parents[1] / "release.json"


@dataclasses.dataclass(frozen=True)
class Release:
    """One row of releases.yml, which describes the fields."""

    release: str
    title: str
    migrations: tuple[str, ...]
    last_login: bool
    latency: float
    error_rate: float
    leak: int
    crash_after: int
    healthy: bool
    listen: bool


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the databases are. An empty ``mongo_url`` means that snippets are kept in PostgreSQL."""

    database_url: str = dataclasses.field(repr=False)
    redis_url: str = dataclasses.field(repr=False)
    mongo_url: str = dataclasses.field(repr=False)
    jwt_secret: str = dataclasses.field(repr=False)


def load_release() -> Release:
    """Read the file that makes an image a release."""
    return Release(**json.loads(RELEASE.read_text()))


def load_settings() -> Settings:
    """Read the environment; ends the process with what is missing."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL", "JWT_SECRET") if not os.environ.get(name)]
    if missing:
        raise SystemExit(f"snippetly: not set: {', '.join(missing)}")
    return Settings(
        database_url=os.environ["DATABASE_URL"],
        redis_url=os.environ["REDIS_URL"],
        mongo_url=os.environ.get("MONGO_URL", ""),
        jwt_secret=os.environ["JWT_SECRET"],
    )
