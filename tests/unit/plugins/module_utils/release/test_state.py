# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError

NOW = "2026-11-21T06:00:00Z"


def release(identity: str, slot: str = "blue") -> dict[str, Any]:
    return {"id": identity, "release": identity.rpartition("-")[0], "slot": slot, "images": {"web": f"web:{identity}"}}


def serve(state: states.State, identity: str, keep: int = 5, rollback: bool = False) -> states.State:
    slot = "green" if (state["serving"] or {}).get("slot") == "blue" else "blue"
    return states.served(states.switching(states.started(state, release(identity, slot), rollback)), NOW, keep)


def path_of(*identities: str, keep: int = 5) -> states.State:
    state = states.empty("shop")
    for identity in identities:
        state = serve(state, identity, keep)
    return state


def ids(state: states.State) -> list[str]:
    return [item["id"] for item in state["released"]]


@pytest.mark.parametrize(
    ("identities", "keep", "kept", "previous"),
    [
        pytest.param(("v1-a",), 5, ["v1-a"], None, id="first"),
        pytest.param(("v1-a", "v2-a"), 5, ["v2-a", "v1-a"], "v1-a", id="second"),
        pytest.param(("v1-a", "v2-a", "v3-a"), 2, ["v3-a", "v2-a"], "v2-a", id="old ones are forgotten"),
        pytest.param(("v1-a", "v2-a"), 0, ["v2-a"], None, id="what serves is always kept"),
        pytest.param(("v1-a", "v2-a", "v1-a"), 5, ["v1-a", "v2-a"], "v2-a", id="an old one again"),
    ],
)
def test_served(identities: tuple[str, ...], keep: int, kept: list[str], previous: str | None) -> None:
    state = path_of(*identities, keep=keep)
    assert ids(state) == kept
    assert (states.previous(state) or {}).get("id") == previous
    assert state["serving"]["id"] == identities[-1]
    assert state["serving"]["since"] == NOW
    assert state["candidate"] is None
    assert [entry["event"] for entry in state["history"]] == ["released"] * len(identities)


def test_a_rolled_back_release_is_marked_and_not_gone_back_to() -> None:
    state = serve(path_of("v1-a", "v2-a", "v3-a"), "v2-a", rollback=True)
    assert state["serving"]["id"] == "v2-a"
    assert ids(state) == ["v2-a", "v1-a"]
    assert state["rolled_back"] == {"id": "v3-a", "release": "v3", "at": NOW}
    assert state["history"][0]["event"] == "rolled back"
    assert serve(state, "v4-a")["rolled_back"] is None


def test_a_refused_release_changes_nothing_but_the_record() -> None:
    before = path_of("v1-a")
    after = states.refused(states.started(before, release("v2-a", "green"), False), NOW, "web answered 503")
    assert after["refused"] == {"id": "v2-a", "release": "v2", "at": NOW, "reason": "web answered 503"}
    assert after["history"][0] == {
        "at": NOW,
        "event": "refused",
        "release": "v2",
        "id": "v2-a",
        "slot": "green",
        "reason": "web answered 503",
    }
    unchanged = ("serving", "released", "candidate", "rolled_back")
    assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}


def test_history_is_bounded() -> None:
    assert len(path_of(*(f"v{number}-a" for number in range(50)))["history"]) == states.HISTORY


def test_write_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "app_stack"
    assert states.read("shop", folder) == states.empty("shop")
    state = path_of("v1-a")
    states.write(state, folder)
    (folder / ".shop.lock").touch()
    assert states.read("shop", folder) == state
    assert states.known(folder) == ["shop"]
    assert [path.name for path in sorted(folder.iterdir())] == [".shop.lock", "shop.json"]


def test_a_state_that_cannot_be_read_is_no_empty_state(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text("{")
    with pytest.raises(ReleaseError, match=r"shop\.json cannot be read"):
        states.read("shop", tmp_path)
