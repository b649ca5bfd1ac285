# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.change import change_check, drops, newest_proven


def manifest(size: int = 1 << 20, counts: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    found = {"set": "20261121-020000", "size": size, "counts": counts or {"a": 1000, "b": 50}, "compression": "zstd"}
    return {**found, "databases": ["shop"], "verification": {"verdict": "ok"}, **more}


BEFORE = manifest()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(BEFORE, manifest(), [], id="the same"),
        pytest.param(BEFORE, manifest(size=2 << 20, counts={"a": 9000, "b": 50, "c": 1}), [], id="more"),
        pytest.param(BEFORE, manifest(counts={"a": 500, "b": 50}), [], id="half of it is just allowed"),
        pytest.param(BEFORE, manifest(counts={"a": 499, "b": 50}), ["a: 1000 before, 499 now"], id="more than half"),
        pytest.param(BEFORE, manifest(counts={"b": 50}), ["a: 1000 before, none now"], id="a table is gone"),
        pytest.param(BEFORE, manifest(counts={"a": 1000, "b": 0}), [], id="small tables come and go"),
        pytest.param(
            manifest(counts={"a": 3}), manifest(counts={"a": 0}), ["empty, 3 before"], id="everything is gone"
        ),
        pytest.param(
            manifest(counts={str(n): 60 for n in range(10)}),
            manifest(counts={str(n): 20 for n in range(10)}),
            ["600 in all before, 200 now"],
            id="many small tables",
        ),
        pytest.param(BEFORE, manifest(size=1 << 18), ["1.0 MiB before, 256.0 KiB now"], id="bytes"),
        pytest.param(BEFORE, manifest(size=1 << 18, compression="gzip"), [], id="bytes of another compression"),
        pytest.param(manifest(size=60000), manifest(size=600), [], id="few bytes"),
        pytest.param(
            manifest(plain={"size": 1 << 20}), manifest(plain={"size": 1 << 20}, size=9), [], id="encrypted"
        ),
        pytest.param(
            manifest(counts={"db0": 1000}, volatile={"db0": 900}), manifest(counts={"db0": 100}), [], id="volatile keys"
        ),
        pytest.param(
            manifest(counts={"/x bytes": 60000, "/x files": 4}), manifest(counts={"/x bytes": 0, "/x files": 3}), [],
            id="a folder with a few bytes",
        ),
    ],
)  # fmt: skip
def test_what_is_down(before: dict[str, Any], now: dict[str, Any], expected: list[str]) -> None:
    assert drops(before, now, 50) == expected
    assert drops(before, now, 100) == []


def test_verdicts() -> None:
    empty = manifest(counts={"a": 0})
    assert change_check(None, empty, 50).verdict == "not_verified"
    assert not change_check(None, empty, 50).required
    assert change_check(BEFORE, manifest(), 50).verdict == "ok"
    bad = change_check(BEFORE, empty, 50)
    assert bad.verdict == "bad"
    assert bad.reason == "down by more than 50 % since 20261121-020000: empty, 1050 before, a: 1000 before, 0 now"
    assert change_check(BEFORE, empty, 50, acknowledged=True).verdict == "ok"


def test_what_is_compared_with() -> None:
    first, other, bad, last = (
        manifest(set="1"), manifest(set="2", databases=["x"]), manifest(set="3", verification={"verdict": "bad"}),
        manifest(set="4"),
    )  # fmt: skip
    assert newest_proven([first, other, bad], ["shop"]) is first
    assert newest_proven([first, other, bad, last], ["shop"]) is last
    assert newest_proven([first, other, bad, last], ["shop"], before="4") is first
    assert newest_proven([other, bad], ["shop"]) is None
