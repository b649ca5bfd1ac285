# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for the ``certbot`` role."""

from __future__ import annotations

from typing import Any


def certbot_certificates(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one certificate for each app with domains, the canonical one first."""
    return [{"name": app["name"], "domains": list(app["domains"])} for app in apps if app["domains"]]
