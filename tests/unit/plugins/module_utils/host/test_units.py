# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import units
from ansible_collections.mainstay.platform.plugins.module_utils.host.units import Status, Wanted

UP = Status(present=True, active="active", file_state="enabled")
OFF = Status(present=True, active="inactive", file_state="disabled")
HELD = Status(present=True, active="inactive", file_state="enabled", held_back=True)
NONE = Status()

# systemd 257
SHOW = """\
Type=notify
NRestarts=2
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=yes
ConditionResult=yes
ConditionTimestampMonotonic=1234

LoadState=not-found
ActiveState=inactive
UnitFileState=
NeedDaemonReload=no
ConditionResult=no
ConditionTimestampMonotonic=0

Type=oneshot
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled
NeedDaemonReload=no
ConditionResult=no
ConditionTimestampMonotonic=99
"""


def test_parse_show():
    assert units.parse_show(SHOW, ["a.service", "b.service", "c.service"]) == {
        "a.service": Status(present=True, active="active", file_state="enabled", stale=True, restarts=2),
        "b.service": Status(),
        "c.service": Status(present=True, file_state="enabled", held_back=True, oneshot=True),
    }


def test_parse_show_refuses_another_number_of_units():
    with pytest.raises(ValueError, match="described 3 units where 1 were asked for"):
        units.parse_show(SHOW, ["a.service"])


def test_wanted_completes_names():
    assert units.wanted([{"name": "nginx", "enabled": True}, {"name": "a.timer", "state": "started"}]) == [
        Wanted("nginx.service", True, None),
        Wanted("a.timer", None, "started"),
    ]


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        pytest.param(Wanted("a", True, "started"), UP, [], id="as wanted"),
        pytest.param(Wanted("a", True, "started"), OFF, [("enable", ["a"]), ("start", ["a"])], id="off"),
        pytest.param(Wanted("a", True, "started"), NONE, [("enable", ["a"]), ("start", ["a"])], id="to be installed"),
        pytest.param(Wanted("a", False, "stopped"), UP, [("disable", ["a"]), ("stop", ["a"])], id="to be off"),
        pytest.param(Wanted("a", False, "stopped"), NONE, [], id="off because not there"),
        pytest.param(Wanted("a", True), Status(present=True, file_state="static"), [], id="static cannot be enabled"),
        pytest.param(Wanted("a", state="restarted"), OFF, [("restart", ["a"])], id="restart starts"),
        pytest.param(Wanted("a", state="reloaded"), UP, [("try-reload-or-restart", ["a"])], id="reload"),
        pytest.param(Wanted("a", state="reloaded"), OFF, [], id="reload leaves what is off"),
        pytest.param(
            Wanted("a", state="started"), Status(present=True, active="failed"), [("start", ["a"])], id="failed"
        ),
        pytest.param(Wanted("a", state="started"), Status(present=True, active="activating"), [], id="starting"),
    ],
)
def test_plan(wanted, status, expected):
    assert units.plan([wanted], {"a": status}) == expected


def test_plan_is_one_call_for_each_verb():
    wanted = [Wanted("a", True, "started"), Wanted("b", True, "started")]
    assert units.plan(wanted, {"a": OFF, "b": OFF}) == [("enable", ["a", "b"]), ("start", ["a", "b"])]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([("start", ["held"])], [], id="the condition does not hold"),
        pytest.param([("start", ["held", "off"])], [("start", ["off"])], id="the others start"),
        pytest.param([("enable", ["held"])], [("enable", ["held"])], id="enabling has no condition"),
    ],
)
def test_promising(steps, expected):
    assert units.promising(steps, {"held": HELD, "off": OFF}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(UP, [], id="up"),
        pytest.param(HELD, [], id="its condition does not hold"),
        pytest.param(Status(present=True, active="inactive", oneshot=True), [], id="a job that is done"),
        pytest.param(Status(present=True, active="failed", oneshot=True), ["a"], id="a job that failed"),
        pytest.param(OFF, ["a"], id="gone at once"),
        pytest.param(Status(present=True, active="activating", restarts=1), ["a"], id="between two falls"),
    ],
)
def test_fallen(status, expected):
    assert units.fallen(["a"], {"a": status}) == expected


def test_missing_names_only_what_should_run():
    wanted = [
        Wanted("a", True),
        Wanted("b", False, "stopped"),
        Wanted("c", state="reloaded"),
        Wanted("d", state="restarted"),
    ]
    assert units.missing(wanted, dict.fromkeys("abcd", NONE)) == ["a", "d"]


def test_describe():
    assert units.describe({"a": OFF, "b": NONE}, ["systemctl start a"]) == (
        "a: inactive, disabled\nb: inactive, no unit file\nwould run: systemctl start a\n"
    )


def test_units_are_stopped_by_what_started_them() -> None:
    steps = [("disable", ["a"]), ("stop", ["a", "b"]), ("start", ["c"])]
    expected = [("stop", ["a", "b"]), ("daemon-reload", []), ("disable", ["a"]), ("start", ["c"])]
    assert units.with_reload(steps) == expected
    assert units.with_reload([]) == [("daemon-reload", [])]
