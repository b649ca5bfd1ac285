# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue for people: one line for each piece of a set, newest sets first, and what is promised of its age."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import (
    INCOMPLETE,
    ahead,
    incomplete,
    set_moment,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.record import escape
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import OK
from ansible_collections.mainstay.platform.plugins.module_utils.drill.ledger import remembered

HEAD = ("app", "set", "database", "age", "size", "holds", "proven", "where", "rpo")
SERVER = "server"


@dataclasses.dataclass
class Piece:
    """One job's part of a set, wherever it is. ``places`` maps the server or a store to what is wrong there, if
    anything; ``believed`` are stores that the server says it has sent it to."""

    job: str
    set: str
    app: str = ""
    database: str = ""
    size: int = 0
    counted: int = 0
    verdict: str = ""
    level: str = ""
    encrypted: bool = False
    places: dict[str, str] = dataclasses.field(default_factory=dict)
    believed: list[str] = dataclasses.field(default_factory=list)

    @property
    def stored(self) -> bool:
        """Whether it is whole in a store, and was proven when it was made."""
        good = any(not wrong for place, wrong in self.places.items() if place != SERVER)
        return self.verdict == OK and (good or bool(self.believed))


def pieces(jobs: Iterable[Mapping[str, Any]], sets: Sequence[Mapping[str, Any]] | None) -> list[Piece]:
    """Bring together what ``backup_info`` says of servers and ``backup_catalogue`` of stores; ``sets`` is None where no
    store was asked."""
    found: dict[tuple[str, str], Piece] = {}
    for job in jobs:
        stores = (job.get("state") or {}).get("stores", {})
        parts: dict[str, list[Mapping[str, Any]]] = {}
        for item in job["backups"]:
            parts.setdefault(item["set"], []).append(item)
        for item in job["backups"]:
            piece = found.setdefault((job["name"], item["set"]), Piece(job["name"], item["set"]))
            piece.app, piece.database = item.get("app") or "", item.get("database") or ""
            piece.size += item["size"]
            piece.counted += sum((item.get("counts") or {}).values())
            piece.encrypted = bool(item.get("encryption"))
            piece.level, verdict = item["verification"]["level"], item["verification"]["verdict"]
            piece.verdict = verdict if piece.verdict in ("", OK) else piece.verdict
            piece.places[SERVER] = incomplete(parts[item["set"]])
            if sets is None:
                piece.believed = [name for name, known in stores.items() if item["set"] in known.get("sets", [])]
    for entry in sets or ():
        piece = found.setdefault((entry["job"], entry["set"]), Piece(entry["job"], entry["set"]))
        piece.places[entry["store"]] = entry["problem"]
        if SERVER not in piece.places and entry["whole"]:
            piece.app, piece.database = entry["app"], entry["database"]
            piece.size, piece.counted, piece.level = entry["size"], entry["counted"], entry["level"]
            piece.verdict, piece.encrypted = entry["verdict"], bool(entry["recipients"])
    return sorted(found.values(), key=lambda item: (item.app, item.set, item.database))


def objective(promise: Mapping[str, Any]) -> float:
    """How old, in seconds, the newest proven set of a job may be: what is promised, or what its schedule allows."""
    return float(promise.get("rpo") or promise["max_age"])


def held(promise: Mapping[str, Any], newest: str | None, now: float) -> str:
    """``held, of 26 h``, or ``BROKEN, of 26 h``, of the newest set that is proven and stored."""
    limit = objective(promise)
    kept = newest is not None and now - set_moment(newest) <= limit
    return f"{'held' if kept else 'BROKEN'}, of {summary.age(limit)}"


def table(
    jobs: Sequence[Mapping[str, Any]],
    now: float,
    sets: Sequence[Mapping[str, Any]] | None = None,
    stores: Sequence[Mapping[str, Any]] = (),
    promises: Sequence[Mapping[str, Any]] = (),
    limit: int = 0,
    drills: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """The lines. ``limit`` sets of each job are shown, all of them for 0; ``drills`` is what is kept of them by app."""
    tried = drilled(drills or {})
    known = pieces(jobs, sets)
    newest = _newest(known, now)
    promised = {item["name"]: item for item in promises}
    rows = []
    left = 0
    for app in dict.fromkeys(item.app for item in known):
        mine = [item for item in known if item.app == app]
        shown = {
            job: sorted({item.set for item in mine if item.job == job}, reverse=True)[: limit or None]
            for job in {item.job for item in mine}
        }
        for item in sorted(mine, key=lambda item: (item.set, item.database), reverse=True):
            if item.set in shown[item.job] or newest.get(item.job) == item.set:
                rpo = held(promised[item.job], item.set, now) if _first(item, newest, promised) else None
                rows.append(_row(item, now, rpo, tried.get((item.job, item.set))))
            else:
                left += 1
    lines = summary.table([HEAD, *rows], indent="") if rows else ["no backups"]
    lines += [f"and {left} older"] if left else []
    lines += ["* as the server says, which cannot look"] if any(item.believed for item in known) else []
    lines += [
        f"{name}: {held(promise, None, now)}: no set of it is proven and stored"
        for name, promise in promised.items()
        if name not in newest
    ]
    lines += [
        f"{item.job}: set {item.set} is dated in the future: a clock is or was wrong. It counts for nothing, and is "
        f"restored only by -e set={item.set}"
        for item in known
        if ahead(item.set, now)
    ]
    lines += remembered(drills or {}, now)
    lines += _troubles(jobs, now)
    return lines + [line for store in stores for line in _store(store)]


def broken(
    jobs: Sequence[Mapping[str, Any]],
    now: float,
    sets: Sequence[Mapping[str, Any]] | None,
    promises: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The names of the jobs whose promise is broken."""
    newest = _newest(pieces(jobs, sets), now)
    return [item["name"] for item in promises if held(item, newest.get(item["name"]), now).startswith("BROKEN")]


def metrics(
    sets: Sequence[Mapping[str, Any]],
    stores: Sequence[Mapping[str, Any]],
    promises: Sequence[Mapping[str, Any]],
    now: float,
) -> str:
    """What the stores hold, for node exporter: of each promised job the newest set in each store that is proven and
    whole; 0 where there is none, which is older than any promise. What is dated in the future does not count."""
    lines = [
        "# HELP mainstay_backup_stored_timestamp_seconds When the newest set that is proven and whole there was begun.",
        "# TYPE mainstay_backup_stored_timestamp_seconds gauge",
    ]
    for promise in promises:
        for store in stores:
            found = [item["set"] for item in sets if (item["job"], item["store"]) == (promise["name"], store["name"])
                     and item["proven"] and not ahead(item["set"], now)]  # fmt: skip
            labels = {"backup": promise["name"], "app": promise.get("app", ""), "store": store["name"]}
            text = ",".join(f'{key}="{escape(value)}"' for key, value in labels.items())
            newest = set_moment(max(found)) if found else 0.0
            lines.append(f"mainstay_backup_stored_timestamp_seconds{{{text}}} {newest!r}")
    return "\n".join(lines) + "\n"


def _newest(known: Iterable[Piece], now: float) -> dict[str, str]:
    """Of each job the newest set that is proven and stored."""
    return {item.job: item.set for item in known if item.stored and not ahead(item.set, now)}


def _first(item: Piece, newest: Mapping[str, str], promised: Mapping[str, Any]) -> bool:
    return item.job in promised and newest.get(item.job) == item.set


def drilled(drills: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """What drills have shown of sets, by job and set: of each app the last drill, and the last that was good."""
    found: dict[tuple[str, str], str] = {}
    for kept in drills.values():
        found |= dict.fromkeys(((kept.get("success") or {}).get("sets") or {}).items(), OK)
        found |= dict.fromkeys((kept.get("sets") or {}).items(), kept["verdict"])
    return found


def _row(item: Piece, now: float, rpo: str | None, drill: str | None) -> tuple[str | None, ...]:
    where = [f"{place} ({_lack(wrong)})" if wrong else place for place, wrong in item.places.items()]
    where += [f"{name}*" for name in item.believed]
    proof = f"{item.level}: {item.verdict}" if item.verdict else "not whole"
    proof = f"drill: {drill}" if drill else proof
    return (
        item.app,
        item.set,
        item.database or item.job,
        summary.age(now - set_moment(item.set)),
        summary.size(item.size),
        str(item.counted),
        proof + ("" if item.encrypted or not item.verdict else ", not encrypted"),
        ", ".join(where),
        rpo,
    )


def _lack(wrong: str) -> str:
    return INCOMPLETE if INCOMPLETE in wrong else "not whole"


def _troubles(jobs: Iterable[Mapping[str, Any]], now: float) -> list[str]:
    return [
        f"{job['name']}: failed {summary.age(now - job['state']['last_failure'])} ago: {job['state']['reason']}"
        for job in jobs
        if (job.get("state") or {}).get("failing")
    ]


def _store(store: Mapping[str, Any]) -> list[str]:
    if store["error"]:
        return [f"store {store['name']}: {store['error']}"]
    seen = [f"{item['name']} {item['verdict']} ({item['reason']})" for item in store["protection"]]
    return [f"store {store['name']}: {store['where']}" + (f"; {'; '.join(seen)}" if seen else "")]
