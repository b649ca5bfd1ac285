# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import upstreams

WEB = {"name": "shop_web", "service": "web", "ports": {"blue": 1, "green": 2}}
API = {"name": "shop_api", "service": "api", "ports": {"blue": 3, "green": 4}}
MOVED = {**WEB, "ports": {"blue": 11, "green": 12}}


def site(*named: dict[str, Any]) -> dict[str, Any]:
    return {"name": "shop", "upstreams": list(named)}


def ports(state: dict[str, Any]) -> dict[str, list[tuple[int, int]]]:
    return {
        upstream["name"]: [(server["port"], server["weight"]) for server in upstream["servers"]]
        for upstream in state["serving"]
    }


NEW = upstreams.settle(site(WEB), None, prune=False)
GREEN = upstreams.switch(NEW, {"green": 100})
SETTLED = {
    "new server starts blue": (site(WEB, API), None, False, {"shop_web": [(1, 1)], "shop_api": [(3, 1)]}),
    "a slot is never flipped": (site(WEB), GREEN, False, {"shop_web": [(2, 1)]}),
    "a new service joins the slot": (site(WEB, API), GREEN, False, {"shop_web": [(2, 1)], "shop_api": [(4, 1)]}),
    "a moved port waits for the switch": (site(MOVED), GREEN, False, {"shop_web": [(2, 1)]}),
    "a vanished service is kept": (site(API), NEW, False, {"shop_api": [(3, 1)], "shop_web": [(1, 1)]}),
    "a vanished service is pruned": (site(API), NEW, True, {"shop_api": [(3, 1)]}),
}


@pytest.mark.parametrize(("wanted", "state", "prune", "serving"), SETTLED.values(), ids=SETTLED)
def test_settle(
    wanted: dict[str, Any], state: dict[str, Any] | None, prune: bool, serving: dict[str, list[tuple[int, int]]]
) -> None:
    settled = upstreams.settle(wanted, state, prune)
    assert ports(settled) == serving
    assert upstreams.settle(wanted, settled, prune) == settled


def test_stale() -> None:
    assert upstreams.stale(upstreams.settle(site(API), NEW, prune=False)) == ["shop_web"]
    assert upstreams.stale(upstreams.settle(site(API), NEW, prune=True)) == []


SWITCHED = {
    "all to green": ({"blue": 0, "green": 100}, {"shop_web": [(2, 1)]}),
    "unnamed slot gets nothing": ({"green": 1}, {"shop_web": [(2, 1)]}),
    "canary in lowest terms": ({"blue": 95, "green": 5}, {"shop_web": [(1, 19), (2, 1)]}),
    "half": ({"blue": 50, "green": 50}, {"shop_web": [(1, 1), (2, 1)]}),
}


@pytest.mark.parametrize(("weights", "serving"), SWITCHED.values(), ids=SWITCHED)
def test_switch(weights: dict[str, int], serving: dict[str, list[tuple[int, int]]]) -> None:
    assert ports(upstreams.switch(NEW, weights)) == serving


def test_switch_takes_moved_ports() -> None:
    moved = upstreams.settle(site(MOVED), GREEN, prune=False)
    assert ports(upstreams.switch(moved, {"green": 100})) == {"shop_web": [(12, 1)]}


WRONG = {
    "unknown slot": ({"red": 1}, "weights: 'red' is not a slot of 'shop' (known: blue, green)"),
    "nobody": ({"blue": 0}, "weights: {'blue': 0} leaves no slot to serve; give one a weight, such as green: 100"),
    "nothing": ({}, "weights: {} leaves no slot to serve; give one a weight, such as green: 100"),
    "negative": ({"blue": -1}, "weights: blue: -1 is not a whole number from 0 to 1000"),
    "text": ({"blue": "all"}, "weights: blue: 'all' is not a whole number from 0 to 1000"),
    "truth": ({"blue": True}, "weights: blue: True is not a whole number from 0 to 1000"),
}


@pytest.mark.parametrize(("weights", "message"), WRONG.values(), ids=WRONG)
def test_wrong_switch(weights: dict[str, Any], message: str) -> None:
    with pytest.raises(upstreams.SwitchError) as caught:
        upstreams.switch(NEW, weights)
    assert str(caught.value) == message


def test_render() -> None:
    assert upstreams.render(upstreams.switch(NEW, {"blue": 3, "green": 1})) == (
        "# Written by mainstay.platform from /var/lib/mainstay/nginx/shop.json: blue 3, green 1\n"
        "\n"
        "upstream shop_web {\n"
        "    zone shop_web 64k;\n"
        "    server 127.0.0.1:1 weight=3;\n"
        "    server 127.0.0.1:2;\n"
        "    keepalive 16;\n"
        "}\n"
    )


def test_unserved() -> None:
    assert upstreams.unserved("shop", ["b", "a"]).startswith(
        "app: nginx serves no app 'shop' on this server (known: a, b)"
    )
