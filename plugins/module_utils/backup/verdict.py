# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts: what a check may say, and how several checks add up. Nothing is ever ok by default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

OK = "ok"
BAD = "bad"
NOT_VERIFIED = "not_verified"

SHOWN = 5


class BackupError(Exception):
    """Something that the operator has to know, in words that say what to do next."""


class HalfDoneError(BackupError):
    """What is there now is neither what was there before nor what should be: nothing must use it as it is."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One finding. ``required`` checks must be ok for the whole to be ok; others inform, but can still be bad."""

    name: str
    verdict: str
    reason: str
    required: bool = True

    def as_dict(self) -> dict[str, str]:
        """The form in which manifests and modules show it."""
        return {"name": self.name, "verdict": self.verdict, "reason": self.reason}


@dataclasses.dataclass
class Findings:
    """What looking into a backup brought up.

    ``counts`` maps a table, collection or key space to its rows, documents or keys, ``volatile`` how many of these may
    vanish by themselves (keys with an expiry). ``content`` is a digest of what the backup decodes to, ``tables`` one of
    the rows or documents of each table or collection, ``tool`` the program that decoded it, ``server`` the version that
    the backup names, ``roles`` those of the server's users of which it speaks. All are None when they could not be had.
    """

    checks: list[Check] = dataclasses.field(default_factory=list)
    counts: dict[str, int] | None = None
    volatile: dict[str, int] | None = None
    content: str | None = None
    tables: dict[str, str] | None = None
    tool: str | None = None
    server: str | None = None
    roles: list[str] | None = None


def overall(checks: Iterable[Check]) -> str:
    """Bad as soon as one check is bad; ok only when there is a required check and all of them are ok."""
    checks = list(checks)
    if any(check.verdict == BAD for check in checks):
        return BAD
    required = [check for check in checks if check.required]
    return OK if required and all(check.verdict == OK for check in required) else NOT_VERIFIED


def describe(checks: Iterable[Check | Mapping[str, Any]], verdict: str) -> str:
    """The reasons of all checks with this verdict, in one line."""
    plain = [check.as_dict() if isinstance(check, Check) else check for check in checks]
    return "; ".join(f"{check['name']}: {check['reason']}" for check in plain if check["verdict"] == verdict)


def differences(
    expected: Mapping[str, int],
    found: Mapping[str, int],
    volatile: Mapping[str, int] | None = None,
    extra_allowed: bool = False,
) -> list[str]:
    """Where ``found`` is not what was ``expected``, one text each: ``public.users: 3 expected, 2 found``.

    Up to ``volatile[name]`` may be missing of each. ``extra_allowed``: names that nobody expected are no difference.
    """
    lines = []
    for name in sorted(set(expected) | set(found)):
        if name not in expected:
            if not extra_allowed:
                lines.append(f"{name}: not expected, {found[name]} found")
            continue
        most = expected[name]
        least = most - (volatile or {}).get(name, 0)
        have = found.get(name)
        if have is None:
            if least > 0 or most == 0:
                lines.append(f"{name}: {most} expected, but it is not there")
        elif not least <= have <= most:
            lines.append(f"{name}: {most} expected, {have} found")
    return lines


def shorten(lines: list[str]) -> str:
    """The first few lines in one, and how many more there are."""
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return ", ".join(lines[:SHOWN]) + more
