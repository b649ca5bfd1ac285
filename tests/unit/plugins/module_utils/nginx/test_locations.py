# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import files, locations, quote

SITE = {
    "name": "shop",
    "domains": ["shop.example"],
    "routes": [{"path": "/", "upstream": "web"}, {"path": "/api/", "upstream": "api"}],
}
FREE = {"zone": None, "burst": 0}
MERGED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "no limits": ([], [{"path": "/api/", "upstream": "api", **FREE}, {"path": "/", "upstream": "web", **FREE}]),
    "limit on a route": (
        [{"path": "/api/", "upstream": "api", "zone": "z", "rate": "1r/s", "burst": 5}],
        [{"path": "/api/", "upstream": "api", "zone": "z", "burst": 5}, {"path": "/", "upstream": "web", **FREE}],
    ),
    "limit below a route": (
        [{"path": "/api/login", "upstream": "api", "zone": "z", "rate": "1r/s"}],
        [
            {"path": "/api/login", "upstream": "api", "zone": "z", "burst": 0},
            {"path": "/api/", "upstream": "api", **FREE},
            {"path": "/", "upstream": "web", **FREE},
        ],
    ),
}


@pytest.mark.parametrize(("limits", "merged"), MERGED.values(), ids=MERGED)
def test_locations(limits: list[dict[str, Any]], merged: list[dict[str, Any]]) -> None:
    assert locations({**SITE, "rate_limits": limits}) == merged


HEADERS = {
    "none of its own": ({}, {"A": "default"}),
    "its own": ({"headers": {"B": "own"}}, {"B": "own"}),
    "none at all, on purpose": ({"headers": {}}, {}),
}


@pytest.mark.parametrize(("more", "headers"), HEADERS.values(), ids=HEADERS)
def test_headers(more: dict[str, Any], headers: dict[str, str]) -> None:
    made = files([{**SITE, **more}], {"A": "default"})
    assert [file["dest"] for file in made] == ["mainstay/sites/shop.conf", "mainstay/sites/shop.headers"]
    assert [file["vars"]["site"]["headers"] for file in made] == [headers, headers]


def test_a_site_without_domains_has_no_files() -> None:
    assert files([{**SITE, "domains": []}], {}) == []


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
