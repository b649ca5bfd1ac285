# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue as people see it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_moment
from ansible_collections.mainstay.platform.plugins.module_utils.keep.table import broken, metrics, table

A, B = "20261120-020000", "20261121-020000"
NOW = set_moment("20261121-030000")
PROMISE = {"name": "shop-db", "app": "shop", "max_age": 26 * 3600}


def here(*keys: str, verdict: str = "ok", stores: Any = None, **state: Any) -> dict[str, Any]:
    """A job on the server."""
    backups = [
        {
            "app": "shop", "database": "db", "set": key, "file": f"x-{key}.dump.age", "size": 2048,
            "counts": {"t": 3}, "encryption": {"kind": "age"}, "verification": {"level": "full", "verdict": verdict},
        }
        for key in keys
    ]  # fmt: skip
    return {"name": "shop-db", "backups": backups, "state": {"stores": stores or {}, **state}}


def there(key: str, store: str = "near", problem: str = "", **changes: Any) -> dict[str, Any]:
    """A set in a store."""
    known = {
        "store": store, "set": key, "job": "shop-db", "app": "shop", "database": "db", "size": 2048, "counted": 3,
        "whole": not problem, "problem": problem, "verdict": "ok", "level": "full", "recipients": ["age1x"],
    }  # fmt: skip
    return known | changes


def cut(job: dict[str, Any]) -> dict[str, Any]:
    """The job, of whose sets a piece is missing."""
    for item in job["backups"]:
        item["pieces"] = [item["file"], "y"]
    return job


def lines(*args: Any, **options: Any) -> list[str]:
    return [" ".join(line.split()) for line in table(*args, **options)]


ROW = "shop 20261121-020000 db 60 min 2.0 KiB 3 full: ok"


@pytest.mark.parametrize(
    ("job", "sets", "expected"),
    [
        pytest.param(here(B), [there(B), there(B, "far")], f"{ROW} server, near, far held, of 26 h", id="everywhere"),
        pytest.param(here(), [there(B, "far")], f"{ROW} far held, of 26 h", id="in one store alone"),
        pytest.param(here(B), [there(B, problem="cut")], f"{ROW} server, near (not whole) -", id="not whole there"),
        pytest.param(here(B), [], f"{ROW} server -", id="not stored"),
        pytest.param(
            cut(here(B)), [there(B, problem="incomplete: y is not there")],
            f"{ROW} server (incomplete), near (incomplete) -", id="a piece is missing",
        ),
        pytest.param(
            here(B, stores={"near": {"sets": [B]}}), None, f"{ROW} server, near* held, of 26 h",
            id="nobody looked into the store",
        ),
        pytest.param(here(B, stores={"near": {"sets": [A]}}), None, f"{ROW} server -", id="not sent yet"),
        pytest.param(
            here(), [there(B, recipients=[])], f"{ROW}, not encrypted near held, of 26 h", id="not encrypted"
        ),
        pytest.param(
            here(), [there(B, verdict="not_verified")],
            "shop 20261121-020000 db 60 min 2.0 KiB 3 full: not_verified near -", id="not proven",
        ),
        pytest.param(
            here(), [there(B, problem="x has no manifest", app="", database="", verdict="", size=9)],
            "- 20261121-020000 shop-db 60 min 0 B 0 not whole near (not whole) -", id="nothing is known of it",
        ),
    ],
)  # fmt: skip
def test_rows(job: dict[str, Any], sets: list[dict[str, Any]] | None, expected: str) -> None:
    assert lines([job], NOW, sets, promises=[PROMISE])[1] == expected


@pytest.mark.parametrize(
    ("verdict", "success", "proofs"),
    [
        pytest.param("ok", B, ["drill: ok", "full: ok"], id="the newest was good"),
        pytest.param("bad", A, ["drill: bad", "drill: ok"], id="the newest was bad, the one before good"),
        pytest.param("bad", "", ["drill: bad", "full: ok"], id="none was good"),
    ],
)
def test_what_drills_have_shown(verdict: str, success: str, proofs: list[str]) -> None:
    good = {"at": NOW, "rto": 9.0, "sets": {"shop-db": success}} if success else None
    kept = {"at": NOW - 60, "verdict": verdict, "reason": "less", "rto": 9.0, "sets": {"shop-db": B}, "success": good}
    found = lines([here()], NOW, [there(A), there(B)], drills={"shop": kept})
    assert [proof in line for line, proof in zip(found[1:3], proofs, strict=True)] == [True, True], found
    assert found[3].startswith(f"shop: drilled 60 s ago with {B}: {verdict if verdict == 'ok' else 'BAD'}")


def test_newest_first_and_what_is_older_is_counted() -> None:
    found = lines([here()], NOW, [there(A), there(B), there("20261119-020000")], limit=2)
    assert [line.split()[1] for line in found[1:3]] == [B, A]
    assert found[3:] == ["and 1 older"]


def test_the_newest_that_holds_the_promise_is_always_shown() -> None:
    found = lines([here()], NOW, [there(A), there(B, problem="cut")], promises=[PROMISE], limit=1)
    assert found[2].endswith("near held, of 26 h")


@pytest.mark.parametrize(
    ("sets", "promise", "names"),
    [
        pytest.param([there(B)], PROMISE, [], id="held"),
        pytest.param([there(A)], PROMISE, [], id="held just so"),
        pytest.param(
            [there(A)], PROMISE | {"rpo": 6 * 3600}, ["shop-db"], id="the objective counts where there is one"
        ),
        pytest.param([there("20261101-020000")], PROMISE, ["shop-db"], id="too old"),
        pytest.param([there(B, verdict="bad")], PROMISE, ["shop-db"], id="not proven"),
        pytest.param([], PROMISE, ["shop-db"], id="nothing there"),
    ],
)
def test_promises(sets: list[dict[str, Any]], promise: dict[str, Any], names: list[str]) -> None:
    assert broken([here()], NOW, sets, [promise]) == names
    assert any("BROKEN" in line for line in table([here()], NOW, sets, promises=[promise])) == bool(names)


AHEAD = "20991231-020000"


@pytest.mark.parametrize(
    ("sets", "names", "told"),
    [
        pytest.param([there(AHEAD)], ["shop-db"], [AHEAD], id="it is the only one"),
        pytest.param([there("20261101-020000"), there(AHEAD)], ["shop-db"], [AHEAD], id="the other one is too old"),
        pytest.param([there(B), there(AHEAD)], [], [AHEAD], id="the other one holds the promise"),
        pytest.param([there("20261121-030459")], [], [], id="as much as clocks may differ"),
        pytest.param([there("20261121-031001")], ["shop-db"], ["20261121-031001"], id="more than that"),
    ],
)
def test_a_clock_that_jumps_holds_no_promise(sets: list[dict[str, Any]], names: list[str], told: list[str]) -> None:
    assert broken([here()], NOW, sets, [PROMISE]) == names
    found = lines([here()], NOW, sets, promises=[PROMISE])
    assert any("BROKEN" in line for line in found) == bool(names)
    assert [line.split()[2] for line in found if "is dated in the future" in line] == told
    stored = metrics([{**item, "proven": True} for item in sets], [{"name": "near"}], [PROMISE], NOW)
    good = [set_moment(item["set"]) for item in sets if item["set"] not in told]
    assert stored.split()[-1] == repr(max(good, default=0.0))


def test_a_clock_that_jumped_on_a_server_whose_store_nobody_reads() -> None:
    job = here(AHEAD, stores={"near": {"sets": [AHEAD]}})
    assert broken([job], NOW, None, [PROMISE]) == ["shop-db"]


def test_without_any_set_the_promise_is_said() -> None:
    assert lines([here()], NOW, [], promises=[PROMISE]) == [
        "no backups",
        "shop-db: BROKEN, of 26 h: no set of it is proven and stored",
    ]


def test_failures_and_stores_end_the_list() -> None:
    stores = [
        {
            "name": "near",
            "where": "bucket 'b'",
            "error": "",
            "protection": [{"name": "lock", "verdict": "ok", "reason": "r"}],
        },
        {"name": "far", "where": "", "error": "Cannot list", "protection": []},
    ]
    assert lines([here(failing=True, last_failure=NOW - 60, reason="disk full")], NOW, [], stores) == [
        "no backups",
        "shop-db: failed 60 s ago: disk full",
        "store near: bucket 'b'; lock ok (r)",
        "store far: Cannot list",
    ]


def test_columns_are_aligned() -> None:
    found = table([here(B)], NOW, [there(A), there(B, "near"), there(B, "far")])
    assert len({line.index(word) for line, word in zip(found, ("where", "server", "near"), strict=True)}) == 1


def test_metrics_tell_of_every_promise_in_every_store() -> None:
    sets = [there(A, proven=True), there(B, proven=True), there(B, "far", proven=False)]
    text = metrics(sets, [{"name": "near"}, {"name": "far"}], [PROMISE, {"name": "shop-cache", "app": "shop"}], NOW)
    assert text.splitlines()[2:] == [
        'mainstay_backup_stored_timestamp_seconds{backup="shop-db",app="shop",store="near"} 1795226400.0',
        'mainstay_backup_stored_timestamp_seconds{backup="shop-db",app="shop",store="far"} 0.0',
        'mainstay_backup_stored_timestamp_seconds{backup="shop-cache",app="shop",store="near"} 0.0',
        'mainstay_backup_stored_timestamp_seconds{backup="shop-cache",app="shop",store="far"} 0.0',
    ]
