# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.drill import ledger

GOOD: dict[str, Any] = {
    "verdict": "ok",
    "reason": "",
    "checks": [
        {"name": "shop-db: counts", "verdict": "ok", "reason": "3 in 1, as promised"},
        {"name": "release", "verdict": "ok", "reason": "v1 is well"},
    ],
    "seconds": {"restore": 1.0},
    "sets": {"shop-db": "20261121-020000"},
}
BAD = {**GOOD, "verdict": "bad", "reason": "shop-db: counts: t: 4 expected, 3 found", "checks": GOOD["checks"][:1]}


def test_the_last_success_stays_when_a_drill_fails() -> None:
    first = ledger.entry({}, GOOD, 41.26, "localhost", 1000.0)
    assert (first["verdict"], first["rto"], first["at"]) == ("ok", 41.3, 1000.0)
    second = ledger.entry(first, BAD, 9.0, "localhost", 2000.0)
    assert second["verdict"] == "bad"
    assert second["success"] == {"at": 1000.0, "rto": 41.3, "sets": {"shop-db": "20261121-020000"}}


def test_metrics_of_a_failure_keep_what_was_measured_before() -> None:
    kept = ledger.entry(ledger.entry({}, GOOD, 41.2, "", 1000.0), BAD, 9.0, "", 2000.0)
    lines = [line for line in ledger.metrics("shop", kept).splitlines() if not line.startswith("#")]
    assert lines == [
        'mainstay_drill_ok{app="shop"} 0.0',
        'mainstay_drill_last_run_timestamp_seconds{app="shop"} 2000.0',
        'mainstay_drill_last_success_timestamp_seconds{app="shop"} 1000.0',
        'mainstay_drill_rto_seconds{app="shop"} 41.2',
    ]


def test_a_success_that_never_was_is_no_metric() -> None:
    text = ledger.metrics("shop", ledger.entry({}, BAD, 9.0, "", 2000.0))
    assert "last_success" not in text
    assert "rto" not in text
    assert 'mainstay_drill_ok{app="shop"} 0.0' in text


@pytest.mark.parametrize(
    ("result", "reason", "sets"),
    [
        pytest.param({"msg": "drill of 'shop': no", **BAD}, BAD["reason"], BAD["sets"], id="the drill itself"),
        pytest.param({"msg": "no route"}, "no route", {}, id="any task"),
        pytest.param(
            {"msg": "One or more items failed", "results": [{"failed": False}, {"failed": True, "msg": "no set"}]},
            "no set",
            {},
            id="a loop",
        ),
    ],
)
def test_what_a_failed_task_has_shown(result: dict[str, Any], reason: str, sets: dict[str, str]) -> None:
    found = ledger.failure(result)
    assert (found["verdict"], found["reason"], found["sets"]) == ("bad", reason, sets)
    assert set(found) == {"verdict", "reason", "checks", "seconds", "sets"}


DRILLS = [
    {"app": "shop", "result": GOOD, "rto": 41.0, "promised": 900},
    {"app": "blog", "result": GOOD, "rto": 1000.0, "promised": 900},
    {"app": "wiki", "result": BAD, "rto": 5.0, "promised": None},
]


def test_the_table() -> None:
    assert ledger.table(DRILLS) == [
        "app   sets             data       release  back in  promised  verdict",
        "shop  20261121-020000  1 of 1 ok  ok       41 s     15 min    ok",
        "blog  20261121-020000  1 of 1 ok  ok       17 min   15 min    too slow",
        "wiki  20261121-020000  1 of 1 ok  -        -        -         bad",
        "wiki: shop-db: counts: t: 4 expected, 3 found",
    ]


def database(name: str, external: bool = False) -> dict[str, Any]:
    return {"name": name, "external": {"host": "db.example"} if external else None}


def volume(name: str, enabled: bool = True) -> dict[str, Any]:
    return {"volumes": [{"name": name, "backup": {"enabled": enabled}}]}


@pytest.mark.parametrize(
    ("databases", "services", "reason"),
    [
        pytest.param([database("db")], [], None, id="a database here"),
        pytest.param([database("db"), database("old", external=True)], [], None, id="one here, one elsewhere"),
        pytest.param([], [], "it has no database", id="no database"),
        pytest.param(
            [database("db", external=True), database("log", external=True)],
            [],
            "no container here runs db, log; they are tried by playbooks/restore.yml -e app=shop -e to=beside",
            id="all elsewhere",
        ),
        pytest.param(
            [],
            [volume("uploads"), volume("uploads"), volume("cache", enabled=False)],
            "it has no database; its volumes uploads are tried by playbooks/restore.yml -e app=shop -e to=beside",
            id="volumes alone",
        ),
    ],
)
def test_what_no_drill_can_show(
    databases: list[dict[str, Any]], services: list[dict[str, Any]], reason: str | None
) -> None:
    found = ledger.left_out([{"name": "shop", "databases": databases, "services": services}])
    assert found == ([{"app": "shop", "reason": reason}] if reason else [])


def test_what_was_not_drilled_is_said() -> None:
    assert ledger.table([], [{"app": "site", "reason": "it has no database"}]) == [
        "no app was drilled",
        "site: not drilled: it has no database",
    ]
    assert ledger.table(DRILLS[:1], [{"app": "site", "reason": "it has no database"}])[2:] == [
        "site: not drilled: it has no database"
    ]


def test_what_is_not_verified_is_said() -> None:
    check = {"name": "release", "verdict": "not_verified", "reason": "db is managed elsewhere"}
    lines = ledger.table([{**DRILLS[0], "result": {**GOOD, "verdict": "not_verified", "checks": [check]}}])
    assert lines[-1] == "shop: release not verified: db is managed elsewhere"


def test_who_is_not_back_in_time() -> None:
    assert ledger.failed(DRILLS) == ["blog", "wiki"]
    assert ledger.failed([]) == []


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        pytest.param(
            ledger.entry({}, GOOD, 41.2, "", 1000.0),
            "shop: drilled 2 h ago with 20261121-020000: ok, back in 41 s",
            id="good",
        ),
        pytest.param(
            ledger.entry(ledger.entry({}, GOOD, 41.2, "", 1000.0), BAD, 9.0, "", 4600.0),
            "shop: drilled 60 min ago with 20261121-020000: BAD: shop-db: counts: t: 4 expected, 3 found;"
            " the last good one was 2 h ago",
            id="bad, after a good one",
        ),
        pytest.param(
            ledger.entry({}, {**BAD, "sets": {}}, 9.0, "", 4600.0),
            "shop: drilled 60 min ago: BAD: shop-db: counts: t: 4 expected, 3 found; none has ever been good",
            id="bad, the first",
        ),
        pytest.param(
            ledger.entry({}, {**GOOD, "verdict": "not_verified"}, 9.0, "", 4600.0),
            "shop: drilled 60 min ago with 20261121-020000: NOT_VERIFIED: the app was not asked;"
            " none has ever been good",
            id="not asked",
        ),
    ],
)
def test_drills_in_the_list_of_backups(kept: dict[str, Any], line: str) -> None:
    assert ledger.remembered({"shop": kept}, 8200.0) == [line]
