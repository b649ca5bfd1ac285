# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove from a store what its retention lets go."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import (
    ARRIVING,
    Decision,
    Policy,
    plan,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store
from ansible_collections.mainstay.platform.plugins.module_utils.keep.shelf import Entry


@dataclasses.dataclass
class Pruned:
    """A decision over one set in one store, and whether it was carried out. ``error`` says why it was not."""

    entry: Entry
    decision: Decision
    removed: bool = False
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        entry = self.entry
        known = {"store": entry.store, "job": entry.job, "set": entry.set, "size": entry.size}
        told = {"keep": self.decision.keep, "reason": self.decision.reason}
        return {**known, **told, "removed": self.removed, "error": self.error}


def decide(entries: Iterable[Entry], policy: Policy, now: float) -> list[Pruned]:
    """Decide over every set of one store: each job for itself. What has no manifest is only ours where another has
    one whose name begins the same, in the same folder."""
    jobs: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in entries:
        jobs.setdefault((entry.folder, entry.start), {})[entry.set] = entry
    return [
        Pruned(sets[item.set], _judged(sets[item.set], item))
        for _job, sets in sorted(jobs.items())
        if any(entry.manifests for entry in sets.values())
        for item in plan((entry.kept() for entry in sets.values()), policy, now)
    ]


def _judged(entry: Entry, decision: Decision) -> Decision:
    """What no manifest tells of is not judged: a store that stumbles once must not cost a set that is proven."""
    return Decision(entry.set, True, f"not judged: {entry.problem}") if entry.unread and not decision.keep else decision


def carry_out(store: Store, decisions: Iterable[Pruned], now: float, prefix: str = "") -> list[str]:
    """Remove what may go: manifests before backups, so that no set looks whole that is not. What cannot be removed, for
    it is locked, stays and is said. Returns the names of uploads under the prefix that never ended and were removed,
    too: the rest of the store may be somebody else's."""
    for item in decisions:
        if item.decision.keep:
            continue
        try:
            for name in (*item.entry.papers, *item.entry.names, *item.entry.scripts):
                store.remove(name)
        except BlobError as error:
            item.error = str(error)
        else:
            item.removed = True
    before = datetime.datetime.fromtimestamp(now - ARRIVING, datetime.timezone.utc)
    return list(store.remove_unfinished(before, prefix))
