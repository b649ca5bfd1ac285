# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at the server says about each control. Pure: the module looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

STATES = ("failed", "passed", "waived", "not applicable")
PASSED, FAILED, NOT_HERE = "passed", "failed", "not applicable"


def judge(control: Mapping[str, Any], findings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Sum up a control's findings, each ``(state, words)``: one failure fails it, and it passes only where all of
    it could be looked at."""
    entry = {"id": control["id"], "title": control["title"]}
    if control["state"] != "on":
        return {**entry, "state": control["state"], "why": control["why"]}
    for state in (FAILED, NOT_HERE, PASSED):
        words = [said for found, said in findings if found == state]
        if words:
            return {**entry, "state": state, "why": "" if state == PASSED else "; ".join(dict.fromkeys(words))}
    return {**entry, "state": PASSED, "why": ""}


def sshd(wanted: Mapping[str, Any], effective: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Compare settings with ``sshd -T`` (values by lower-case keyword)."""
    found = []
    for keyword, value in wanted.items():
        now = effective.get(keyword.lower())
        if now is None:
            found.append((FAILED, f"{keyword} is not set"))
        elif _same(value, " ".join(now)):
            found.append((PASSED, keyword))
        else:
            found.append((FAILED, f"{keyword} is {' '.join(now)}"))
    return found


def _same(wanted: object, now: str) -> bool:
    text = " ".join(str(wanted).split()).lower()
    # sshd names this value by its older name.
    return " ".join(now.split()).lower().replace("without-password", "prohibit-password") == text


def sysctl(wanted: Mapping[str, Any], live: Mapping[str, str | None], container: bool) -> list[tuple[str, str]]:
    """Compare settings with the running kernel's; in a container only ``net.`` is its own."""
    found = []
    for key, value in wanted.items():
        now = live[key]
        if now is None:
            found.append((NOT_HERE, f"this kernel has no {key}"))
        elif " ".join(now.split()) == " ".join(str(int(value) if isinstance(value, bool) else value).split()):
            found.append((PASSED, key))
        elif container and not key.startswith(("net.", "net/")):
            found.append((NOT_HERE, f"{key} belongs to the machine under the container"))
        else:
            found.append((FAILED, f"{key} is {' '.join(now.split())}"))
    return found


WALLED = ("docker0", "docker_gwbridge")
"""Bridges of Docker's that the wall around containers knows by name; of its other networks they begin with ``br-``."""


def beyond_the_wall(networks: str) -> list[tuple[str, str]]:
    """Networks of containers that the wall does not surround, from lines ``name driver [bridge]`` of Docker."""
    found = []
    for line in networks.splitlines():
        name, driver, *bridge = line.split()
        if driver in ("macvlan", "ipvlan"):
            found.append(f"the network '{name}' is a {driver}, which goes past the wall: make it a bridge")
        elif bridge and bridge[0] not in WALLED and not bridge[0].startswith("br-"):
            found.append(
                f"the network '{name}' has a bridge '{bridge[0]}' outside of the wall: let its name begin with br-"
            )
    return [(FAILED, said) for said in found]


def counts(entries: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """Number of controls by state, every state named."""
    states = [entry["state"] for entry in entries]
    return {state: states.count(state) for state in STATES}


def table(entries: Sequence[Mapping[str, str]]) -> list[str]:
    """Lines of an aligned table: failures first, then as in the table of controls; a line of sums last."""
    ordered = sorted(entries, key=lambda entry: STATES.index(entry["state"]))
    width = max((len(entry["id"]) for entry in entries), default=0)
    state = max(map(len, STATES))
    lines = [
        f"{entry['id']:<{width}}  {entry['state']:<{state}}  {entry['why'] or entry['title']}".rstrip()
        for entry in ordered
    ]
    return [*lines, ", ".join(f"{number} {name}" for name, number in counts(entries).items())]
