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


FILES = {"name": "shop_pages", "roots": {"blue": "/srv/b/", "green": "/srv/g"}, "fallback": "/index.html"}
MOVED_FILES = {**FILES, "roots": {"blue": "/srv/B", "green": "/srv/G"}, "fallback": None}
ONE_ROOT = {"name": "shop_pages", "roots": {"live": "/srv/www"}}
PROGRAM = {"name": "shop_pages", "ports": {"blue": 5, "green": 6}}


def roots(state: dict[str, Any]) -> list[tuple[str, int]]:
    """Directories that serve, with their weights."""
    return [
        (directory["root"], directory["weight"])
        for upstream in state["serving"]
        for directory in upstream.get("directories", [])
    ]


NEW_FILES = upstreams.settle(site(WEB, FILES), None, prune=False)
GREEN_FILES = upstreams.switch(NEW_FILES, {"green": 100})
SETTLED_FILES = {
    "new server starts blue": (site(FILES), None, False, [("/srv/b", 1)]),
    "a slot is never flipped": (site(FILES), GREEN_FILES, True, [("/srv/g", 1)]),
    "moved files wait for the switch": (site(MOVED_FILES), GREEN_FILES, True, [("/srv/g", 1)]),
    "one root is a slot of its own": (site(ONE_ROOT), None, False, [("/srv/www", 1)]),
    "a program takes the place, and files stay": (site(PROGRAM), GREEN_FILES, False, [("/srv/g", 1)]),
    "until nothing refers to them": (site(PROGRAM), GREEN_FILES, True, []),
}


@pytest.mark.parametrize(("wanted", "state", "prune", "served"), SETTLED_FILES.values(), ids=SETTLED_FILES)
def test_settle_files(
    wanted: dict[str, Any], state: dict[str, Any] | None, prune: bool, served: list[tuple[str, int]]
) -> None:
    settled = upstreams.settle(wanted, state, prune)
    assert roots(settled) == served
    assert upstreams.settle(wanted, settled, prune) == settled


def test_a_name_that_changes_its_kind_is_stale_once() -> None:
    settled = upstreams.settle(site(PROGRAM), GREEN_FILES, prune=False)
    assert upstreams.stale(settled) == ["shop_web", "shop_pages"]
    served = [(upstream["name"], "directories" in upstream) for upstream in settled["serving"]]
    assert served == [("shop_pages", False), ("shop_web", False), ("shop_pages", True)]
    assert upstreams.stale(upstreams.settle(site(PROGRAM), settled, prune=True)) == []


def test_programs_and_files_switch_together() -> None:
    assert (roots(GREEN_FILES), GREEN_FILES["serving"][0]["servers"]) == (
        [("/srv/g", 1)],
        [{"port": 2, "weight": 1}],
    )
    moved = upstreams.settle(site(WEB, MOVED_FILES), GREEN_FILES, prune=False)
    switched = upstreams.switch(moved, {"green": 100})
    assert roots(switched) == [("/srv/G", 1)]
    assert switched["serving"][1]["fallback"] is None


RENDERED_FILES = {
    "one slot": (
        {"green": 100},
        FILES,
        'map $host $mainstay_root_shop_pages {\n    default "/srv/g";\n}\n'
        "map $mainstay_root_shop_pages $mainstay_other_root_shop_pages {\n"
        '    "/srv/b" "/srv/g";\n    "/srv/g" "/srv/b";\n}\n'
        "map $uri $mainstay_fallback_shop_pages {\n"
        '    default "";\n    "~/[^/.]*$" "/index.html";\n}\n',
    ),
    "shared": (
        {"blue": 95, "green": 5},
        FILES,
        "split_clients $mainstay_client $mainstay_root_shop_pages {\n"
        '    95.00% "/srv/b";\n    * "/srv/g";\n}\n'
        "map $mainstay_root_shop_pages $mainstay_other_root_shop_pages {\n"
        '    "/srv/b" "/srv/g";\n    "/srv/g" "/srv/b";\n}\n'
        "map $uri $mainstay_fallback_shop_pages {\n"
        '    default "";\n    "~/[^/.]*$" "/index.html";\n}\n',
    ),
    "one root without a fallback": (
        {"live": 1},
        ONE_ROOT,
        'map $host $mainstay_root_shop_pages {\n    default "/srv/www";\n}\n'
        "map $mainstay_root_shop_pages $mainstay_other_root_shop_pages {\n"
        '    "/srv/www" "/srv/www";\n}\n'
        'map $uri $mainstay_fallback_shop_pages {\n    default "";\n}\n',
    ),
}


@pytest.mark.parametrize(("weights", "upstream", "text"), RENDERED_FILES.values(), ids=RENDERED_FILES)
def test_render_files(weights: dict[str, int], upstream: dict[str, Any], text: str) -> None:
    state = upstreams.switch(upstreams.settle(site(upstream), None, prune=False), weights)
    assert upstreams.render(state).partition("\n\n")[2] == text


REFUSED = {
    "both kinds": ({**WEB, **FILES}, "has both ports and roots (keep one)"),
    "no kind": ({"name": "shop_pages"}, "has neither ports nor roots (say where it answers)"),
    "relative": (
        {**FILES, "roots": {"blue": "build"}},
        "roots: blue: 'build' is not the whole path of a directory, such as '/srv/www/shop', without spaces and '$'",
    ),
    "variable": (
        {**FILES, "roots": {"blue": "/srv/$host"}},
        "roots: blue: '/srv/$host' is not the whole path of a directory, such as '/srv/www/shop', without spaces and "
        "'$'",
    ),
    "whole server": (
        {**FILES, "roots": {"blue": "//"}},
        "roots: blue: '//' is not the whole path of a directory, such as '/srv/www/shop', without spaces and '$'",
    ),
    "upwards": (
        {**FILES, "roots": {"blue": "/srv/../etc"}},
        "roots: blue: '/srv/../etc' is not the whole path of a directory, such as '/srv/www/shop', without spaces and "
        "'$'",
    ),
    "hidden by the sandbox": (
        {**FILES, "roots": {"blue": "/home"}},
        "roots: blue: '/home' is hidden from nginx, as is all of /home (try /srv)",
    ),
    "fallback": (
        {**FILES, "fallback": "index.html"},
        "fallback: 'index.html' is not the path of a file, such as '/index.html'",
    ),
}


@pytest.mark.parametrize(("upstream", "message"), REFUSED.values(), ids=REFUSED)
def test_what_nginx_cannot_serve(upstream: dict[str, Any], message: str) -> None:
    with pytest.raises(upstreams.SwitchError) as caught:
        upstreams.settle(site(upstream), None, prune=False)
    assert str(caught.value) == f"site 'shop': upstreams: '{upstream['name']}': {message}"


def test_unserved() -> None:
    assert upstreams.unserved("shop", ["b", "a"]).startswith(
        "app: nginx serves no app 'shop' on this server (known: a, b)"
    )
