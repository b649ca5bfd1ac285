# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest, verdict
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
)


def check(word: str, required: bool = True) -> Check:
    return Check("c", word, "r", required)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        pytest.param([], NOT_VERIFIED, id="nothing was checked"),
        pytest.param([check(OK)], OK, id="ok"),
        pytest.param([check(OK), check(NOT_VERIFIED)], NOT_VERIFIED, id="one not verified"),
        pytest.param([check(OK), check(NOT_VERIFIED, required=False)], OK, id="one not verified that informs"),
        pytest.param([check(NOT_VERIFIED), check(BAD)], BAD, id="one bad"),
        pytest.param([check(OK), check(BAD, required=False)], BAD, id="one bad that informs"),
        pytest.param([check(OK, required=False)], NOT_VERIFIED, id="only what informs"),
    ],
)
def test_overall(checks: list[Check], expected: str) -> None:
    assert verdict.overall(checks) == expected


@pytest.mark.parametrize(
    ("expected", "found", "volatile", "extra", "lines"),
    [
        pytest.param({"a": 1}, {"a": 1}, {}, False, [], id="same"),
        pytest.param({}, {}, {}, False, [], id="nothing and nothing"),
        pytest.param({"a": 2}, {"a": 1}, {}, False, ["a: 2 expected, 1 found"], id="fewer"),
        pytest.param({"a": 2}, {"a": 3}, {}, False, ["a: 2 expected, 3 found"], id="more"),
        pytest.param({"a": 2}, {}, {}, False, ["a: 2 expected, but it is not there"], id="none"),
        pytest.param({"a": 0}, {}, {}, False, ["a: 0 expected, but it is not there"], id="an empty one is missing"),
        pytest.param({}, {"a": 0}, {}, False, ["a: not expected, 0 found"], id="another"),
        pytest.param({}, {"a": 0}, {}, True, [], id="another, allowed"),
        pytest.param({"db0": 5}, {"db0": 3}, {"db0": 2}, False, [], id="some have expired"),
        pytest.param(
            {"db0": 5}, {"db0": 2}, {"db0": 2}, False, ["db0: 5 expected, 2 found"], id="more than can expire"
        ),
        pytest.param({"db0": 2}, {}, {"db0": 2}, False, [], id="all have expired"),
    ],
)
def test_differences(
    expected: dict[str, int], found: dict[str, int], volatile: dict[str, int], extra: bool, lines: list[str]
) -> None:
    assert verdict.differences(expected, found, volatile, extra) == lines


def test_shorten() -> None:
    assert verdict.shorten([str(n) for n in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


VALID: dict[str, Any] = {
    "format": 1,
    "set": "20261121-020000",
    "job": "j",
    "app": "a",
    "engine": "redis",
    "file": "f",
    "size": 1,
    "sha256": "0",
    "started": "2026-11-21T02:00:00Z",
    "finished": "2026-11-21T02:00:01Z",
    "verification": {"verdict": "ok"},
}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", "x is damaged: Expecting value", id="empty"),
        pytest.param('{"format": 1', "x is damaged", id="cut"),
        pytest.param("[]", "x is not a manifest", id="a list"),
        pytest.param("{}", "x is damaged: format, set, job, .* missing", id="nothing in it"),
        pytest.param(json.dumps(VALID | {"size": "1"}), "size missing or of the wrong kind", id="a size in words"),
        pytest.param(
            json.dumps(VALID | {"format": 2}), "x has format 2, this version reads up to 1", id="from the future"
        ),
    ],
)
def test_manifests_that_are_none(text: str, error: str) -> None:
    with pytest.raises(BackupError, match=error):
        manifest.parse(text, "x")


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    (tmp_path / "m").write_text(manifest.dump(VALID | {"note": "ü"}), encoding="utf-8")
    assert manifest.load(tmp_path / "m") == VALID | {"note": "ü"}


def test_a_manifest_that_is_missing_or_binary(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no manifest"):
        manifest.load(tmp_path / "m")
    (tmp_path / "m").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BackupError, match="is damaged"):
        manifest.load(tmp_path / "m")


def test_moments() -> None:
    assert manifest.set_id(manifest.set_moment("20261121-020000")) == "20261121-020000"
    assert manifest.timestamp(manifest.moment("2026-11-21T02:00:00Z")) == "2026-11-21T02:00:00Z"
    with pytest.raises(ValueError, match=r"'today' is not the id of a set \(try '20261121-020000'\)"):
        manifest.set_moment("today")
