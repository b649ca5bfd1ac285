# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases served, from a packed state."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states

SET = "20261121-031500"
V2 = {"release": "v2", "id": "v2-1a2b3c4d", "slot": "blue", "images": {}, "since": "2026-11-20T10:00:00Z"}
BAD = {"id": "v3-00000000", "release": "v3", "at": "2026-11-20T11:00:00Z"}
SERVED = {"release": "v2", "id": "v2-1a2b3c4d", "since": "2026-11-20T10:00:00Z", "rolled_back": None}
KNOWN = {**SERVED, "job": "server-state", "set": SET, "at": "2026-11-21T03:15:00Z"}


def packed(**files: str) -> io.BytesIO:
    """A tar archive of files, whose names have ``__`` for a slash."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    result.seek(0)
    return result


STATE = "var__lib__mainstay__app_stack__"


@pytest.mark.parametrize(
    ("files", "served"),
    [
        pytest.param({f"{STATE}shop.json": json.dumps({"serving": V2})}, {"shop": SERVED}, id="one"),
        pytest.param(
            {f"{STATE}shop.json": json.dumps({"serving": V2, "rolled_back": BAD})},
            {"shop": {**SERVED, "rolled_back": BAD}},
            id="one that was rolled back to",
        ),
        pytest.param({f"{STATE}shop.json": json.dumps({"serving": None})}, {}, id="nothing served"),
        pytest.param({f"{STATE}.shop.x": "{", "srv__shop.json": "{", f"{STATE}a__b.json": "{"}, {}, id="other files"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_what_served(files: dict[str, str], served: dict[str, Any]) -> None:
    assert recall.served(packed(**files)) == served


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(io.BytesIO(b"no archive" * 100), id="no archive"),
        pytest.param(packed(**{f"{STATE}shop.json": "{"}), id="a state that is cut short"),
    ],
)
def test_a_state_that_cannot_be_read(archive: io.BytesIO) -> None:
    with pytest.raises(BackupError, match="the backup of the server's state cannot be read: "):
        recall.served(archive)


V1 = {"release": "v1", "id": "v1-00000000", "since": "2026-11-19T10:00:00Z", "rolled_back": None}


def piece(job: str, started: str, served: dict[str, Any] | None = None) -> dict[str, Any]:
    """A backup that is brought back; ``started`` is an hour of a day."""
    manifest = {"app": job.partition("-")[0], "set": f"20261121-{started.replace(':', '')}00"}
    told = {"served": served} if served else {}
    return {"job": job, "manifest": {**manifest, "started": f"2026-11-21T{started}:00Z", **told}}


def told(known: dict[str, Any], job: str, at: str) -> dict[str, Any]:
    """What comes of a backup that tells it."""
    return {**known, "job": job, "set": f"20261121-{at.replace(':', '')}00", "at": f"2026-11-21T{at}:00Z"}


STATE_PIECE = piece("server-state", "03:15")


@pytest.mark.parametrize(
    ("pieces", "state", "known"),
    [
        pytest.param(
            [piece("shop-db", "02:00"), STATE_PIECE], {"shop": V1}, told(V1, "server-state", "03:15"),
            id="manifests from before it was recorded",
        ),
        pytest.param(
            [STATE_PIECE, piece("shop-db", "04:00", SERVED)], {"shop": V1}, told(SERVED, "shop-db", "04:00"),
            id="deployed after the last backup of the state",
        ),
        pytest.param(
            [piece("shop-db", "02:00", V1), STATE_PIECE], {"shop": SERVED}, told(SERVED, "server-state", "03:15"),
            id="deployed before it",
        ),
        pytest.param(
            [piece("shop-mq", "02:30", SERVED), piece("shop-db", "02:00", V1)], {}, told(SERVED, "shop-mq", "02:30"),
            id="no state, the newest of two",
        ),
        pytest.param([piece("shop-db", "02:00")], {}, None, id="nothing tells"),
        pytest.param([piece("blog-db", "02:00", V1)], {}, None, id="only of another app"),
    ],
)  # fmt: skip
def test_the_newest_that_is_told_counts(
    pieces: list[dict[str, Any]], state: dict[str, Any], known: dict[str, Any] | None
) -> None:
    assert recall.newest(pieces, state).get("shop") == known


def test_apps_get_the_release_that_served() -> None:
    apps = [{"name": "shop", "release": "v1", "domains": []}, {"name": "blog", "release": "b1"}]
    assert recall.as_served(apps, {"shop": SERVED}) == [{**apps[0], "release": "v2"}, apps[1]]
    assert apps[0]["release"] == "v1"


@pytest.mark.parametrize(
    ("wanted", "served", "key", "line"),
    [
        pytest.param(
            "v2",
            {"shop": KNOWN},
            SET,
            f"shop runs v2, which served when set {SET} of server-state was made",
            id="same",
        ),
        pytest.param(
            "v1",
            {"shop": KNOWN},
            SET,
            f"shop runs v2, which served when set {SET} of server-state was made. "
            "The inventory names v1, and the next run of site.yml releases that",
            id="deployed past the inventory",
        ),
        pytest.param(
            "v3",
            {"shop": {**KNOWN, "rolled_back": BAD}},
            SET,
            f"shop runs v2, which served when set {SET} of server-state was made;"
            " v3 was rolled back before, and stays left alone",
            id="rolled back",
        ),
        pytest.param(
            "v1",
            {},
            SET,
            f"shop runs v1, which the inventory names: nothing of it served when set {SET} of server-state was made",
            id="a new app",
        ),
        pytest.param(
            "v1",
            {},
            "",
            "shop runs v1, which the inventory names: no backup tells which release served, or none was asked",
            id="no state",
        ),
    ],
)
def test_which_release_runs_is_said(wanted: str, served: dict[str, Any], key: str, line: str) -> None:
    assert recall.told([{"name": "shop", "release": wanted}], served, key) == [line]


@pytest.mark.parametrize(
    ("serving", "known", "changed"),
    [
        pytest.param(V2, {**SERVED, "rolled_back": BAD}, True, id="the same serves again"),
        pytest.param(V2, SERVED, False, id="nothing was rolled back"),
        pytest.param({**V2, "release": "v1"}, {**SERVED, "rolled_back": BAD}, False, id="another serves"),
        pytest.param(None, {**SERVED, "rolled_back": BAD}, False, id="nothing serves"),
    ],
)
def test_what_was_rolled_back_stays_left_alone(
    tmp_path: Path, serving: dict[str, Any] | None, known: dict[str, Any], changed: bool
) -> None:
    states.write({**states.empty("shop"), "serving": serving}, tmp_path)
    assert recall.remember("shop", known, tmp_path) is changed
    assert states.read("shop", tmp_path)["rolled_back"] == (BAD if changed else None)
    assert recall.remember("shop", known, tmp_path) is False
