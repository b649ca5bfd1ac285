# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages: which are installed, which commands lead to what is wanted, what apt's refusals mean. Pure.

Formats: dpkg-query(1), and apt-get's messages in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

QUERY = ("dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n")
# Questions of maintainer scripts get their default answers; configuration files that were changed stay.
INSTALL = (
    *("apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
)
_UNKNOWN = re.compile(
    r"^E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate)", re.MULTILINE
)


def installed(text: str) -> set[str]:
    """Parse the query's output: names of the installed packages, without architecture."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0].split(":")[0] for pair in pairs if len(pair) == 2 and pair[1] == "installed"}


def todo(names: Iterable[str], present: set[str], state: str) -> list[str]:
    """Return which of the names have to be installed (``present``) or removed (``absent``), in their order."""
    return [name for name in dict.fromkeys(names) if (name in present) == (state == "absent")]


def command(names: Sequence[str], state: str, recommends: bool) -> list[str]:
    """Return the apt-get call that installs or removes the packages."""
    if state == "absent":
        return [*INSTALL, "remove", *names]
    return [*INSTALL, "--install-recommends" if recommends else "--no-install-recommends", "install", *names]


def stale(age: float | None, valid: float) -> bool:
    """Whether package lists of this age in seconds (None: there are none) must be fetched anew."""
    return age is None or age > valid


def locked(text: str) -> bool:
    """Whether apt gave up because another apt is at work, so that it is worth trying again."""
    return "Could not get lock" in text or "is another process using it" in text


def reason(text: str, names: Sequence[str]) -> str:
    """Return in a sentence or two why apt refused."""
    unknown = list(dict.fromkeys(a or b for a, b in _UNKNOWN.findall(text)))
    if unknown:
        return f"the server's repositories have no package {', '.join(unknown)} (see /etc/apt/sources.list.d)"
    if "No space left on device" in text or "You don't have enough free space" in text:
        return "the server's disk is full"
    if locked(text):
        return "another apt has been at work for 5 minutes (ps -C apt-get,unattended-upgr)"
    errors = [line for line in text.splitlines() if line.startswith(("E:", "dpkg: error"))]
    return "; ".join(errors or text.strip().splitlines()[-3:]) or f"apt-get failed for {', '.join(names)}"
