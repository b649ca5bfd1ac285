# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import retention as subject
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_id, set_moment
from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import Decision, Kept, Policy, plan
from hypothesis import given
from hypothesis import strategies as st

NOW = set_moment("20261121-030000")
DAY = 86400


def nightly(count: int, **states: Any) -> list[Kept]:
    """A set at two o'clock of each of the last days, newest last."""
    return [Kept(set_id(NOW - 3600 - n * DAY), **states) for n in reversed(range(count))]


def kept(sets: list[Kept], now: float = NOW, **policy: Any) -> list[str]:
    return [item.set[:8] for item in plan(sets, Policy(**policy), now) if item.keep]


@pytest.mark.parametrize(
    ("sets", "policy", "stay"),
    [
        pytest.param([], {"days": 7}, [], id="nothing is there"),
        pytest.param(nightly(3), {}, ["20261119", "20261120", "20261121"], id="nothing is said"),
        pytest.param(nightly(4), {"days": 2}, ["20261120", "20261121"], id="two days"),
        pytest.param(nightly(4), {"days": 0}, ["20261121"], id="none, but the newest"),
        pytest.param(
            [*nightly(3)[:2], Kept("20261121-020000", proven=False)],
            {"days": 0},
            ["20261120"],
            id="last one not proven",
        ),
        pytest.param(
            [*nightly(3)[:2], Kept("20261121-020000", whole=False)],
            {"days": 0},
            ["20261120", "20261121"],
            id="arriving",
        ),
        pytest.param(nightly(3, proven=False), {"days": 0}, [], id="none is proven"),
        pytest.param(nightly(400), {"daily": 2}, ["20261120", "20261121"], id="two daily"),
        pytest.param(
            nightly(40), {"weekly": 3}, ["20261108", "20261115", "20261121"], id="three weekly: Sundays, and the newest"
        ),
        pytest.param(nightly(90), {"monthly": 3}, ["20260930", "20261031", "20261121"], id="three monthly"),
        pytest.param(nightly(400), {"yearly": 5}, ["20251231", "20261121"], id="five yearly, of two that there are"),
        pytest.param(
            nightly(70),
            {"days": 1, "daily": 2, "weekly": 2, "monthly": 2},
            ["20261031", "20261115", "20261120", "20261121"],
            id="together",
        ),
        pytest.param([Kept("20200101-000000")], {"days": 7}, ["20200101"], id="the only one is old"),
        pytest.param(
            [*nightly(2), Kept("20991231-000000")], {"days": 0}, ["20261121", "20991231"], id="from the future"
        ),
        pytest.param(
            [Kept("20261120-020000"), Kept("20261120-140000")], {"daily": 5}, ["20261120"], id="two of one day"
        ),
    ],
)
def test_what_stays(sets: list[Kept], policy: dict[str, Any], stay: list[str]) -> None:
    assert kept(sets, **policy) == stay


def test_every_decision_has_its_reason() -> None:
    sets = [
        Kept("20260901-020000"),
        Kept("20260930-020000"),
        Kept("20261101-020000", proven=False),
        Kept("20261110-020000", whole=False),
        Kept("20261112-020000"),
        Kept("20261120-020000", proven=False),
        Kept("20261121-120000"),
    ]
    assert plan(sets, Policy(days=7, monthly=2), NOW) == [
        Decision("20260901-020000", False, "81.0 days old, 7 days, 2 monthly are kept"),
        Decision("20260930-020000", True, "the newest of its month, 2 are kept"),
        Decision("20261101-020000", False, "not proven, 20.0 days old, 7 days, 2 monthly are kept"),
        Decision("20261110-020000", False, "not whole, 11.0 days old, 7 days, 2 monthly are kept"),
        Decision("20261112-020000", True, "the newest of its month, 2 are kept"),
        Decision("20261120-020000", True, "1.0 days old, 7 days are kept"),
        Decision("20261121-120000", True, "its date is in the future: a clock is wrong"),
    ]


MOMENTS = st.integers(-5 * DAY, 1500 * DAY).map(lambda age: set_id(NOW - age))
SETS = st.lists(st.builds(Kept, MOMENTS, st.booleans(), st.booleans()), max_size=40, unique_by=lambda item: item.set)
COUNTS = st.integers(0, 6)
POLICIES = st.builds(Policy, st.one_of(st.none(), st.floats(0, 400)), COUNTS, COUNTS, COUNTS, COUNTS)


@given(SETS, POLICIES)
def test_the_newest_proven_set_always_stays(sets: list[Kept], policy: Policy) -> None:
    good = [item.set for item in sets if item.whole and item.proven and set_moment(item.set) <= NOW]
    stay = {item.set for item in plan(sets, policy, NOW) if item.keep}
    assert not good or max(good) in stay


@given(SETS, POLICIES)
def test_young_and_future_ones_stay(sets: list[Kept], policy: Policy) -> None:
    for item in plan(sets, policy, NOW):
        age = (NOW - set_moment(item.set)) / DAY
        if age < 0 or (policy.days is not None and age <= policy.days):
            assert item.keep, item


@given(SETS, POLICIES)
def test_deciding_again_over_what_stayed_removes_nothing(sets: list[Kept], policy: Policy) -> None:
    stay = {item.set for item in plan(sets, policy, NOW) if item.keep}
    again = plan([item for item in sets if item.set in stay], policy, NOW)
    assert all(item.keep for item in again)


@given(SETS, POLICIES, st.floats(0, 1000), COUNTS)
def test_a_more_generous_policy_keeps_no_less(sets: list[Kept], policy: Policy, days: float, more: int) -> None:
    wider = dataclasses.replace(
        policy,
        days=None if policy.days is None else policy.days + days,
        daily=policy.daily + more,
        monthly=policy.monthly + more,
    )
    if (policy == Policy()) != (wider == Policy()):
        return
    before, after = ({item.set for item in plan(sets, each, NOW) if item.keep} for each in (policy, wider))
    assert before <= after


@given(SETS, POLICIES)
def test_order_does_not_matter_and_nothing_is_lost(sets: list[Kept], policy: Policy) -> None:
    decisions = plan(sets, policy, NOW)
    assert decisions == plan(reversed(sets), policy, NOW)
    assert [item.set for item in decisions] == sorted(item.set for item in sets)
    assert all(item.reason for item in decisions)


@given(SETS, COUNTS)
def test_no_more_than_asked_for_stay(sets: list[Kept], count: int) -> None:
    past = [item for item in sets if item.whole and set_moment(item.set) <= NOW]
    stay = [item for item in plan(past, Policy(days=0, daily=count), NOW) if item.keep]
    assert len(stay) <= max(count, 1) + sum(1 for item in past if set_moment(item.set) == NOW)


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        (None, Policy()),
        ({}, Policy()),
        ({"days": 30}, Policy(days=30)),
        ({"days": None, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 3}, Policy(None, 7, 4, 12, 3)),
        ({"days": 0.5}, Policy(days=0.5)),
    ],
)
def test_settings(settings: Any, policy: Policy) -> None:
    assert subject.parse(settings) == policy


def test_bad_settings_are_all_said() -> None:
    with pytest.raises(ValueError) as error:
        subject.parse({"days": -1, "dayly": 3, "weekly": "4", "monthly": 1.5, "yearly": True}, "stores[0].keep")
    assert str(error.value).splitlines() == [
        "stores[0].keep.days: -1 is not a number of days",
        "stores[0].keep.dayly: unknown (one of days, daily, weekly, monthly, yearly)",
        "stores[0].keep.weekly: '4' is not a number of sets",
        "stores[0].keep.monthly: 1.5 is not a whole number",
        "stores[0].keep.yearly: True is not a number of sets",
    ]
