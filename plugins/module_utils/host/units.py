# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Systemd units: what they are, what is wanted, which systemctl calls lead from one to the other.

Pure: the module runs the commands. Properties are those of ``systemctl show`` (org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "ConditionResult",
    "ConditionTimestampMonotonic",
    "NRestarts",
    "Type",
)
UP = ("active", "reloading", "activating")


@dataclass(frozen=True)
class Status:
    """One unit as systemd knows it."""

    present: bool = False
    active: str = "inactive"
    file_state: str = ""
    stale: bool = False
    held_back: bool = False
    """Systemd skipped the last start because a condition of the unit does not hold (as timesyncd's in a container)."""
    restarts: int = 0
    oneshot: bool = False

    @property
    def up(self) -> bool:
        """Whether the unit runs or is about to."""
        return self.active in UP


@dataclass(frozen=True)
class Wanted:
    """What a unit should be: ``enabled`` True, False or None (as it is); ``state`` as the module's option, or None."""

    name: str
    enabled: bool | None = None
    state: str | None = None


def wanted(units: Iterable[Mapping[str, Any]]) -> list[Wanted]:
    """Read the module's ``units`` option, each ``{name, enabled, state}``. Names without a suffix are services."""
    return [
        Wanted(u["name"] if "." in u["name"] else f"{u['name']}.service", u.get("enabled"), u.get("state"))
        for u in units
    ]


def parse_show(text: str, names: Sequence[str]) -> dict[str, Status]:
    """Parse ``systemctl show -p … NAME…``: one block of ``Key=value`` lines for each name, in that order.

    Raises ValueError when the number of blocks is not the number of names.
    """
    blocks = [block for block in text.strip().split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise ValueError(f"systemctl show described {len(blocks)} units where {len(names)} were asked for")
    return dict(zip(names, map(_status, map(_values, blocks)), strict=True))


def parse_all(text: str) -> dict[str, Status]:
    """Parse ``systemctl show -p Id,… PATTERN…``: the units that systemd has loaded, by their ids."""
    blocks = [_values(block) for block in text.strip().split("\n\n") if block.strip()]
    return {values["Id"]: _status(values) for values in blocks if "Id" in values}


def _values(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _status(values: Mapping[str, str]) -> Status:
    checked = values.get("ConditionTimestampMonotonic", "0") not in ("", "0")
    return Status(
        present=values.get("LoadState") not in ("not-found", "masked", None),
        active=values.get("ActiveState", "inactive"),
        file_state=values.get("UnitFileState", ""),
        stale=values.get("NeedDaemonReload") == "yes",
        held_back=checked and values.get("ConditionResult") == "no",
        restarts=int(values.get("NRestarts") or 0),
        oneshot=values.get("Type") == "oneshot",
    )


def settled(units: Sequence[Wanted], status: Mapping[str, Status]) -> bool:
    """Whether every unit is known and as wanted, so that there is nothing to run, to report or to refuse."""
    known = all(unit.name in status for unit in units)
    return known and not (
        plan(units, status)
        or missing(units, status)
        or any(status[unit.name].stale or (status[unit.name].held_back and not status[unit.name].up) for unit in units)
    )


def missing(units: Iterable[Wanted], status: Mapping[str, Status]) -> list[str]:
    """Names of units that should be there (enabled or running) and are not."""
    needs = [u for u in units if u.enabled or u.state in ("started", "restarted")]
    return [u.name for u in needs if not status[u.name].present]


def plan(units: Iterable[Wanted], status: Mapping[str, Status]) -> list[tuple[str, list[str]]]:
    """Return ``[(verb, names)]`` for systemctl, in the order to run them; an empty list when all is as wanted.

    A unit that is not there is planned like one that is off: in check mode its package may be about to come.
    """
    verbs: dict[str, list[str]] = {
        v: [] for v in ("disable", "stop", "enable", "start", "restart", "try-reload-or-restart")
    }
    for unit in units:
        now = status[unit.name]
        if unit.enabled is True and now.file_state in ("", "disabled"):
            verbs["enable"].append(unit.name)
        if unit.enabled is False and now.file_state == "enabled":
            verbs["disable"].append(unit.name)
        if unit.state == "started" and not now.up:
            verbs["start"].append(unit.name)
        if unit.state == "stopped" and now.up:
            verbs["stop"].append(unit.name)
        if unit.state == "restarted":
            verbs["restart"].append(unit.name)
        if unit.state == "reloaded" and now.up:
            verbs["try-reload-or-restart"].append(unit.name)
    return [(verb, names) for verb, names in verbs.items() if names]


def with_reload(steps: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Have systemd read its files again on the way: after stops, since a unit whose file is gone would fail instead."""
    stops = [step for step in steps if step[0] == "stop"]
    return [*stops, ("daemon-reload", []), *(step for step in steps if step[0] != "stop")]


def promising(steps: Iterable[tuple[str, list[str]]], status: Mapping[str, Status]) -> list[tuple[str, list[str]]]:
    """Leave out of a plan the starts that systemd last refused by a condition of the unit: they change nothing."""
    kept = [(verb, [n for n in names if verb != "start" or not status[n].held_back]) for verb, names in steps]
    return [(verb, names) for verb, names in kept if names]


def fallen(names: Iterable[str], after: Mapping[str, Status]) -> list[str]:
    """Of the units just started, those that are not up, or that systemd had to start again by itself."""
    return [n for n in names if not after[n].held_back and _fell(after[n])]


def _fell(unit: Status) -> bool:
    return unit.active == "failed" or unit.restarts > 0 or not (unit.up or unit.oneshot)


def describe(status: Mapping[str, Status], upcoming: Iterable[str] = ()) -> str:
    """Return units as the lines of a diff; ``upcoming`` are commands not run yet (check mode)."""
    lines = [f"{name}: {unit.active}, {unit.file_state or 'no unit file'}" for name, unit in status.items()]
    return "".join(f"{line}\n" for line in [*lines, *(f"would run: {command}" for command in upcoming)])
