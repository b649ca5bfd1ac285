# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx answers under which path of a site, and the files that say so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def locations(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Routes and rate limits of a site as one list, longest path first: ``[{path, upstream, zone, burst}]``.

    nginx takes the location with the longest path alone, so a narrower limit replaces the wider one above it. ``zone``
    is None where nothing is limited.
    """
    merged = {
        route["path"]: {"path": route["path"], "upstream": route["upstream"], "zone": None, "burst": 0}
        for route in site["routes"]
    }
    for limit in site.get("rate_limits") or []:
        merged[limit["path"]] = {
            "path": limit["path"],
            "upstream": limit["upstream"],
            "zone": limit["zone"],
            "burst": limit.get("burst") or 0,
        }
    return sorted(merged.values(), key=lambda location: (-len(location["path"]), location["path"]))


def files(sites: Sequence[Mapping[str, Any]], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Files of the sites that have a domain, for config_tree; `headers` are those of a site that names none.

    Each template gets ``site``, with ``locations`` added and ``headers`` filled in.
    """
    found = []
    for site in sites:
        if site["domains"]:
            own = site.get("headers")
            variables = {"site": {**site, "locations": locations(site), "headers": headers if own is None else own}}
            for src, suffix in (("site.conf.j2", "conf"), ("headers.j2", "headers")):
                found.append({"src": src, "dest": f"mainstay/sites/{site['name']}.{suffix}", "vars": variables})
    return found


def quote(value: str) -> str:
    """A string as nginx reads it literally; raises ValueError for what nginx cannot hold in one."""
    for character, what in (("$", "a '$', which nginx takes for a variable"), ("\n", "a line break")):
        if character in value:
            raise ValueError(f"{value!r} holds {what}")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
