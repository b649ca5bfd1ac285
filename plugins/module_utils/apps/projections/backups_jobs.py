# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs for the ``backups`` role."""

from __future__ import annotations

from typing import Any

from ..checks import SERVER_JOB, volumes
from ..spec import ENGINES

FILES = "files"
DATA = "/opt/app-data"
# What makes this server this one, and cannot be made again from the inventory alone: certificates and their account,
# which release serves, the rendered projects with their environment, the proxy's configuration.
STATE = ("/etc/letsencrypt", "/etc/nginx", "/srv", "/var/lib/mainstay")
# What every run makes anew: a backup that a timer starts would hold the playbook that makes it. And what releases are
# made of, as images are: it comes from their source again.
STATE_EXCLUDE = (
    "/srv/*/builds/*",
    "/srv/*/root/*",
    "/var/lib/mainstay/backups/*.lock",
    "/var/lib/mainstay/drill/*",
    "/var/lib/mainstay/tmp/*",
)
STATE_SCHEDULE = "*-*-* 03:15:00 UTC"
STATE_KEEP = 7


def backups_jobs(apps: list[dict[str, Any]], encrypted: bool = False) -> list[dict[str, Any]]:
    """Return a job for each database and volume whose backup is enabled, and one for the server's own state.

    The latter holds private keys, so it is left out unless backups are ``encrypted``. ``password`` is secret.
    """
    jobs = []
    for app in apps:
        jobs += [_database(app, item) for item in app["databases"] if item["backup"]["enabled"]]
        once = {volume["name"]: volume for _path, volume in volumes(app)}
        jobs += [_volume(app, item) for item in once.values() if item["backup"]["enabled"]]
    return [*jobs, _state()] if apps and encrypted else jobs


def _job(app: str, name: str, engine: str, prefix: str, backup: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{app}-{name}",
        "app": app,
        "database": name,
        "engine": engine,
        "schedule": backup["schedule"],
        "keep_local": backup["keep_local"],
        "max_drop": backup["max_drop"],
        "file_prefix": prefix,
    }


def _database(app: dict[str, Any], database: dict[str, Any]) -> dict[str, Any]:
    engine = ENGINES[database["engine"]]
    job = {
        **_job(app["name"], database["name"], database["engine"], engine.file_prefix, database["backup"]),
        "databases": [database["database"]] if database["database"] else [],
        "password": database["password"],
    }
    external = database["external"]
    if external is None:
        container = f"{app['name']}-data-{database['name']}-1"
        return {**job, "container": container, "user": engine.backup_user or database["user"]}
    place = {key: external[key] for key in ("host", "port", "socket", "tls", "ca") if external[key]}
    tools = {"image": database["image"]} if external["tools"] == "image" else {}
    return {**job, "container": None, "user": database["user"], **place, **tools}


def _volume(app: dict[str, Any], volume: dict[str, Any]) -> dict[str, Any]:
    job = _job(app["name"], volume["name"], FILES, f"{volume['name']}-backup", volume["backup"])
    return {**job, "paths": [f"{DATA}/{app['name']}/{volume['name']}"]}


def _state() -> dict[str, Any]:
    app, _dash, name = SERVER_JOB.partition("-")
    backup = {"schedule": STATE_SCHEDULE, "keep_local": STATE_KEEP, "max_drop": 50}
    return {**_job(app, name, FILES, "state-backup", backup), "paths": [*STATE], "exclude": [*STATE_EXCLUDE]}
