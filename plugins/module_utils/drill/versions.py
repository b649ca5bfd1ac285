# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a backup went back into such a server as it came from. Pure."""

from __future__ import annotations

import re

from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BAD, NOT_VERIFIED, OK, Check

# How many numbers name what the makers of an engine call a major version.
MAJOR = {"postgresql": 1, "mysql": 1, "mariadb": 2, "mongodb": 2, "redis": 1}
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of a version: ``17.6 (Debian 17.6-1)`` is 17 and 6. Empty where there are none."""
    found = _NUMBERS.search(text)
    return tuple(map(int, found[0].split("."))) if found else ()


def check(job: str, engine: str, promised: str, here: str) -> Check:
    """Compare the server that a manifest names with the one ``here``: another major version, or an older one, proves
    nothing of a recovery into that, and what a newer server wrote an older one may refuse."""
    name = f"{job}: server"
    old, new, major = numbers(promised), numbers(here), MAJOR.get(engine, 1)
    if not old or not new:
        return Check(name, NOT_VERIFIED, f"{'the manifest' if not old else 'the server'} names none", required=False)
    if old[:major] != new[:major]:
        reason = f"{here}, the backup was made on {promised}: another major version"
        return Check(name, BAD, f"{reason}. Back up again after an upgrade, or put the inventory's version right")
    if new < old:
        reason = f"{here}, older than {promised}, on which the backup was made"
        return Check(name, BAD, f"{reason}: remove the database's image where drills run, so that it is pulled again")
    return Check(name, OK, f"{here}, " + ("as when it was made" if new == old else f"newer than {promised}, as it was"))
