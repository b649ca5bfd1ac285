# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sudden changes: a backup that is whole may still be one of a database that somebody has emptied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import size_text
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    Check,
    shorten,
)

CHANGE = "change"
# Below these nothing can be said: three rows that become one are no news.
BYTES = " bytes"
FEW, SMALL = 100, 64 << 10


def lasting(manifest: Mapping[str, Any]) -> dict[str, int]:
    """What a backup counted, less what may vanish by itself."""
    volatile = manifest.get("volatile") or {}
    return {name: count - volatile.get(name, 0) for name, count in (manifest.get("counts") or {}).items()}


def drops(before: Mapping[str, Any], now: Mapping[str, Any], max_drop: int) -> list[str]:
    """What is down by more than ``max_drop`` percent between two manifests, one text each."""

    def down(old: int, new: int) -> bool:
        return new < old and (old - new) * 100 > old * max_drop

    if max_drop >= 100:
        return []
    old, new = lasting(before), lasting(now)
    total_old, total_new = (
        sum(count for name, count in counts.items() if not name.endswith(BYTES)) for counts in (old, new)
    )
    found = [
        f"{name}: {count} before, {new.get(name, 'none')} now"
        for name, count in sorted(old.items())
        if count >= (SMALL if name.endswith(BYTES) else FEW) and down(count, new.get(name, 0))
    ]
    if total_old and not total_new:
        found.insert(0, f"empty, {total_old} before")
    elif total_old >= FEW and down(total_old, total_new) and not found:
        found.append(f"{total_old} in all before, {total_new} now")
    # Another compression is another size.
    alike = before.get("compression") == now.get("compression")
    size_old, size_new = plain_size(before), plain_size(now)
    if alike and size_old >= SMALL and down(size_old, size_new):
        found.append(f"{size_text(size_old)} before, {size_text(size_new)} now")
    return found


def plain_size(manifest: Mapping[str, Any]) -> int:
    """Bytes of the dump itself."""
    return int((manifest.get("plain") or manifest)["size"])


def newest_proven(
    manifests: Iterable[Mapping[str, Any]], databases: list[str], before: str = ""
) -> Mapping[str, Any] | None:
    """The last of the manifests (oldest first) that is proven and of the same databases, older than set ``before``."""
    fitting = [
        item
        for item in manifests
        if item.get("databases") == databases
        and item["verification"].get("verdict") == OK
        and (not before or str(item["set"]) < before)
    ]
    return fitting[-1] if fitting else None


def change_check(
    before: Mapping[str, Any] | None, now: Mapping[str, Any], max_drop: int, acknowledged: bool = False
) -> Check:
    """Whether a backup is much smaller than the proven one before it, and nobody has said that this is right."""
    if before is None:
        return Check(CHANGE, NOT_VERIFIED, "there is no proven backup before it to compare with", required=False)
    found = drops(before, now, max_drop)
    since = f"since {before['set']}"
    if not found:
        return Check(CHANGE, OK, f"nothing is down by more than {max_drop} % {since}")
    if acknowledged:
        return Check(CHANGE, OK, f"acknowledged: down by more than {max_drop} % {since}: {shorten(found)}")
    return Check(CHANGE, BAD, f"down by more than {max_drop} % {since}: {shorten(found)}")
