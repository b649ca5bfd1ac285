# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a restore goes and where from, and what became of it in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary
from ansible_collections.mainstay.platform.plugins.module_utils.apps.checks import SERVER_JOB

PLACE, BESIDE = "place", "beside"
# Engines of which a copy can be beside what is there.
NAMED = ("postgresql", "mysql", "mariadb", "mongodb", "files")
NEW = "{database}_{set}"
FILES = "files"
CERTIFICATES = "/etc/letsencrypt"
# What jobs call the server itself. None is there where the engine's own socket is used.
LOOPBACK = ("localhost", "127.0.0.1", "::1", "", None)


def route(hosts: Mapping[str, Sequence[Mapping[str, Any]]], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Decide on the way of a restore.

    ``hosts`` has the backup jobs of each host. ``wanted`` may hold ``app``, ``database``, ``to`` (``place``, ``beside``
    or a host), ``into`` (a name, which means beside), ``source`` (a host) and ``file``. Returns ``sources`` (host that
    is restored to: host whose stores have the backups), ``jobs``, ``left_out`` (names both), ``into`` and ``pause``.
    Raises ValueError that says what there is.
    """
    app, to = wanted.get("app") or "", wanted.get("to") or PLACE
    fitting = {host: _fitting(jobs, app, wanted.get("database") or "") for host, jobs in hosts.items()}
    with_app = [host for host, jobs in fitting.items() if jobs]
    if not with_app:
        known = sorted({f"{job['app']}-{job['database']}" for jobs in hosts.values() for job in jobs})
        raise ValueError(
            "no backup job fits. Say app=NAME, and database=NAME for one of its databases. Jobs are named "
            f"APP-DATABASE; there are {', '.join(known) or 'none'}"
        )
    sources = _sources(with_app, list(hosts), app, to, wanted.get("source") or "")
    target = next(iter(sources))
    jobs = fitting[target]
    beside = to == BESIDE or bool(wanted.get("into"))
    if not beside and any(job["name"] == SERVER_JOB for job in jobs):
        raise ValueError(
            f"{SERVER_JOB}: a server that runs is not put back over itself. Say to=beside, and take from there what is"
            " missing; for an empty server there is recover.yml"
        )
    kept = [job for job in jobs if not beside or job["engine"] in NAMED]
    left_out = [job["name"] for job in jobs if job not in kept]
    if not kept:
        raise ValueError(
            f"{', '.join(left_out)}: of this engine nothing can be restored beside; restore it to another host"
        )
    if len(kept) > 1 and (wanted.get("into") or wanted.get("file")):
        raise ValueError(
            f"into and file are about one database: say database= ({', '.join(j['database'] for j in kept)})"
        )
    return {
        "sources": sources,
        "jobs": [job["name"] for job in kept],
        "left_out": left_out,
        "into": (wanted.get("into") or NEW) if beside else "",
        "pause": not beside,
    }


def _fitting(jobs: Iterable[Mapping[str, Any]], app: str, database: str) -> list[Mapping[str, Any]]:
    return [job for job in jobs if job["app"] == app and database in ("", job["database"])]


def _sources(with_app: list[str], hosts: list[str], app: str, to: str, source: str) -> dict[str, str]:
    if source and source not in hosts:
        raise ValueError(f"source: '{source}' is none of these hosts: {', '.join(hosts)}")
    if to in (PLACE, BESIDE):
        return {host: source or host for host in with_app}
    if to not in hosts:
        raise ValueError(f"to: '{to}' is neither {PLACE} nor {BESIDE} nor one of these hosts: {', '.join(hosts)}")
    if to not in with_app:
        raise ValueError(
            f"to: {to} does not run '{app}'. Give it the app in the inventory and run site.yml there first; for an"
            " empty server there is recover.yml"
        )
    others = [host for host in with_app if host != to]
    if not source and len(others) != 1:
        choices = ", ".join(others) or "no other host has the app"
        raise ValueError(f"source: say whose backups shall go to {to} ({choices})")
    return {to: source or others[0]}


def recovered(jobs: Iterable[Mapping[str, Any]], without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The jobs whose backups an empty server needs: databases that run on it, volumes, and of the server's own state
    the certificates, which an authority gives out only so often. Everything else the inventory makes again.

    Raises ValueError for names in ``without`` that no job has.
    """
    jobs, left_out = list(jobs), set(without)
    if strange := sorted(left_out - {job["name"] for job in jobs}):
        known = ", ".join(job["name"] for job in jobs) or "none"
        raise ValueError(f"without: there is no job {', '.join(strange)}; there are {known}")
    found = []
    for job in jobs:
        if job["name"] in left_out:
            continue
        if job["name"] == SERVER_JOB:
            found.append({**job, "paths": [CERTIFICATES]})
        elif job["engine"] == FILES or job.get("container"):
            found.append(dict(job))
    return found


def not_recovered(jobs: Iterable[Mapping[str, Any]], without: Iterable[str] = ()) -> list[str]:
    """What a recovery leaves to its operator, a line for each job that it does not bring back."""
    jobs, left_out = list(jobs), set(without)
    brought = {job["name"] for job in recovered(jobs, left_out)}
    lines = []
    for job in jobs:
        if job["name"] in brought:
            continue
        beside = " -e to=beside" if job["name"] == SERVER_JOB else ""
        command = f"ansible-playbook playbooks/restore.yml -e app={job['app']} -e database={job['database']}{beside}"
        if job["name"] in left_out:
            why = f"left out, as asked. To have it: {command}"
        elif job.get("socket") or job.get("host", "") in LOOPBACK:
            why = f"NOT HERE: it was native on the server, and went with it. Install it, then: {command}"
        else:
            why = f"managed elsewhere, at {job['host']}, and left as it is. Where it has to go back as well: {command}"
        lines.append(f"{job['name']}: {why}")
    return lines


def told(
    done: Sequence[Mapping[str, Any]],
    app: str,
    left_out: Sequence[str] = (),
    paused: float | None = None,
    dry: bool = False,
    recovered: float | None = None,
) -> list[str]:
    """What a restore has done or would do, and what to do next. ``done`` are the module's results, a piece each.

    ``paused`` and ``recovered`` are seconds: how long services stood still, how long a whole recovery took.
    """
    rows: list[tuple[object, ...]] = []
    plan, undo, notes = [], [], []
    for result in done:
        piece = result["item"]
        manifest = piece["manifest"]
        counts = result["counts"] if not dry else manifest.get("counts") or {}
        where = result["into"] or f"all of {manifest['engine']}"
        origin = f"store {piece['store']}" if piece["store"] else "this server"
        held = f"{sum(counts.values())} in {len(counts)}"
        rows.append((piece["job"], manifest["set"], origin, where, held, result["safety"] or None))
        plan += [f"{piece['job']}: {step}" for step in result["plan"]] if dry else []
        notes += [f"{piece['job']}: {note}" for note in result.get("notes") or []]
        if result["safety"]:
            base = f"ansible-playbook playbooks/restore.yml -e app={app} -e database={piece['database']}"
            undo.append(f"  {base} -e file={result['safety']}")
    lines = summary.table([("job", "set", "from", "into", "holds", "kept of before"), *rows], indent="")
    lines += [f"{name}: left out, for of its engine nothing can be beside" for name in left_out]
    if dry:
        return [*lines, *plan, "Nothing was changed: this was a check."]
    lines += notes
    if paused is not None:
        lines.append(f"The services of {app} stood still for {paused:.0f} s.")
    if recovered is not None:
        lines.append(f"The server runs again, after {recovered / 60:.1f} minutes.")
        lines.append("Next: point its names to it, then ansible-playbook playbooks/backup.yml")
    if undo:
        lines += ["To have back what was there before:", *undo]
    return lines


def failure(result: Mapping[str, Any]) -> dict[str, Any]:
    """Messages of a task that failed, and whether data is ``half_done``; ``result`` may be that of a loop.

    A loop goes on behind a failure: where some of its pieces are restored and others are not, the app's data is of two
    moments, which is half done as well. (In check mode nothing takes any time.)
    """
    results = result.get("results") or []
    failed = [item for item in results if item.get("failed")]
    mixed = bool(failed) and any(item.get("duration") for item in results if not item.get("failed"))
    said = [str(item.get("msg", "")).rstrip(".") for item in failed or [result]]
    return {"msg": "; ".join(said), "half_done": mixed or any(map(_half_done, failed or [result]))}


def _half_done(item: Mapping[str, Any]) -> bool:
    """A module that was killed says nothing of what it has done, and Ansible shows what it printed until then."""
    return bool(item.get("half_done", "module_stdout" in item))


def pieces(came: Mapping[str, Any], job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was fetched of a job (``store``, ``paths``, ``manifests``), a backup each. Nothing secret is in it."""
    shared = {"job": job["name"], "database": job["database"], "store": came["store"]}
    pairs = zip(came["paths"], came["manifests"], strict=True)
    return [{**shared, "path": path, "manifest": manifest} for path, manifest in pairs]
