# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs for the ``backups`` role."""

from __future__ import annotations

from typing import Any

from ..spec import ENGINES


def backups_jobs(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one job for each database whose backup is enabled. ``password`` is secret."""
    return [_job(app, database) for app in apps for database in app["databases"] if database["backup"]["enabled"]]


def _job(app: dict[str, Any], database: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{app['name']}-{database['name']}",
        "app": app["name"],
        "database": database["name"],
        "engine": database["engine"],
        "container": f"{app['name']}-data-{database['name']}-1",
        "user": database["user"],
        "databases": [database["database"]] if database["database"] else [],
        "password": database["password"],
        "schedule": database["backup"]["schedule"],
        "keep_local": database["backup"]["keep_local"],
        "file_prefix": ENGINES[database["engine"]].file_prefix,
    }
