# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that the ``hardening`` role opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def firewall_rules(
    apps: list[dict[str, Any]], http3: bool = False, web_sources: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return HTTP and HTTPS where an app has domains, else nothing. SSH is the role's own business.

    ``http3`` adds UDP; ``web_sources`` are the networks, as of a CDN, that alone may come; none named is everybody.
    """
    if not any(app["domains"] for app in apps):
        return []
    rules = [{"port": port, "proto": "tcp"} for port in (80, 443)] + [{"port": 443, "proto": "udp"}] * http3
    return [{**rule, "from": source} for source in web_sources for rule in rules] or rules
