# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which slot of an app gets how much of its traffic: a state file per app, and nginx's upstreams derived from it. Pure.

A state is ``{app, weights: {blue: 100, green: 0}, upstreams: [{name, ports}], serving: [{name, servers}]}``, a server
being ``{port, weight}``. ``upstreams`` is what the inventory says, ``serving`` is what nginx does: a port that the
inventory changes is used from the next switch on, because only then something listens there.

An upstream of static files has ``{name, roots, fallback}`` and is served as ``{name, directories, others, fallback}``:
a directory is ``{root, weight}``, and ``others`` says where to look for what is in none of its files any more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .locations import quote, variable

FIRST = {"blue": 100, "green": 0}
# The unit's sandbox (role nginx) has none of these, so that nginx would find nothing there.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - refused


class SwitchError(Exception):
    """What the user must put right."""


def settle(site: Mapping[str, Any], state: Mapping[str, Any] | None, prune: bool) -> dict[str, Any]:
    """The state of a site, as it is now or as it was: no slot is ever flipped here.

    Upstreams that the site no longer names go on being served until `prune`, since the sites may still refer to them.
    """
    weights = dict(state["weights"]) if state else dict(FIRST)
    named = [_named(site["name"], upstream) for upstream in site["upstreams"]]
    before = {_key(upstream): upstream for upstream in (state or {}).get("serving", [])}
    serving = [before.get(_key(upstream)) or _serve(upstream, weights) for upstream in named]
    if not prune:
        known = {_key(upstream) for upstream in named}
        serving += [upstream for key, upstream in before.items() if key not in known]
    return {"app": site["name"], "weights": weights, "upstreams": named, "serving": serving}


def _named(site: str, upstream: Mapping[str, Any]) -> dict[str, Any]:
    """An upstream as the state keeps it; raises SwitchError for what nginx cannot serve."""
    name, ports, roots = upstream["name"], upstream.get("ports"), upstream.get("roots")
    place = f"site {site!r}: upstreams: {name!r}"
    if ports and roots:
        raise SwitchError(f"{place}: has both ports and roots (keep one)")
    if ports:
        return {"name": name, "ports": dict(ports)}
    if not roots:
        raise SwitchError(f"{place}: has neither ports nor roots (say where it answers)")
    fallback = upstream.get("fallback")
    if fallback and not _plain(fallback):
        raise SwitchError(f"{place}: fallback: {fallback!r} is not the path of a file, such as '/index.html'")
    return {"name": name, "roots": {slot: _root(place, slot, roots[slot]) for slot in roots}, "fallback": fallback}


def _root(place: str, slot: str, root: Any) -> str:
    if not _plain(root) or not root.strip("/"):
        raise SwitchError(
            f"{place}: roots: {slot}: {root!r} is not the whole path of a directory, such as '/srv/www/shop', without "
            "spaces and '$'"
        )
    for hidden in _HIDDEN:
        if f"{root}/".startswith(f"{hidden}/"):
            raise SwitchError(
                f"{place}: roots: {slot}: {root!r} is hidden from nginx, as is all of {hidden} (try /srv)"
            )
    return str(root).rstrip("/")


def _plain(path: Any) -> bool:
    """Whether it is an absolute path that means the same to nginx as to everybody."""
    return isinstance(path, str) and bool(re.fullmatch(r"/[^\x00-\x20\x7f\"\\\\$;{}]*", path)) and ".." not in path


def _key(upstream: Mapping[str, Any]) -> tuple[str, bool]:
    """What makes it another one: its name, and whether it is files. While sites change, both kinds may be needed."""
    return upstream["name"], "roots" in upstream or "directories" in upstream


def stale(state: Mapping[str, Any]) -> list[str]:
    """Names of upstreams that are served though the inventory no longer names them."""
    named = {_key(upstream) for upstream in state["upstreams"]}
    return [upstream["name"] for upstream in state["serving"] if _key(upstream) not in named]


def switch(state: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """The state after traffic went to slots by `weights`; raises SwitchError when they make no sense."""
    slots = {slot for upstream in state["upstreams"] for slot in _slots(upstream)}
    for slot, weight in weights.items():
        if slot not in slots:
            raise SwitchError(
                f"weights: {slot!r} is not a slot of {state['app']!r} (known: {', '.join(sorted(slots))})"
            )
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 1000:
            raise SwitchError(f"weights: {slot}: {weight!r} is not a whole number from 0 to 1000")
    if not any(weights.values()):
        raise SwitchError(f"weights: {dict(weights)!r} leaves no slot to serve; give one a weight, such as green: 100")
    full = {slot: int(weights.get(slot, 0)) for slot in sorted(slots)}
    serving = [_serve(upstream, full) for upstream in state["upstreams"]]
    return {**state, "weights": full, "serving": serving}


def render(state: Mapping[str, Any]) -> str:
    """nginx's configuration of a state's upstreams."""
    slots = ", ".join(f"{slot} {weight}" for slot, weight in sorted(state["weights"].items()))
    blocks = [f"# Written by mainstay.platform from /var/lib/mainstay/nginx/{state['app']}.json: {slots}\n"]
    blocks += [_files(upstream) if "directories" in upstream else _programs(upstream) for upstream in state["serving"]]
    return "\n".join(blocks)


def _programs(upstream: Mapping[str, Any]) -> str:
    servers = "".join(f"    server 127.0.0.1:{server['port']}{_weight(server)};\n" for server in upstream["servers"])
    return f"upstream {upstream['name']} {{\n    zone {upstream['name']} 64k;\n{servers}    keepalive 16;\n}}\n"


def _weight(server: Mapping[str, int]) -> str:
    return "" if server["weight"] == 1 else f" weight={server['weight']}"


def _files(upstream: Mapping[str, Any]) -> str:
    """Variables for the locations: the slot's directory, the other slot's, and what answers for a page without a file.

    Where slots share the traffic, a client stays with one of them, whose files fit each other.
    """
    suffix, directories = variable(upstream["name"]), upstream["directories"]
    if len(directories) == 1:
        shares = f"map $host $mainstay_root_{suffix} {{\n    default {quote(directories[0]['root'])};\n}}\n"
    else:
        total = sum(directory["weight"] for directory in directories)
        *parts, rest = directories
        lines = [f"    {100 * part['weight'] / total:.2f}% {quote(part['root'])};\n" for part in parts]
        lines.append(f"    * {quote(rest['root'])};\n")
        shares = f"split_clients $mainstay_client $mainstay_root_{suffix} {{\n{''.join(lines)}}}\n"
    others = "".join(f"    {quote(root)} {quote(other)};\n" for root, other in upstream["others"].items())
    # A page is what has no extension; a script or a picture that is missing is missing.
    fallback = f'    "~/[^/.]*$" {quote(upstream["fallback"])};\n' if upstream["fallback"] else ""
    return (
        f"{shares}map $mainstay_root_{suffix} $mainstay_other_root_{suffix} {{\n{others}}}\n"
        f'map $uri $mainstay_fallback_{suffix} {{\n    default "";\n{fallback}}}\n'
    )


def _slots(upstream: Mapping[str, Any]) -> Mapping[str, Any]:
    """Slot -> port or directory."""
    slots: Mapping[str, Any] = upstream["roots"] if "roots" in upstream else upstream["ports"]
    return slots


def _serve(upstream: Mapping[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    """What serves an upstream, by weights in lowest terms; a slot of weight 0 is left out: nginx knows no zero."""
    slots = _slots(upstream)
    active = [(slot, weights.get(slot, 0)) for slot in sorted(slots) if weights.get(slot, 0)]
    active = active or [(sorted(slots)[0], 1)]
    divisor = math.gcd(*(weight for _slot, weight in active))
    shares = [(slots[slot], weight // divisor) for slot, weight in active]
    if "roots" not in upstream:
        return {"name": upstream["name"], "servers": [{"port": port, "weight": weight} for port, weight in shares]}
    roots = [slots[slot] for slot in sorted(slots)]
    return {
        "name": upstream["name"],
        "directories": [{"root": root, "weight": weight} for root, weight in shares],
        "others": {root: roots[(index + 1) % len(roots)] for index, root in enumerate(roots)},
        "fallback": upstream["fallback"],
    }


def unserved(app: str, known: Sequence[str]) -> str:
    """Why an app that nginx has no state of cannot be switched."""
    names = ", ".join(sorted(known)) or "none"
    return (
        f"app: nginx serves no app {app!r} on this server (known: {names}); "
        "run the role mainstay.platform.nginx with its site first"
    )
