# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils import summary


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("a", 1), ("bcd", None)], ["  a    1", "  bcd  -"], id="aligned"),
        pytest.param([("a",), ("b", "c")], ["  a", "  b  c"], id="ragged"),
        pytest.param([("a", "")], ["  a  -"], id="empty"),
    ],
)
def test_table(rows: list[tuple[object, ...]], expected: list[str]) -> None:
    assert summary.table(rows) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_size(count: int | None, expected: str) -> None:
    assert summary.size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "-"), (3, "3 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (86400 * 89.6, "90 d"), (-7200, "-2 h")],
)
def test_age(seconds: float | None, expected: str) -> None:
    assert summary.age(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(86400 * 3, "3 d left"), (1, "1 s left"), (0, "ended 0 s ago"), (-86400 * 3, "ended 3 d ago")],
)
def test_remaining(seconds: float, expected: str) -> None:
    assert summary.remaining(seconds) == expected


def test_a_bare_server_is_described_without_gaps() -> None:
    text = summary.render(
        "web-1",
        {"apps": [{"name": "shop"}], "backups": [{"name": "shop-db"}], "certificates": [{"name": "shop"}]},
        0.0,
        [{"name": "shop"}],
    )
    for part in ("not released yet", "no containers yet", "none yet", "not watching yet"):
        assert part in text


def test_a_running_server_shows_what_matters() -> None:
    info = {
        "apps": [{"name": "shop", "release": "v2", "slot": "green"}],
        "containers": [{"container": "shop-green-web-1", "state": "Up 2 minutes (healthy)"}],
        "certificates": [{"name": "shop", "issuer": "Some CA", "not_after": 90 * 86400}],
        "backups": [
            {"name": "shop-db", "finished": -7200, "size": 2048, "level": "full", "verdict": "ok", "schedule": "daily"}
        ],
        "targets": {"up": 3, "total": 4, "down": ["node 127.0.0.1:9100"]},
    }
    text = summary.render("web-1", info, 0.0, [{"name": "shop", "domains": ["shop.example", "www.shop.example"]}])
    for part in (
        "https://shop.example/",
        "v2",
        "green",
        "90 d left",
        "2 h ago",
        "full: ok",
        "3 of 4 targets up",
        "down: node",
    ):
        assert part in text
