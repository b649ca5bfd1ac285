# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the backup modules share: their options, what becomes of them, and how a signal ends them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import manifest_of
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place

ROOT = Path("/var/backups/mainstay")
STATE = Path("/var/lib/mainstay/backups")
# As roles/runtime says it in ansible.cfg.
SCRATCH = Path("/var/lib/mainstay/tmp")
PREFIXES = {
    "postgresql": "pg-backup",
    "mysql": "mysql-backup",
    "mariadb": "mariadb-backup",
    "mongodb": "mongo-backup",
    "redis": "redis-backup",
    "files": "files-backup",
}
# The authorities that Debian and Ubuntu trust.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
NAMED = ("postgresql", "mysql", "mariadb")

TOOL_OPTIONS: dict[str, Any] = {
    "container": {"type": "str"},
    "image": {"type": "str"},
    "timeout": {"type": "int", "default": 14400},
}
JOB_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "app": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "engine": {"type": "str", "choices": [*PREFIXES], "required": True},
    "databases": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str", "default": ""},
    "password": {"type": "str", "no_log": True},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 0},
    "socket": {"type": "path"},
    "tls": {"type": "bool", "default": False},
    "ca": {"type": "path"},
    "paths": {"type": "list", "elements": "path", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "compression": {"type": "str", "choices": ["auto", "zstd", "gzip"], "default": "auto"},
    "directory": {"type": "path"},
    "file_prefix": {"type": "str"},
    "recipients": {"type": "list", "elements": "str", "default": []},
}


def directory(params: Mapping[str, Any]) -> Path:
    """Where the backups of a job are."""
    return Path(params["directory"] or ROOT / params["app"] / params["database"])


def job(params: Mapping[str, Any]) -> Job:
    """The job that a module's parameters describe."""
    return Job(
        name=params["name"],
        app=params["app"],
        database=params["database"],
        engine=params["engine"],
        databases=tuple(params["databases"]),
        directory=directory(params),
        prefix=params["file_prefix"] or PREFIXES[params["engine"]],
        locks=STATE,
        recipients=tuple(params["recipients"]),
        max_drop=params.get("max_drop", 100),
        acknowledged=params.get("acknowledge", False),
        patience=params.get("patience"),
        scratch=SCRATCH,
    )


def connector(params: Mapping[str, Any]) -> Callable[[str], Engine]:
    """A function that makes the engine for one database."""

    ca = params["ca"] or (AUTHORITIES if params["tls"] else "")
    near = [ca, str(Path(params["socket"]).parent) if params["socket"] else ""]
    place = Place(params["container"], params["image"], tuple(path for path in near if path))

    def connect(database: str) -> Engine:
        return ENGINES[params["engine"]](
            Target(
                place=place,
                user=params["user"],
                password=params["password"] or "",
                database=database,
                host=params["host"],
                port=params["port"],
                socket=params["socket"] or "",
                tls=params["tls"],
                ca=ca,
                paths=tuple(params["paths"]),
                exclude=tuple(params["exclude"]),
                compression="" if params["compression"] == "auto" else params["compression"],
                timeout=params["timeout"],
            )
        )

    return connect


def tools(engine: str, container: str | None, timeout: float, image: str | None = None) -> Engine:
    """An engine that only looks at files."""
    return ENGINES[engine](Target(place=Place(container, image), timeout=timeout))


def wrong_options(params: Mapping[str, Any]) -> str | None:
    """What is wrong with a combination of options, if anything."""
    if params["engine"] in NAMED and not [name for name in params["databases"] if name]:
        return f"databases: {params['engine']} needs at least one database, for example [snippetly]"
    if params["engine"] == "files" and not params["paths"]:
        return "paths: files needs at least one path, for example [/opt/app-data/shop/uploads]"
    if params["container"] and params["image"]:
        return "image: the tools are in the container already (name either)"
    if params["password"] and params["engine"] == "mongodb" and not params["user"]:
        return "user: a password for MongoDB needs its user"
    return None


def describe(made: Made) -> dict[str, Any]:
    """A backup as a module returns it."""
    manifest = made.manifest
    return {
        "path": str(made.path),
        "manifest": str(manifest_of(made.path)),
        "set": manifest["set"],
        "databases": manifest["databases"],
        "size": manifest["size"],
        "sha256": manifest["sha256"],
        "encrypted": manifest["encryption"] is not None,
        "started": manifest["started"],
        "duration": manifest["duration"],
        "counts": manifest["counts"],
        "verdict": manifest["verification"]["verdict"],
    }


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Let a signal end the block like an exception, so that partial files and running tools go with it."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def be_polite() -> None:
    """Give everything else on the server precedence."""
    os.nice(10)
    if ionice := shutil.which("ionice"):
        subprocess.run([ionice, "-c", "2", "-n", "7", "-p", str(os.getpid())], check=False, capture_output=True)
