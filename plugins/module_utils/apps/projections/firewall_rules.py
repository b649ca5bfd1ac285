# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that the ``hardening`` role opens."""

from __future__ import annotations

from typing import Any


def firewall_rules(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return HTTP and HTTPS where an app has domains, else nothing. SSH is the role's own business."""
    return [{"port": port, "proto": "tcp"} for port in (80, 443)] if any(app["domains"] for app in apps) else []
