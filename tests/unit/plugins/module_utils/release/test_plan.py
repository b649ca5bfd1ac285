# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container
from ansible_collections.mainstay.platform.plugins.module_utils.release.plan import (
    Plan,
    amiss,
    plan,
    plan_rollback,
)

DATA = {"project": "shop-data", "id": "d1", "images": {"db": "postgres:17"}}


def order(identity: str = "v1-a", data: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"app": "shop", "id": identity, "release": identity.rpartition("-")[0], "data": data}


def release(identity: str, slot: str = "blue") -> dict[str, Any]:
    return {"id": identity, "release": identity.rpartition("-")[0], "slot": slot, "images": {"web": f"web@{identity}"}}


def state(*released: dict[str, Any], **more: Any) -> states.State:
    return {**states.empty("shop"), "serving": released[0] if released else None, "released": list(released), **more}


def container(project: str, service: str, image: str, status: str = "running") -> Container:
    return Container(f"{project}-{service}-1", project, service, image, status)


BLUE = container("shop-blue", "web", "web@v1-a")
DB = container("shop-data", "db", "postgres:17")
SERVING = state(release("v1-a"))
ROLLED_BACK = state(release("v1-a"), rolled_back={"id": "v2-a", "release": "v2", "at": "today"})
CONFIG_ROLLED_BACK = state(release("v1-a"), rolled_back={"id": "v1-b", "release": "v1", "at": "today"})


@pytest.mark.parametrize(
    ("wanted", "known", "running", "expected"),
    [
        pytest.param(order(), state(), [], Plan("shop", release=True, slot="blue"), id="first release"),
        pytest.param(order(), SERVING, [BLUE], Plan("shop", slot="blue"), id="nothing to do"),
        pytest.param(order("v2-a"), SERVING, [BLUE], Plan("shop", release=True, slot="green"), id="next release"),
        pytest.param(
            order("v1-b"), SERVING, [BLUE], Plan("shop", release=True, slot="green"), id="other configuration"
        ),
        pytest.param(
            order("v3-a"),
            state(release("v2-a", "green")),
            [],
            Plan("shop", release=True, slot="blue"),
            id="slots take turns",
        ),
        pytest.param(order(), SERVING, [], Plan("shop", slot="blue", repair=["web is missing"]), id="container gone"),
        pytest.param(
            order(),
            SERVING,
            [container("shop-blue", "web", "web@v1-a", "exited")],
            Plan("shop", slot="blue", repair=["web is exited"]),
            id="stopped",
        ),
        pytest.param(
            order(),
            SERVING,
            [container("shop-blue", "web", "web@other")],
            Plan("shop", slot="blue", repair=["web runs web@other instead of web@v1-a"]),
            id="another image runs",
        ),
        pytest.param(
            order(),
            SERVING,
            [BLUE, container("shop-green", "web", "web@v2-a")],
            Plan("shop", slot="blue", tidy=["shop-green"]),
            id="left behind",
        ),
        pytest.param(
            order(),
            state(),
            [container("shop-blue", "web", "web@v1-a")],
            Plan("shop", release=True, slot="blue", tidy=["shop-blue"]),
            id="first release was cut off",
        ),
        pytest.param(
            order(data=DATA), SERVING, [BLUE], Plan("shop", slot="blue", data=["start them"]), id="databases are new"
        ),
        pytest.param(
            order(data=DATA),
            {**SERVING, "data": {"id": "d1"}},
            [BLUE, DB],
            Plan("shop", slot="blue"),
            id="databases run",
        ),
        pytest.param(
            order(data=DATA),
            {**SERVING, "data": {"id": "d0"}},
            [BLUE, DB],
            Plan("shop", slot="blue", data=["their definition has changed"]),
            id="databases change",
        ),
        pytest.param(
            order(data=DATA),
            {**SERVING, "data": {"id": "d1"}},
            [BLUE],
            Plan("shop", slot="blue", data=["db is missing"]),
            id="database gone",
        ),
        pytest.param(
            order("v3-a"), ROLLED_BACK, [BLUE], Plan("shop", release=True, slot="green"), id="another after a rollback"
        ),
        pytest.param(
            order("v1-a"), ROLLED_BACK, [BLUE], Plan("shop", slot="blue"), id="inventory agrees with a rollback"
        ),
        pytest.param(
            order("v1-c"),
            CONFIG_ROLLED_BACK,
            [BLUE],
            Plan("shop", release=True, slot="green"),
            id="another configuration after a rollback",
        ),
    ],
)
def test_plan(wanted: dict[str, Any], known: states.State, running: list[Container], expected: Plan) -> None:
    found = plan(wanted, known, running)
    assert bool(found.text) == expected.pending
    found.text = []
    assert found == expected


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        pytest.param(order("v2-a"), ROLLED_BACK, id="the same"),
        pytest.param(order("v2-b"), ROLLED_BACK, id="the same release with another configuration"),
        pytest.param(order("v1-b"), CONFIG_ROLLED_BACK, id="the configuration that was rolled back"),
    ],
)
def test_what_was_rolled_back_is_left_alone(wanted: dict[str, Any], known: states.State) -> None:
    found = plan(wanted, known, [BLUE])
    assert not found.pending
    assert found.hold is not None
    assert "rolled back on today; v1-a keeps serving" in found.hold
    assert "app_stack_force=true" in found.hold
    forced = plan(wanted, known, [BLUE], force=True)
    assert (forced.release, forced.hold) == (True, None)


def test_what_serves_is_repaired_while_a_release_is_left_alone() -> None:
    assert plan(order("v2-a"), ROLLED_BACK, []).repair == ["web is missing"]


THREE = state(release("v3-a"), release("v2-b"), release("v2-a"), release("v1-a"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(None, "v2-b"), ("v1", "v1-a"), ("v2", "v2-b"), ("v2-a", "v2-a")],
    ids=["the last", "by tag", "by tag, the newest", "by id"],
)
def test_rollback(wanted: str | None, expected: str) -> None:
    assert plan_rollback(THREE, wanted)["id"] == expected


@pytest.mark.parametrize(
    ("known", "wanted", "message"),
    [
        pytest.param(state(), None, "nothing serves", id="never released"),
        pytest.param(state(release("v1-a")), None, "no earlier release is kept", id="only one"),
        pytest.param(
            THREE,
            "v3",
            "v3 is not an earlier release that is kept here (there are: v2-b, v2-a, v1-a; v3-a serves)",
            id="serves",
        ),
        pytest.param(THREE, "v9", "v9 is not an earlier release", id="unknown"),
    ],
)
def test_rollback_that_cannot_be(known: states.State, wanted: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_rollback(known, wanted)


def test_amiss() -> None:
    known = {**SERVING, "data": {"id": "d1", "images": DATA["images"]}}
    assert amiss(known, [BLUE, DB]) == []
    assert amiss(known, []) == ["db is missing", "web is missing"]
    assert amiss(state(), []) == []
