# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that ends a playbook: what a server runs, in aligned columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MISSING = "-"


def table(rows: Iterable[Sequence[object]], indent: str = "  ") -> list[str]:
    """Align ``rows`` of cells into columns; ``None`` shows as ``-``.

    >>> table([("web", 1), ("database", None)])
    ['  web       1', '  database  -']
    """
    cells = [[MISSING if cell is None or cell == "" else str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    widths = [max(len(row[column]) for row in cells if column < len(row)) for column in range(max(map(len, cells)))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip()
        for row in cells
    ]


def size(count: int | None) -> str:
    """``count`` bytes for people: ``1.5 MiB``; ``-`` for none."""
    if count is None:
        return MISSING
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def age(seconds: float | None) -> str:
    """``seconds`` for people, one unit: ``5 min``, ``3 d``."""
    if seconds is None:
        return MISSING
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def remaining(seconds: float) -> str:
    """What is left of a time that ends in ``seconds``, for people: ``3 d left``, ``ended 3 d ago``."""
    return f"{age(seconds)} left" if seconds > 0 else f"ended {age(-seconds)} ago"


def address(domains: Sequence[str] | None) -> str | None:
    """Where people open an app: its canonical domain; ``None`` when it is not served."""
    return f"https://{domains[0]}/" if domains else None


def _section(title: str, lines: list[str], empty: str) -> list[str]:
    return ["", title, *(lines or [f"  {empty}"])]


def render(host: str, info: Mapping[str, Any], now: float, apps: Sequence[Mapping[str, Any]]) -> str:
    """Summarise one server.

    ``info`` is what ``server_info`` returned, ``now`` is in seconds since the epoch,
    ``apps`` is ``[{"name": …, "domains": […]}]``.
    """
    domains = {app["name"]: list(app.get("domains") or []) for app in apps}
    lines = [f"── {host} " + "─" * max(4, 76 - len(host))]
    lines += _section(
        "Apps",
        table(
            (app["name"], address(domains.get(app["name"])), app.get("release") or "not released yet", app.get("slot"))
            for app in info.get("apps", [])
        ),
        "none in the inventory",
    )
    lines += _section(
        "Services",
        table((item["container"], item["state"]) for item in info.get("containers", [])),
        "no containers yet",
    )
    lines += _section(
        "Certificates",
        table(
            (
                item["name"],
                item.get("issuer"),
                remaining(item["not_after"] - now) if item.get("not_after") else "none yet",
            )
            for item in info.get("certificates", [])
        ),
        "none",
    )
    lines += _section(
        "Backups",
        table(
            (
                item["name"],
                f"{age(now - item['finished'])} ago" if item.get("finished") else "none yet",
                size(item["size"]) if item.get("finished") else None,
                f"{item['level']}: {item['verdict']}" if item.get("verdict") else None,
                item.get("schedule"),
            )
            for item in info.get("backups", [])
        ),
        "no jobs",
    )
    targets = info.get("targets") or {}
    watched = f"{targets['up']} of {targets['total']} targets up" if targets.get("total") else "not watching yet"
    down = [f"down: {name}" for name in targets.get("down", [])]
    lines += _section("Monitoring", table([(watched,), *((line,) for line in down)]), "")
    return "\n".join(lines)
