# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may go, what is told: retention of local backups, the state of a job and its metrics."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import private_directory, write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import incomplete, names
from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import Decision, Kept, Policy, plan
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import OK

METRICS = (
    ("last_attempt_timestamp_seconds", "last_attempt", "When this backup was last tried."),
    ("last_success_timestamp_seconds", "last_success", "When the last backup that is proven and stored was begun."),
    ("last_failure_timestamp_seconds", "last_failure", "When this backup last failed."),
    ("size_bytes", "size", "Size of the last good backup."),
    ("duration_seconds", "duration", "Time that the last good backup took, dump to proof."),
)
SENT = (
    "mainstay_backup_sent_timestamp_seconds",
    "When the newest backup that the server has sent to this store was begun.",
)


def decide(manifests: Sequence[Mapping[str, Any]], keep_days: float, now: float) -> list[Decision]:
    """Which sets of a directory stay for ``keep_days``. The newest proven one stays whatever its age."""
    sets: dict[str, list[Mapping[str, Any]]] = {}
    for manifest in manifests:
        sets.setdefault(manifest["set"], []).append(manifest)
    known = [
        Kept(name, not incomplete(parts), all(part["verification"]["verdict"] == OK for part in parts))
        for name, parts in sets.items()
    ]
    return plan(known, Policy(days=keep_days), now)


def sent_everywhere(state: Mapping[str, Any], sets: Iterable[str]) -> set[str]:
    """Those of the sets on the server that every living store has: one that has the newest of them."""
    newest = max(sets, default="")
    held = (set(known.get("sets", [])) for known in state.get("stores", {}).values())
    living = [ids for ids in held if newest in ids]
    return set.intersection(*living) if living else set()


def remove_set(directory: Path, manifests: Sequence[Mapping[str, Any]], name: str) -> list[Path]:
    """Remove the files of a set, backups before their manifests. Returns what is gone."""
    gone = []
    for manifest in manifests:
        if manifest["set"] == name:
            for item in (directory / file for file in names(manifest)):
                item.unlink(missing_ok=True)
                gone.append(item)
    return gone


def next_state(state: Mapping[str, Any], outcome: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The state of a job after another run.

    ``outcome`` holds ``ok``, ``reason``, and of a good run ``set``, ``started`` (seconds), ``size`` and ``duration``.
    """
    after = {**state, "last_attempt": now, "reason": outcome["reason"]}
    if outcome["ok"]:
        kept = ("set", "size", "duration")
        return after | {key: outcome[key] for key in kept} | {"last_success": outcome["started"], "failing": False}
    return after | {"last_failure": now, "failing": True}


def render_metrics(labels: Mapping[str, str], state: Mapping[str, Any]) -> str:
    """The state in node exporter's text format. What never happened is left out: an age since 1970 would mislead."""
    text = ",".join(f'{key}="{escape(value)}"' for key, value in labels.items())
    lines = []
    sent = [(name, known["newest"]) for name, known in state.get("stores", {}).items() if "newest" in known]
    if sent:
        lines += [f"# HELP {SENT[0]} {SENT[1]}", f"# TYPE {SENT[0]} gauge"]
        lines += [f'{SENT[0]}{{{text},store="{escape(name)}"}} {float(newest)!r}' for name, newest in sent]
    for name, key, purpose in METRICS:
        if key not in state:
            continue
        lines += [
            f"# HELP mainstay_backup_{name} {purpose}",
            f"# TYPE mainstay_backup_{name} gauge",
            f"mainstay_backup_{name}{{{text}}} {float(state[key])!r}",
        ]
    return "\n".join(lines) + "\n"


def escape(value: str) -> str:
    """A label's value as Prometheus reads it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def load_state(path: Path) -> dict[str, Any]:
    """The state of a job, empty when it never ran or its file is damaged: it is rebuilt by the next run."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def update_state(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Change the state of a job, and return it. One is at it at a time: a run that is refused records its failure while
    the one that works on the job remembers what it has sent."""
    private_directory(path.parent)
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Whoever has it writes one small file.
        fcntl.flock(fd, fcntl.LOCK_EX)
        state = change(load_state(path))
        write_atomic(path, json.dumps(state, indent=2) + "\n")
    finally:
        os.close(fd)
    return state
