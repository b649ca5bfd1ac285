# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites for the ``nginx`` role."""

from __future__ import annotations

import hashlib
from typing import Any

from ..checks import owner_of, serving
from ..ports import SLOTS

USUAL_METRICS = "/metrics"
HEADER_NAMES = {
    "csp": "Content-Security-Policy",
    "csp_report_only": "Content-Security-Policy-Report-Only",
    "hsts": "Strict-Transport-Security",
    "frame_options": "X-Frame-Options",
    "content_type_options": "X-Content-Type-Options",
    "referrer_policy": "Referrer-Policy",
    "permissions_policy": "Permissions-Policy",
    "opener_policy": "Cross-Origin-Opener-Policy",
    "resource_policy": "Cross-Origin-Resource-Policy",
}


def nginx_sites(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a site for every app that nginx serves or fetches metrics for; one without domains has the latter only."""
    sites = [_site(app) for app in apps]
    return [site for site in sites if site["upstreams"]]


def upstreams(app: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the upstreams of an app: ``[{name: shop_web, service: web, ports: {blue: 20011, green: 20012}}]``.

    One of static files has, in place of ``ports``, ``roots`` and the ``fallback`` for paths that name no file.
    """
    return [
        {"name": _upstream(app, service), "service": service["name"], **_places(app, service)}
        for service in serving(app)
        if service["routes"] or service["metrics"]
    ]


def _places(app: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    """Where each slot answers: the engine keeps ``slots/<slot>`` a link to the slot's release."""
    static = service["static"]
    if not static:
        return {"ports": dict(service["ports"])}
    below = "" if static["path"] == "." else f"/{static['path']}"
    roots = {slot: f"/srv/{app['name']}/slots/{slot}/tree{below}" for slot in SLOTS}
    return {"roots": roots, "fallback": static["fallback"]}


def _upstream(app: dict[str, Any], service: dict[str, Any]) -> str:
    return f"{app['name']}_{service['name']}"


def _site(app: dict[str, Any]) -> dict[str, Any]:
    services = serving(app)
    routes = [{"path": path, "upstream": _upstream(app, service)} for service in services for path in service["routes"]]
    measured = [service for service in services if service["metrics"]]
    limits = [(limit, _upstream(app, service)) for service in services for limit in service["rate_limits"]]
    return {
        "name": app["name"],
        "domains": list(app["domains"]),
        "certificate": app["name"],
        "upstreams": upstreams(app),
        "routes": sorted(routes, key=_longest_first),
        "private": _private(app, measured),
        "metrics": [
            {
                "location": f"/{app['name']}/{service['name']}",
                "upstream": _upstream(app, service),
                "path": service["metrics"],
            }
            for service in measured
        ],
        "rate_limits": sorted(
            (
                {
                    "path": limit["path"],
                    "upstream": upstream,
                    "zone": f"{app['name']}_{hashlib.sha256(limit['path'].encode()).hexdigest()[:8]}",
                    "rate": limit["rate"],
                    "burst": limit["burst"],
                }
                for limit, upstream in limits
            ),
            key=_longest_first,
        ),
        "headers": {HEADER_NAMES[key]: value for key, value in app["headers"].items() if value},
    }


def _private(app: dict[str, Any], measured: list[dict[str, Any]]) -> list[str]:
    """Paths of metrics that a route of their service reaches; ``/metrics`` in any case, unless it is a route itself."""
    usual = {USUAL_METRICS} if app["domains"] else set()
    routes = {path for service in app["services"] for path in service["routes"]}
    found = {service["metrics"] for service in measured if owner_of(app, service["metrics"]) is service}
    return sorted(found | usual - routes)


def _longest_first(item: dict[str, Any]) -> tuple[int, str]:
    return -len(item["path"]), item["path"]
