# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of drills, told as metrics and to people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BAD, NOT_VERIFIED, OK

# Where they are kept, below the state of backups.
DRILLS = "drills"
METRICS = (
    ("ok", "Whether the last drill of this app succeeded."),
    ("last_run_timestamp_seconds", "When this app was last brought back in a drill, or not."),
    ("last_success_timestamp_seconds", "When a drill of this app last succeeded."),
    ("rto_seconds", "Time until the app was well on its restored data, in the last drill that succeeded."),
)
HEAD = ("app", "sets", "data", "release", "back in", "promised", "verdict")


def entry(before: Mapping[str, Any], result: Mapping[str, Any], rto: float, where: str, now: float) -> dict[str, Any]:
    """What is kept after a drill: this one, and of those before the last that succeeded (``success``).

    ``result`` is what app_drill returned; ``rto`` in seconds, ``now`` in seconds since 1970.
    """
    this = {
        "at": now,
        "where": where,
        "rto": round(rto, 1),
        **{key: result.get(key) for key in ("verdict", "reason", "checks", "seconds", "sets")},
    }
    good = {key: this[key] for key in ("at", "rto", "sets")} if this["verdict"] == OK else before.get("success")
    return {**this, "success": good}


def failure(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a drill has shown that did not come to its end: ``result`` of the task that failed, which may be a loop."""
    failed = [item for item in result.get("results") or [] if item.get("failed")]
    last = failed[0] if failed else result
    empty: dict[str, Any] = {"checks": [], "seconds": {}, "sets": {}}
    kept = {key: last.get(key) or value for key, value in empty.items()}
    return {"verdict": BAD, "reason": last.get("reason") or str(last.get("msg", "")), **kept}


def metrics(app: str, kept: Mapping[str, Any]) -> str:
    """The record in node exporter's text format. A success that never was is left out."""
    success = kept.get("success") or {}
    values = (float(kept["verdict"] == OK), kept["at"], success.get("at"), success.get("rto"))
    lines = []
    for (name, purpose), value in zip(METRICS, values, strict=True):
        if value is not None:
            lines += [f"# HELP mainstay_drill_{name} {purpose}", f"# TYPE mainstay_drill_{name} gauge"]
            lines.append(f'mainstay_drill_{name}{{app="{app}"}} {float(value)!r}')
    return "\n".join(lines) + "\n"


def table(drills: Iterable[Mapping[str, Any]], left_out: Iterable[Mapping[str, str]] = ()) -> list[str]:
    """Drills for people: ``app``, ``result``, ``rto`` and ``promised`` (seconds or null) of each; below them the apps
    that were ``left_out``, with the reason."""
    rows: list[tuple[str | None, ...]] = [HEAD]
    reasons = []
    for drill in drills:
        result = drill["result"]
        release = [check for check in result["checks"] if check["name"] == "release"]
        data = [check for check in result["checks"] if check["name"] != "release"]
        sets = sorted(set((result.get("sets") or {}).values()))
        late = drill["promised"] and drill["rto"] > drill["promised"]
        rows.append(
            (
                drill["app"],
                ", ".join(sets) or None,
                _count(data),
                release[0]["verdict"] if release else None,
                summary.age(drill["rto"]) if result["verdict"] == OK else None,
                summary.age(drill["promised"]) if drill["promised"] else None,
                "too slow" if late and result["verdict"] == OK else result["verdict"],
            )
        )
        reasons += [f"{drill['app']}: {result['reason']}"] if result["reason"] else []
        reasons += [
            f"{drill['app']}: {check['name']} not verified: {check['reason']}"
            for check in result["checks"]
            if check["verdict"] == NOT_VERIFIED
        ]
    reasons += [f"{item['app']}: not drilled: {item['reason']}" for item in left_out]
    return (summary.table(rows, indent="") if len(rows) > 1 else ["no app was drilled"]) + reasons


def left_out(apps: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The apps of which no drill can show anything, each with the reason; ``apps`` as the model has them."""
    found = []
    for app in apps:
        databases = [item["name"] for item in app["databases"]]
        if any(item["external"] is None for item in app["databases"]):
            continue
        beside = f"by playbooks/restore.yml -e app={app['name']} -e to=beside"
        if databases:
            reason = f"no container here runs {', '.join(databases)}; they are tried {beside}"
        else:
            mounted = [item for service in app["services"] for item in service["volumes"]]
            volumes = dict.fromkeys(item["name"] for item in mounted if item["backup"]["enabled"])
            reason = "it has no database"
            reason += f"; its volumes {', '.join(volumes)} are tried {beside}" if volumes else ""
        found.append({"app": app["name"], "reason": reason})
    return found


def remembered(drills: Mapping[str, Mapping[str, Any]], now: float) -> list[str]:
    """The last drill of each app in a line: ``drills`` are what is kept of them (``entry``) by app."""
    lines = []
    for app, kept in sorted(drills.items()):
        sets = ", ".join(sorted(set((kept.get("sets") or {}).values())))
        when = f"{app}: drilled {summary.age(now - kept['at'])} ago{f' with {sets}' if sets else ''}"
        if kept["verdict"] == OK:
            lines.append(f"{when}: {OK}, back in {summary.age(kept['rto'])}")
            continue
        good = kept.get("success")
        before = f"the last good one was {summary.age(now - good['at'])} ago" if good else "none has ever been good"
        reason = kept.get("reason") or "the app was not asked"
        lines.append(f"{when}: {kept['verdict'].upper()}: {reason}; {before}")
    return lines


def _count(checks: list[Mapping[str, Any]]) -> str | None:
    good = sum(check["verdict"] == OK for check in checks)
    return f"{good} of {len(checks)} ok" if checks else None


def failed(drills: Iterable[Mapping[str, Any]]) -> list[str]:
    """The apps that did not come back, or not in the time that is promised."""
    return [
        drill["app"]
        for drill in drills
        if drill["result"]["verdict"] != OK or (drill["promised"] and drill["rto"] > drill["promised"])
    ]
