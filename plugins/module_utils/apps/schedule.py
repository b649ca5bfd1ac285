# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calendar schedules: the part of systemd's ``OnCalendar=`` that a backup needs (systemd.time(7)).

``[weekdays] [*-months-days] [hours:minutes[:seconds]] [zone]`` with ``*``, lists (``1,15``), ranges (``1..5``) and
steps (``00/6``), or one of the words ``hourly`` … ``yearly``.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import re
from dataclasses import dataclass

from .types import plain, shown

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FULL_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORDS = {
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
EXAMPLE = "such as '*-*-* 02:00:00 UTC' or 'Sun 03:30'"
# Eight years hold every order of weekdays and one leap day after another.
FIRST_DAY = datetime.date(2024, 1, 1)
SPAN = 8 * 366


@dataclass(frozen=True)
class Calendar:
    """A parsed schedule: what each field may be, ascending."""

    weekdays: tuple[int, ...]
    months: tuple[int, ...]
    days: tuple[int, ...]
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def longest_gap(self) -> int:
        """Return the longest time in seconds between two runs; 0 if it runs less than twice in eight years."""
        times = [
            hour * 3600 + minute * 60 + second
            for hour in self.hours
            for minute in self.minutes
            for second in self.seconds
        ]
        within = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
        days = [number for number in range(SPAN) if self._matches(FIRST_DAY + datetime.timedelta(days=number))]
        if len(days) < 2:
            return 0
        apart = max(later - earlier for earlier, later in itertools.pairwise(days))
        return max(within, apart * 86400 - times[-1] + times[0])

    def _matches(self, day: datetime.date) -> bool:
        return day.weekday() in self.weekdays and day.month in self.months and day.day in self.days


def schedule(value: object) -> str:
    """When, as systemd's ``OnCalendar``: ``[weekdays] [*-month-day] [hour:minute] [zone]``, as ``Sun 03:30 UTC``."""
    value = plain(value)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a calendar schedule ({EXAMPLE})")
    longest_gap(value)
    return value.strip()


@functools.lru_cache(maxsize=256)
def longest_gap(value: str) -> int:
    """Return the longest time in seconds between two runs of a schedule; raise ``ValueError`` for one that is none."""
    try:
        calendar = _parse(value)
    except ValueError as error:
        hint = _hint(value)
        because = f"{error}; {hint}" if str(error) and hint == EXAMPLE else hint
        raise ValueError(f"{shown(value)} is not a calendar schedule ({because})") from None
    gap = calendar.longest_gap()
    if not gap:
        raise ValueError(f"{shown(value)} never comes round ({EXAMPLE})")
    return gap


def _parse(value: str) -> Calendar:
    words = value.split()
    if len(words) > 1 and words[0].lower() in WORDS and not _is_zone(words[1]):
        raise ValueError
    if words and words[0].lower() in WORDS:
        words = WORDS[words[0].lower()].split() + words[1:]
    weekdays, months, days = tuple(range(7)), tuple(range(1, 13)), tuple(range(1, 32))
    hours: tuple[int, ...] = (0,)
    minutes, seconds = hours, hours
    if not words:
        raise ValueError
    rest = list(words)
    if rest and re.match(r"[A-Za-z]{3,9}([,.]|$)", rest[0]) and not _is_zone(rest[0]):
        weekdays = _weekdays(rest.pop(0))
    if rest and re.fullmatch(r"[0-9*,./]+-[0-9*,./]+(-[0-9*,./]+)?", rest[0]):
        *year, month, day = rest.pop(0).split("-")
        if year not in ([], ["*"]):
            raise ValueError("a year would end it: write '*'")
        months, days = _numbers(month, 1, 12, "month"), _numbers(day, 1, 31, "day")
    if rest and ":" in rest[0]:
        parts = rest.pop(0).split(":")
        if len(parts) > 3:
            raise ValueError
        hours, minutes = _numbers(parts[0], 0, 23, "hour"), _numbers(parts[1], 0, 59, "minute")
        seconds = _numbers(parts[2], 0, 59, "second") if len(parts) == 3 else (0,)
    if rest and _is_zone(rest[0]) and len(words) > 1:
        rest.pop(0)
    if rest:
        raise ValueError
    return Calendar(weekdays, months, days, hours, minutes, seconds)


def _is_zone(word: str) -> bool:
    return word == "UTC" or re.fullmatch(r"[A-Z][A-Za-z_]+(/[A-Z][A-Za-z_+-]+){1,2}", word) is not None


def _weekdays(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.rstrip(",").split(","):
        first, dots, last = part.partition("..")
        start, end = _weekday(first), _weekday(last) if dots else _weekday(first)
        if start > end:
            raise ValueError(f"{part!r} runs backwards")
        found.update(range(start, end + 1))
    return tuple(sorted(found))


def _weekday(text: str) -> int:
    lower = text.lower()
    for names in (WEEKDAYS, FULL_WEEKDAYS):
        if lower in names:
            return names.index(lower)
    raise ValueError(f"{text!r} is no weekday")


def _numbers(text: str, low: int, high: int, what: str) -> tuple[int, ...]:
    if text == "*":
        return tuple(range(low, high + 1))
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?", part)
        if not match:
            raise ValueError
        first, last, step = match.groups()
        start = int(first)
        end = int(last) if last else high if step else start
        if not (low <= start <= high and end <= high):
            raise ValueError(f"no {what} {start if not low <= start <= high else end}")
        if start > end:
            raise ValueError(f"{part!r} runs backwards")
        if step and int(step) == 0:
            raise ValueError("a step of 0")
        found.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(found))


def _hint(value: str) -> str:
    stripped = value.strip().lower()
    if stripped.removeprefix("@") in WORDS or stripped == "@midnight":
        word = stripped.removeprefix("@")
        return f"try '{'daily' if word == 'midnight' else word}'"
    cron = stripped.split()
    if len(cron) == 5 and all(re.fullmatch(r"[0-9*,/a-z-]+", field) for field in cron):
        return f"it looks like cron: try {_from_cron(cron)!r}" if _from_cron(cron) else "it looks like cron: " + EXAMPLE
    every = re.fullmatch(r"(?:every\s+)?([0-9]{1,2})\s*(h|hours?|m|min|minutes?)", stripped)
    if every:
        count, hours = int(every[1]), every[2].startswith("h")
        if 0 < count < (24 if hours else 60):
            return f"try '*-*-* 00/{count}:00:00 UTC'" if hours else f"try '*-*-* *:00/{count}:00 UTC'"
    return EXAMPLE


def _from_cron(fields: list[str]) -> str | None:
    """Return the calendar form of a cron line of five fields; None where it is more than a translation of signs."""
    minute, hour, day, month, weekday = (re.sub(r"(\d+)-(\d+)", r"\1..\2", field) for field in fields)
    if weekday != "*":
        if day != "*" or not re.fullmatch(r"[0-7]", weekday):
            return None
        weekday = WEEKDAYS[(int(weekday) - 1) % 7].capitalize()
    pad = re.compile(r"(?<![0-9])([0-9])(?![0-9])")

    def field(text: str, low: str) -> str:
        return re.sub(r"/0([0-9])", r"/\1", pad.sub(r"0\1", re.sub(r"^\*/", f"{low}/", text)))

    date = f"*-{field(month, '01')}-{field(day, '01')}"
    text = f"{weekday + ' ' if weekday != '*' else ''}{date} {field(hour, '00')}:{field(minute, '00')}:00 UTC"
    try:
        _parse(text)
    except ValueError:
        return None
    return text
