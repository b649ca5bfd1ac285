# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import (
    files,
    limit,
    locations,
    packages,
    pages,
    quote,
    variable,
)

SITE = {
    "name": "shop",
    "domains": ["shop.example"],
    "routes": [{"path": "/", "upstream": "web"}, {"path": "/api/", "upstream": "api"}],
}
API, WEB = {"path": "/api/", "upstream": "api"}, {"path": "/", "upstream": "web"}
LOGIN = {"path": "/api/login", "upstream": "api"}
MERGED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "no limits": ([], [API | {"limit": None}, WEB | {"limit": None}]),
    "limit on a route": (
        [API | {"zone": "z", "rate": "10/s", "burst": 5}],
        [API | {"limit": {"zone": "z", "rate": "10r/s", "burst": 5, "retry": 1}}, WEB | {"limit": None}],
    ),
    "limit below a route": (
        [LOGIN | {"zone": "z", "rate": "5/m"}],
        [
            LOGIN | {"limit": {"zone": "z", "rate": "5r/m", "burst": 0, "retry": 12}},
            API | {"limit": None},
            WEB | {"limit": None},
        ],
    ),
    "limit per hour": (
        [LOGIN | {"zone": "z", "rate": "2/h", "burst": 1}],
        [LOGIN | {"limit": {"zone": "z", "count": 2, "seconds": 3600}}, API | {"limit": None}, WEB | {"limit": None}],
    ),
    "limit in several minutes": (
        [LOGIN | {"zone": "z", "rate": "20/15m"}],
        [LOGIN | {"limit": {"zone": "z", "count": 20, "seconds": 900}}, API | {"limit": None}, WEB | {"limit": None}],
    ),
}


@pytest.mark.parametrize(("limits", "merged"), MERGED.values(), ids=MERGED)
def test_locations(limits: list[dict[str, Any]], merged: list[dict[str, Any]]) -> None:
    found = locations({**SITE, "rate_limits": limits})
    assert [{key: place[key] for key in ("path", "upstream", "limit")} for place in found] == merged


WIDE, NARROW = {"path": "/API/", "upstream": "api"}, {"path": "/api/v1/login", "upstream": "api"}
WITHIN: dict[str, tuple[list[dict[str, Any]], dict[str, list[str]]]] = {
    "a limit below a route, not below that of another service": (
        [LOGIN | {"zone": "z", "rate": "5/m"}],
        {"/api/login": [], "/api/": ['"^/api/login"'], "/": []},
    ),
    "the narrower one first": (
        [WIDE | {"zone": "y", "rate": "9/s"}, NARROW | {"zone": "z", "rate": "5/m"}],
        {"/api/v1/login": [], "/API/": ['"^/api/v1/login"'], "/api/": ['"^/api/v1/login"', '"^/API/"'], "/": []},
    ),
    "signs of patterns": (
        [LOGIN | {"path": "/api/v1.0/x+y", "zone": "z", "rate": "5/m"}],
        {"/api/v1.0/x+y": [], "/api/": [r'"^/api/v1\\.0/x\\+y"'], "/": []},
    ),
}


@pytest.mark.parametrize(("limits", "within"), WITHIN.values(), ids=WITHIN)
def test_limits_in_another_case(limits: list[dict[str, Any]], within: dict[str, list[str]]) -> None:
    found = locations({**SITE, "rate_limits": limits})
    assert {place["path"]: [inner["pattern"] for inner in place["within"]] for place in found} == within


HOURLY = {**SITE, "rate_limits": [LOGIN | {"zone": "z", "rate": "2/h"}]}
PER_MINUTE = {**SITE, "rate_limits": [LOGIN | {"zone": "z", "rate": "2/m"}]}


@pytest.mark.parametrize(
    ("site", "needed"),
    [
        pytest.param(SITE, False, id="no limit"),
        pytest.param(PER_MINUTE, False, id="limit that nginx can count"),
        pytest.param(HOURLY, True, id="limit per hour"),
        pytest.param(HOURLY | {"domains": []}, False, id="limit of a site that is not served"),
    ],
)
def test_njs_comes_where_it_is_needed(site: dict[str, Any], needed: bool) -> None:
    assert ("libnginx-mod-http-js" in packages([site], False)) is needed
    assert ("mainstay/limits.js" in [file["dest"] for file in files([site], {}, "0.8.9-1")]) is needed


@pytest.mark.parametrize("njs", ["", "0.8.0", "0.8.9-1", "1.0.0"])
def test_njs_that_can_count(njs: str) -> None:
    assert files([HOURLY], {}, njs)


def test_brotli_comes_where_it_is_wanted() -> None:
    assert packages([SITE], False) == ["nginx"]
    assert packages([HOURLY], True) == ["nginx", "libnginx-mod-http-brotli-filter", "libnginx-mod-http-js"]


def test_pages_for_people_and_for_programs() -> None:
    words = {"404": {"title": "A", "text": "B"}, "maintenance": {"title": "C", "text": "D"}}
    assert [(page["src"], page["dest"], page["vars"]["page"]["status"]) for page in pages(words)] == [
        ("page.html.j2", "mainstay/pages/404.html", 404),
        ("page.json.j2", "mainstay/pages/404.json", 404),
        ("page.html.j2", "mainstay/pages/maintenance.html", 503),
        ("page.json.j2", "mainstay/pages/maintenance.json", 503),
    ]


def test_private_paths_become_patterns() -> None:
    (file, _headers) = files([SITE | {"private": ["/api/metrics.v1"]}], {}, "")
    assert file["vars"]["site"]["closed"] == [r'"^/api/metrics\\.v1(?:[/;]|$)"']


PAGES = {"name": "shop_my-pages", "roots": {"blue": "/srv/b"}}
STATIC_SITE = {
    **SITE,
    "upstreams": [PAGES, {"name": "api", "ports": {"blue": 1}}],
    "routes": [{"path": "/", "upstream": "shop_my-pages"}, {"path": "/api/", "upstream": "api"}],
}


def test_files_are_told_from_programs() -> None:
    (file, _headers) = files([STATIC_SITE], {}, "")
    got = file["vars"]["site"]
    assert [(place["path"], place["files"]) for place in got["locations"]] == [
        ("/api/", None),
        ("/", "shop_my_2d_pages"),
    ]
    assert got["files"] == [{"upstream": "shop_my-pages", "files": "shop_my_2d_pages"}]


def test_variables_are_different_where_names_are() -> None:
    names = ["a-b_c", "a_b-c", "a_b_c", "a.b_c"]
    assert [variable(name) for name in names] == ["a_2d_b_c", "a_b_2d_c", "a_b_c", "a_2e_b_c"]


def test_njs_that_is_too_old() -> None:
    assert files([PER_MINUTE], {}, "0.7.9-2")
    with pytest.raises(ValueError) as caught:
        files([HOURLY], {}, "0.7.9-2")
    assert str(caught.value) == (
        "site 'shop': rate_limits: /api/login: '2/h': needs njs 0.8 or later, and this server has 0.7.9-2 "
        "(write a rate per second or minute, or take a server with Debian 13)"
    )


@pytest.mark.parametrize("rate", ["2r/h", "0/s", "2/0h", "2/y", 5, ""])
def test_what_is_no_rate(rate: object) -> None:
    with pytest.raises(ValueError, match=r"rate_limits: /api/login: .* is not a rate such as"):
        limit(LOGIN | {"zone": "z", "rate": rate})


HEADERS = {
    "none of its own": ({}, {"A": "default"}),
    "its own": ({"headers": {"B": "own"}}, {"B": "own"}),
    "none at all, on purpose": ({"headers": {}}, {}),
}


@pytest.mark.parametrize(("more", "headers"), HEADERS.values(), ids=HEADERS)
def test_headers(more: dict[str, Any], headers: dict[str, str]) -> None:
    made = files([{**SITE, **more}], {"A": "default"}, "")
    assert [file["dest"] for file in made] == ["mainstay/sites/shop.conf", "mainstay/sites/shop.headers"]
    assert [file["vars"]["site"]["headers"] for file in made] == [headers, headers]


def test_a_site_without_domains_has_no_files() -> None:
    assert files([{**SITE, "domains": []}], {}, "") == []


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        pytest.param("DENY", '"DENY"', id="word"),
        pytest.param("default-src 'self'; x", "\"default-src 'self'; x\"", id="policy"),
        pytest.param('a "b" \\', '"a \\"b\\" \\\\"', id="quotes and backslashes"),
    ],
)
def test_quote(value: str, quoted: str) -> None:
    assert quote(value) == quoted


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("a$b", "'a$b' holds a '$', which nginx takes for a variable", id="variable"),
        pytest.param("a\nb", r"'a\nb' holds a line break", id="line break"),
    ],
)
def test_what_cannot_be_quoted(value: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        quote(value)
    assert str(caught.value) == message
