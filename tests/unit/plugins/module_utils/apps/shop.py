# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good list of apps, and a way to spoil it in one place."""

from __future__ import annotations

import copy
from typing import Any

GONE = object()
PASSWORD = "correct-horse-battery"

SHOP: dict[str, Any] = {
    "name": "shop",
    "domains": ["shop.example", "www.shop.example"],
    "release": "v1",
    "services": [
        {
            "name": "web",
            "image": "registry.example/shop-web",
            "port": 80,
            "memory": "256m",
            "routes": ["/"],
            "health": "/",
        },
        {
            "name": "api",
            "image": "registry.example/shop-api",
            "port": 8000,
            "memory": "512m",
            "routes": ["/api/"],
            "health": "/api/health",
            "metrics": "/api/metrics",
            "rate_limits": [{"path": "/api/", "rate": "10/s"}],
        },
        {"name": "beat", "image": "registry.example/shop-api", "memory": "128m", "singleton": True},
        {"name": "migrate", "image": "registry.example/shop-api", "memory": "128m", "run": "before_release"},
    ],
    "databases": [
        {"name": "db", "engine": "postgresql", "version": "17", "memory": "512m", "password": PASSWORD},
        {"name": "cache", "engine": "redis", "version": "7", "memory": "64m", "password": PASSWORD},
    ],
    "env": {"LOG_LEVEL": "info"},
    "secrets": {"TOKEN": "a-long-enough-token"},
}

BLOG: dict[str, Any] = {
    "name": "blog",
    "domains": ["blog.example"],
    "release": "v2",
    "services": [{"name": "web", "image": "registry.example/blog", "port": 80, "memory": "64m", "routes": ["/"]}],
}


def apps(changes: dict[str, Any] | None = None) -> list[Any]:
    """Return shop and blog with changes: ``{"0.services.1.memory": "1 gib", "1.domains": GONE}``; ``+`` appends."""
    return changed([SHOP, BLOG], changes)


def changed(original: list[Any], changes: dict[str, Any] | None = None) -> list[Any]:
    """Return a copy of apps with changes."""
    result: Any = copy.deepcopy(original)
    for path, value in (changes or {}).items():
        *way, last = path.split(".")
        place = result
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        if value is GONE:
            del place[int(last) if isinstance(place, list) else last]
        elif last == "+":
            place.append(value)
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return list(result)
