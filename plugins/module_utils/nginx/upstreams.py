# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which slot of an app gets how much of its traffic: a state file per app, and nginx's upstreams derived from it. Pure.

A state is ``{app, weights: {blue: 100, green: 0}, upstreams: [{name, ports}], serving: [{name, servers}]}``, a server
being ``{port, weight}``. ``upstreams`` is what the inventory says, ``serving`` is what nginx does: a port that the
inventory changes is used from the next switch on, because only then something listens there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

FIRST = {"blue": 100, "green": 0}


class SwitchError(Exception):
    """What the user must put right."""


def settle(site: Mapping[str, Any], state: Mapping[str, Any] | None, prune: bool) -> dict[str, Any]:
    """The state of a site, as it is now or as it was: no slot is ever flipped here.

    Upstreams that the site no longer names go on being served until `prune`, since the sites may still refer to them.
    """
    weights = dict(state["weights"]) if state else dict(FIRST)
    named = [{"name": upstream["name"], "ports": dict(upstream["ports"])} for upstream in site["upstreams"]]
    before = {upstream["name"]: upstream for upstream in (state or {}).get("serving", [])}
    serving = [before.get(upstream["name"]) or _serve(upstream, weights) for upstream in named]
    if not prune:
        known = {upstream["name"] for upstream in named}
        serving += [upstream for name, upstream in before.items() if name not in known]
    return {"app": site["name"], "weights": weights, "upstreams": named, "serving": serving}


def stale(state: Mapping[str, Any]) -> list[str]:
    """Names of upstreams that are served though the inventory no longer names them."""
    named = {upstream["name"] for upstream in state["upstreams"]}
    return [upstream["name"] for upstream in state["serving"] if upstream["name"] not in named]


def switch(state: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """The state after traffic went to slots by `weights`; raises SwitchError when they make no sense."""
    slots = {slot for upstream in state["upstreams"] for slot in upstream["ports"]}
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
    for upstream in state["serving"]:
        servers = "".join(
            f"    server 127.0.0.1:{server['port']}{_weight(server)};\n" for server in upstream["servers"]
        )
        blocks.append(
            f"upstream {upstream['name']} {{\n    zone {upstream['name']} 64k;\n{servers}    keepalive 16;\n}}\n"
        )
    return "\n".join(blocks)


def _weight(server: Mapping[str, int]) -> str:
    return "" if server["weight"] == 1 else f" weight={server['weight']}"


def _serve(upstream: Mapping[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    """An upstream's servers with weights in lowest terms; a slot of weight 0 is left out, since nginx knows no zero."""
    ports: Mapping[str, int] = upstream["ports"]
    active = [(slot, weights.get(slot, 0)) for slot in sorted(ports) if weights.get(slot, 0)]
    active = active or [(sorted(ports)[0], 1)]
    divisor = math.gcd(*(weight for _slot, weight in active))
    servers = [{"port": ports[slot], "weight": weight // divisor} for slot, weight in active]
    return {"name": upstream["name"], "servers": servers}


def unserved(app: str, known: Sequence[str]) -> str:
    """Why an app that nginx has no state of cannot be switched."""
    names = ", ".join(sorted(known)) or "none"
    return (
        f"app: nginx serves no app {app!r} on this server (known: {names}); "
        "run the role mainstay.platform.nginx with its site first"
    )
