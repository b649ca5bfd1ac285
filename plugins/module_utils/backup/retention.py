# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backup sets stay in a place and which may go, and why. Pure: sets and a moment in, decisions out."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_moment

DAY = 86400
# A set that is not whole may still be on its way.
ARRIVING = 2 * DAY
# What a period is called, and what makes two moments be of the same one.
PERIODS: dict[str, tuple[str, Callable[[datetime.datetime], object]]] = {
    "daily": ("day", lambda moment: moment.date()),
    "weekly": ("week", lambda moment: moment.isocalendar()[:2]),
    "monthly": ("month", lambda moment: (moment.year, moment.month)),
    "yearly": ("year", lambda moment: moment.year),
}


@dataclasses.dataclass(frozen=True)
class Kept:
    """A set in a place: its id, whether all of it is there, and whether it was proven."""

    set: str
    whole: bool = True
    proven: bool = True


@dataclasses.dataclass(frozen=True)
class Decision:
    """What becomes of a set, with the reason."""

    set: str
    keep: bool
    reason: str


@dataclasses.dataclass(frozen=True)
class Policy:
    """How long sets stay: all for ``days``, and beyond that the newest proven one of each of the last so many days,
    weeks, months and years that have one. Where nothing is said, everything stays."""

    days: float | None = None
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    @property
    def says(self) -> str:
        """The policy in words: ``30 days, 12 monthly are kept``."""
        words = [] if self.days is None else [f"{self.days:g} days"]
        words += [f"{getattr(self, name)} {name}" for name in PERIODS if getattr(self, name)]
        return f"{', '.join(words)} are kept" if words else "everything is kept"


def parse(settings: Mapping[str, Any] | None, path: str = "keep") -> Policy:
    """A policy from its settings: ``{days: 30, monthly: 12}``. Raises ValueError with all errors, by path."""
    names = [field.name for field in dataclasses.fields(Policy)]
    errors = []
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    for key, value in given.items():
        if key not in names:
            errors.append(f"{path}.{key}: unknown (one of {', '.join(names)})")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            errors.append(f"{path}.{key}: {value!r} is not a number of {'days' if key == 'days' else 'sets'}")
        elif key != "days" and value != int(value):
            errors.append(f"{path}.{key}: {value!r} is not a whole number")
    if errors:
        raise ValueError("\n".join(errors))
    return Policy(**{key: value if key == "days" else int(value) for key, value in given.items()})


def plan(sets: Iterable[Kept], policy: Policy, now: float) -> list[Decision]:
    """Decide over every set of one job in one place, oldest first. ``now`` in seconds since 1970.

    The newest proven set stays whatever its age. Only proven sets fill the place of a day, week, month or year.
    """
    ordered = sorted(sets, key=lambda item: item.set)
    good = [item for item in ordered if item.whole and item.proven and set_moment(item.set) <= now]
    reasons: dict[str, str] = {}
    for name, (period, same) in PERIODS.items():
        newest: dict[object, str] = {}
        for item in good:
            moment = datetime.datetime.fromtimestamp(set_moment(item.set), datetime.timezone.utc)
            newest[same(moment)] = item.set
        count = getattr(policy, name)
        for chosen in sorted(newest.values())[-count:] if count else ():
            reasons.setdefault(chosen, f"the newest of its {period}, {count} are kept")
    if good:
        reasons.setdefault(good[-1].set, "the newest that is proven")
    return [_decide(item, policy, now, reasons.get(item.set)) for item in ordered]


def _decide(item: Kept, policy: Policy, now: float, reason: str | None) -> Decision:
    age = now - set_moment(item.set)
    if policy == Policy():
        return Decision(item.set, True, policy.says)
    if age < 0:
        return Decision(item.set, True, "its date is in the future: a clock is wrong")
    if policy.days is not None and age <= policy.days * DAY:
        return Decision(item.set, True, f"{age / DAY:.1f} days old, {policy.days:g} days are kept")
    if reason:
        return Decision(item.set, True, reason)
    if not item.whole and age <= ARRIVING:
        return Decision(item.set, True, "not whole, and may still be on its way")
    what = "" if item.whole and item.proven else "not whole, " if not item.whole else "not proven, "
    return Decision(item.set, False, f"{what}{age / DAY:.1f} days old, {policy.says}")
