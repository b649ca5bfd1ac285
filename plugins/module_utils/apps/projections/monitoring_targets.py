# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets for the ``monitoring`` role."""

from __future__ import annotations

from typing import Any

from ..checks import owner_of, serving
from ..schedule import longest_gap
from .backups_jobs import backups_jobs

METRICS_LISTENER = "127.0.0.1:9080"
# A backup may take this long, in seconds, before its successor counts as missing.
SLACK = 2 * 3600


def monitoring_targets(apps: list[dict[str, Any]], encrypted: bool = False) -> dict[str, list[Any]]:
    """Return what to scrape, probe and watch the age of; ``max_age``, ``rpo`` and ``rto`` in seconds."""
    rpo = {app["name"]: app["rpo"] for app in apps}
    return {
        "scrapes": [_scrape(app, service) for app in apps for service in serving(app) if service["metrics"]],
        "probes": [
            {"app": app["name"], "url": f"https://{app['domains'][0]}{service['health']['path']}"}
            for app in apps
            if app["domains"]
            for service in serving(app)
            if service["health"] and service["health"]["path"] and owner_of(app, service["health"]["path"]) is service
        ],
        "certificates": [app["domains"][0] for app in apps if app["domains"]],
        "backups": [
            {
                "name": job["name"],
                "app": job["app"],
                "max_age": longest_gap(job["schedule"]) + SLACK,
                **({"rpo": rpo[job["app"]]} if rpo.get(job["app"]) else {}),
            }
            for job in backups_jobs(apps, encrypted)
        ],
        "recoveries": [{"app": app["name"], "rto": app["rto"]} for app in apps if app["rto"]],
    }


def _scrape(app: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    return {
        "job": f"{app['name']}-{service['name']}",
        "app": app["name"],
        "address": METRICS_LISTENER,
        "path": f"/{app['name']}/{service['name']}",
    }
