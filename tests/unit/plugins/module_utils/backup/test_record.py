# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import record
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_id, timestamp

NOW = 1_795_226_400.0
DAY = 86400


def item(age: float, verdict: str = "ok", **more: Any) -> dict[str, Any]:
    started = NOW - age * DAY
    return {"set": set_id(started), "started": timestamp(started), "verification": {"verdict": verdict}, **more}


def going(manifests: list[dict[str, Any]], keep: float) -> list[str]:
    return [entry.set for entry in record.decide(manifests, keep, NOW) if not entry.keep]


@pytest.mark.parametrize(
    ("ages", "keep", "gone"),
    [
        pytest.param([], 7, [], id="none"),
        pytest.param([(1, "ok"), (2, "ok")], 7, [], id="all young"),
        pytest.param([(1, "ok"), (8, "ok"), (9, "ok")], 7, [9, 8], id="old ones go"),
        pytest.param([(8, "ok"), (9, "ok")], 7, [9], id="the last one stays, whatever its age"),
        pytest.param([(1, "not_verified"), (8, "ok"), (9, "ok")], 7, [9], id="the last proven one stays"),
        pytest.param([(8, "not_verified"), (9, "not_verified")], 7, [9, 8], id="unproven ones do not stay"),
        pytest.param([(0.1, "ok"), (0.2, "ok")], 0, [0.2], id="keep nothing but the last"),
        pytest.param([(7, "ok"), (6, "ok")], 7, [], id="exactly as old as allowed"),
    ],
)
def test_which_go(ages: list[tuple[float, str]], keep: float, gone: list[float]) -> None:
    assert going([item(age, verdict) for age, verdict in ages], keep) == [set_id(NOW - age * DAY) for age in gone]


def test_a_set_of_which_one_part_is_unproven_is_not_proven() -> None:
    parts = [item(8), item(8, "not_verified"), item(20)]
    assert going(parts, 7) == [set_id(NOW - 8 * DAY)]


def test_a_set_that_lacks_a_part_is_no_last_one() -> None:
    cut = item(8, file="a", pieces=["a", "b"])
    assert going([cut, item(20)], 7) == [cut["set"]]
    assert going([cut, item(8, file="b", pieces=["a", "b"]), item(20)], 7) == [set_id(NOW - 20 * DAY)]


def test_the_reason_is_given() -> None:
    assert record.decide([item(1), item(20)], 7, NOW)[0].reason == "20.0 days old, 7 days are kept"


def test_remove_set(tmp_path: Path) -> None:
    old, new = item(20, file="a.dump"), item(1, file="b.dump")
    for entry in (old, new):
        (tmp_path / entry["file"]).write_text("x")
        (tmp_path / f"{entry['file']}.manifest.json").write_text("{}")
    record.remove_set(tmp_path, [old, new], old["set"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.dump", "b.dump.manifest.json"]


GOOD = {"ok": True, "reason": "", "set": "20261121-020000", "started": NOW - 5, "size": 100, "duration": 2.5}
BAD = {"ok": False, "reason": "disk full"}


def test_the_state_after_a_good_run_and_a_bad_one() -> None:
    good = record.next_state({}, GOOD, NOW)
    assert good == {
        "last_attempt": NOW,
        "last_success": NOW - 5,
        "set": "20261121-020000",
        "size": 100,
        "duration": 2.5,
        "failing": False,
        "reason": "",
    }
    bad = record.next_state(good, BAD, NOW + 10)
    assert bad == good | {"last_attempt": NOW + 10, "last_failure": NOW + 10, "failing": True, "reason": "disk full"}
    assert record.next_state(bad, GOOD, NOW + 20)["last_failure"] == NOW + 10


LABELS = {"backup": 'a"b\\c', "app": "app", "engine": "redis"}


def test_metrics() -> None:
    text = record.render_metrics(LABELS, record.next_state({}, GOOD, NOW))
    assert (
        'mainstay_backup_last_success_timestamp_seconds{backup="a\\"b\\\\c",app="app",engine="redis"} 1795226395.0\n'
    ) in text
    assert 'mainstay_backup_size_bytes{backup="a\\"b\\\\c",app="app",engine="redis"} 100.0\n' in text
    assert "last_failure" not in text
    assert text.count("# TYPE") == 4


def test_stores_have_ages_of_their_own() -> None:
    state = {"stores": {"near": {"newest": NOW}, "far": {"newest": NOW - DAY}, "new": {}}}
    lines = record.render_metrics({"backup": "j"}, state).splitlines()
    assert lines[2:] == [
        'mainstay_backup_sent_timestamp_seconds{backup="j",store="near"} 1795226400.0',
        'mainstay_backup_sent_timestamp_seconds{backup="j",store="far"} 1795140000.0',
    ]
    assert record.next_state(state, BAD, NOW)["stores"] == state["stores"]


def test_what_never_succeeded_has_no_age() -> None:
    text = record.render_metrics(LABELS, record.next_state({}, BAD, NOW))
    assert "last_success" not in text
    assert "mainstay_backup_last_failure_timestamp_seconds{" in text


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_a_lost_state_is_no_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "j.json").write_text(content)
    assert record.load_state(tmp_path / "j.json") == {}


def test_two_who_change_the_state_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "j.json"

    def write(name: str) -> None:
        for _time in range(100):
            record.update_state(path, lambda state: {**state, name: state.get(name, 0) + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "aabc"))
    assert record.load_state(path) == {"a": 200, "b": 100, "c": 100}
    assert [item.name for item in path.parent.iterdir()] == ["j.json"]


@pytest.mark.parametrize(
    ("stores", "expected"),
    [
        pytest.param({}, "", id="no store"),
        pytest.param({"near": "abc", "far": "abc"}, "abc", id="all live"),
        pytest.param({"near": "abc", "far": "a"}, "abc", id="one is dead"),
        pytest.param({"near": "abc", "far": ""}, "abc", id="one has never had anything"),
        pytest.param({"near": "abc", "far": "bc"}, "bc", id="one lacks what it missed"),
        pytest.param({"near": "ab", "far": "ab"}, "", id="all are dead"),
    ],
)
def test_what_every_living_store_has(stores: dict[str, str], expected: str) -> None:
    state = {"stores": {name: {"sets": list(sets)} for name, sets in stores.items()}}
    assert record.sent_everywhere(state, list("bca")) == set(expected)
    assert record.sent_everywhere({}, []) == set()
