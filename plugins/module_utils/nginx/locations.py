# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx answers under which path of a site, and the files that say so. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def limit(item: Mapping[str, Any]) -> dict[str, Any]:
    """One rate limit in nginx's terms; raises ValueError for a rate that is none.

    ``5/m`` → ``{zone, rate: 5r/m, burst, retry: 12}`` for limit_req; ``2/h`` and ``20/15m`` → ``{zone, count: 2,
    seconds: 3600}`` for njs. ``retry`` is the time until one more is let through, in seconds.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,3})?([smhd])", str(item["rate"]))
    if not match:
        raise ValueError(f"rate_limits: {item['path']}: {item['rate']!r} is not a rate such as '10/s', '5/m' or '2/h'")
    count, number, unit = int(match[1]), int(match[2] or 1), match[3]
    if number == 1 and unit in "sm":
        retry = math.ceil(_SECONDS[unit] / count)
        return {"zone": item["zone"], "rate": f"{count}r/{unit}", "burst": item.get("burst") or 0, "retry": retry}
    return {"zone": item["zone"], "count": count, "seconds": number * _SECONDS[unit]}


def locations(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Routes and rate limits of a site, longest path first:
    ``[{path, upstream, files, limit, within: [{pattern, limit}]}]``.

    ``files`` is the suffix of the variables that say where static files are (upstreams.py), None for a program.

    nginx takes the location with the longest path alone, so a narrower limit replaces the wider one above it. ``limit``
    is None where nothing is limited. Routes are told apart by case, as nginx does; limits are not, since many an app
    takes ``/API/Login`` for ``/api/login``. So ``within`` names, for each place, the limits of the same upstream that
    a path in another case would pass by: as patterns that heed no case, longest first.
    """
    merged = {
        route["path"]: {"path": route["path"], "upstream": route["upstream"], "limit": None} for route in site["routes"]
    }
    for item in site.get("rate_limits") or []:
        merged[item["path"]] = {"path": item["path"], "upstream": item["upstream"], "limit": limit(item)}
    ordered = sorted(merged.values(), key=lambda location: (-len(location["path"]), location["path"]))
    static = _static(site)
    return [
        place
        | {
            "files": variable(place["upstream"]) if place["upstream"] in static else None,
            "within": [_pattern(other) for other in ordered if _passed_by(other, place)],
        }
        for place in ordered
    ]


def variable(upstream: str) -> str:
    """The name of an upstream in a variable's, where nginx takes no hyphen."""
    return re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", upstream, flags=re.ASCII)


def _static(site: Mapping[str, Any]) -> list[str]:
    """Names of the site's upstreams that are files."""
    return [upstream["name"] for upstream in site.get("upstreams") or [] if upstream.get("roots")]


def _passed_by(limited: Mapping[str, Any], place: Mapping[str, Any]) -> bool:
    """Whether a path of a limit, in another case, would be answered by this place, which is wider."""
    below = limited["path"].lower().startswith(place["path"].lower())
    same = limited["upstream"] == place["upstream"]
    return bool(limited["limit"]) and same and below and limited["path"] != place["path"]


def _pattern(location: Mapping[str, Any]) -> dict[str, Any]:
    return {"pattern": _quoted(f"^{re.escape(location['path'])}"), "limit": location["limit"]}


def windowed(sites: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """(name of the site, limit) for each limit that needs njs."""
    return [
        (site["name"], item)
        for site in sites
        if site["domains"]
        for item in site.get("rate_limits") or []
        if "seconds" in limit(item)
    ]


def files(sites: Sequence[Mapping[str, Any]], headers: Mapping[str, str], njs: str) -> list[dict[str, Any]]:
    """Files of the sites that have a domain, for config_tree; `headers` are those of a site that names none.

    Each template of a site gets ``site``, with ``locations``, ``files`` (its upstreams of static files) and ``closed``,
    the patterns of its private paths, added and ``headers`` filled in. `njs` is the version of njs, empty where it is
    not known; raises ValueError where that is too old for a limit.
    """
    counted = windowed(sites)
    if counted and njs and tuple(map(int, re.findall(r"\d+", njs)[:2])) < (0, 8):
        wrong = "; ".join(f"site '{site}': rate_limits: {item['path']}: '{item['rate']}'" for site, item in counted)
        raise ValueError(
            f"{wrong}: needs njs 0.8 or later, and this server has {njs} "
            "(write a rate per second or minute, or take a server with Debian 13)"
        )
    found: list[dict[str, Any]] = []
    if counted:
        found.append({"src": "limits.conf.j2", "dest": "mainstay/http.d/limits.conf"})
        found.append({"src": "limits.js.j2", "dest": "mainstay/limits.js"})
    for site in sites:
        if site["domains"]:
            own = site.get("headers")
            more = {
                "locations": locations(site),
                "files": [{"upstream": name, "files": variable(name)} for name in _static(site)],
                "closed": [_quoted(f"^{re.escape(path)}(?:[/;]|$)") for path in site.get("private") or []],
                "headers": headers if own is None else own,
            }
            variables = {"site": {**site, **more}}
            for src, suffix in (("site.conf.j2", "conf"), ("headers.j2", "headers")):
                found.append({"src": src, "dest": f"mainstay/sites/{site['name']}.{suffix}", "vars": variables})
    return found


def pages(pages: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Files of the pages that nginx itself answers with, for config_tree: for people and for programs.

    `pages` has ``title`` and ``text`` by status, or by ``maintenance``, which is a 503 as well.
    """
    return [
        {
            "src": f"page.{form}.j2",
            "dest": f"mainstay/pages/{name}.{form}",
            "vars": {"page": {**page, "status": 503 if name == "maintenance" else int(name)}},
        }
        for name, page in pages.items()
        for form in ("html", "json")
    ]


def packages(sites: Sequence[Mapping[str, Any]], brotli: bool) -> list[str]:
    """What must be installed to serve the sites."""
    modules = {"libnginx-mod-http-brotli-filter": brotli, "libnginx-mod-http-js": bool(windowed(sites))}
    return ["nginx", *(name for name, wanted in modules.items() if wanted)]


def quote(value: str) -> str:
    """A string as nginx reads it literally; raises ValueError for what nginx cannot hold in one."""
    for character, what in (("$", "a '$', which nginx takes for a variable"), ("\n", "a line break")):
        if character in value:
            raise ValueError(f"{value!r} holds {what}")
    return _quoted(value)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
