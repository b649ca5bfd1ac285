# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controls are on for a server, and what they add up to. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.hardening.controls import (
    BASELINE,
    BY_ID,
    CONTROLS,
    STRICT,
    Control,
)

PROFILES: dict[str, tuple[str, ...]] = {BASELINE: (BASELINE,), STRICT: (BASELINE, STRICT)}
# Lists in order of preference: of these the server gets what its OpenSSH has.
ALGORITHMS = {"KexAlgorithms": "kex", "Ciphers": "cipher", "MACs": "mac", "HostKeyAlgorithms": "HostKeyAlgorithms"}

# What a control may need: whether the server has it, and what to say where it has not.
FACTS: dict[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "ssh_users": (lambda f: bool(f["ssh_users"]), "hardening_ssh_users names nobody"),
    "openssh_9_9": (
        lambda f: "mlkem768x25519-sha256" in f["algorithms"].get("kex", ["mlkem768x25519-sha256"]),
        "OpenSSH is older than 9.9",
    ),
    "not_container": (lambda f: not f["container"], "the kernel belongs to the machine under the container"),
    "no_router_advertisements": (
        lambda f: not f["router_advertisements"],
        "the server has its IPv6 route from a router advertisement",
    ),
    "no_time_daemon": (lambda f: not f["time_daemon"], "another time daemon keeps the clock"),
    "tmp_mount": (lambda f: f["tmp_mount"], "systemd mounts no /tmp of its own"),
}


class PlanError(ValueError):
    """The wishes for controls are wrong; ``errors`` says how, each by variable and path."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


def plan(facts: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Add up the controls that are on.

    ``facts`` is what ``hardening_preflight`` returns. ``options`` are ``profile``, ``controls`` {id: bool}, ``waivers``
    [{control, reason, until}], ``today`` (``2026-11-21``), ``ssh_users``, ``ssh_options``, ``sysctl``, ``banner``.
    Returns ``packages``, ``files``, ``sshd``, ``sysctl``, ``edits``, ``modes``, ``pam``, ``groups``, ``units``, ``on``
    (ids), ``mounts`` [{path, option}], ``audit_rules`` (paths) and ``notes`` for what is to be done, and ``controls``
    for what is to be reported. Raises PlanError.
    """
    today = datetime.date.fromisoformat(str(options["today"]))
    waivers, notes = _waivers(options.get("waivers") or [], today, _switches(options.get("controls") or {}))
    known = {**facts, "ssh_users": options.get("ssh_users") or []}
    states = [(c, *_state(c, options, waivers, known)) for c in CONTROLS]
    on = [control for control, state, _why in states if state == "on"]
    # What the inventory says is taken as it is, and comes first.
    wishes = {str(k): str(_word(v)) for k, v in (options.get("ssh_options") or {}).items() if v not in ("", None)}
    ours = _sshd({k: v for c in on for k, v in c.sshd.items()}, known)
    sshd = wishes | {k: v for k, v in ours.items() if k.lower() not in map(str.lower, wishes)}
    sysctl = {**{k: v for c in on for k, v in c.sysctl.items()}, **(options.get("sysctl") or {})}
    words = {"banner": str(options.get("banner") or ""), "syslog": "yes" if facts.get("syslog_daemon") else "no"}
    result: dict[str, Any] = {
        "on": [c.id for c in on],
        "notes": notes,
        "sshd": sshd,
        "sysctl": sysctl,
        "packages": _unique(p for c in on for p in c.packages),
        "files": [_file(asdict(f)) for c in on for f in c.files],
        "edits": [_edit(asdict(e), words) for c in on for e in c.edits],
        "modes": [asdict(m) for c in on for m in c.modes],
        "pam": _unique(p for c in on for p in c.pam),
        "groups": _unique(g for c in on for g in c.groups),
        "units": [{"name": u, "enabled": True, "state": "started"} for u in _unique(u for c in on for u in c.units)],
        "mounts": [{"path": path, "option": option} for path, option in _checks(on, "mount")],
        "audit_rules": [path for (path,) in _checks(on, "audit")],
    }
    result["controls"] = [_reported(c, state, why, result, words) for c, state, why in states]
    return result


def _switches(switches: Mapping[str, Any]) -> list[str]:
    errors = []
    for name, value in switches.items():
        if name not in BY_ID:
            errors.append(f"hardening_controls.{name}: there is no control of this name ({_near(name)})")
        elif not isinstance(value, bool):
            errors.append(f"hardening_controls.{name}: '{value}' is neither true nor false")
    return errors


def _near(name: str) -> str:
    area = str(name).partition("-")[0]
    same = [c.id for c in CONTROLS if c.area == area]
    return "there are: " + ", ".join(same) if same else "docs/hardening.md lists them"


def _waivers(
    waivers: Iterable[Mapping[str, Any]], today: datetime.date, errors: list[str]
) -> tuple[dict[str, tuple[str, datetime.date]], list[str]]:
    """Read waivers: those in force by control, and a note on each that has ended."""
    errors = list(errors)
    good: dict[str, tuple[str, datetime.date]] = {}
    notes: list[str] = []
    for index, waiver in enumerate(waivers):
        where = f"hardening_waivers[{index}]"
        name, reason = str(waiver.get("control") or ""), str(waiver.get("reason") or "").strip()
        if name not in BY_ID:
            errors.append(f"{where}.control: there is no control '{name}' ({_near(name)})")
        if not reason:
            errors.append(f"{where}.reason: is missing: say why '{name}' is waived")
        try:
            until = datetime.date.fromisoformat(str(waiver.get("until") or ""))
        except ValueError:
            errors.append(f"{where}.until: '{waiver.get('until') or ''}' is not a day (try '{today.year + 1}-06-30')")
            continue
        if until < today:
            notes.append(f"The waiver of '{name}' has ended on {until}: the control is in force again")
        else:
            good[name] = (reason, until)
    if errors:
        raise PlanError(errors)
    return good, notes


def _state(
    control: Control,
    options: Mapping[str, Any],
    waivers: Mapping[str, tuple[str, datetime.date]],
    facts: Mapping[str, Any],
) -> tuple[str, str]:
    """Whether a control is ``on``, ``waived`` or ``not applicable``, and why."""
    if control.id in waivers:
        reason, until = waivers[control.id]
        return "waived", f"until {until}: {reason}"
    wanted = (options.get("controls") or {}).get(control.id)
    if wanted is False:
        return "not applicable", "switched off in hardening_controls"
    if wanted is None and control.profile not in PROFILES[options["profile"]]:
        return "not applicable", f"not in profile {options['profile']}: {control.profile}"
    missing = [message for present, message in (FACTS[need] for need in control.needs) if not present(facts)]
    return ("not applicable", "; ".join(missing)) if missing else ("on", "")


def _sshd(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """Fill in what depends on the server: its algorithms, its keywords, who runs the role."""
    found: dict[str, str] = {}
    for keyword, value in settings.items():
        kind = ALGORITHMS.get(keyword)
        if kind and isinstance(value, (list, tuple)):
            supported = facts["algorithms"].get(kind) or value
            found[keyword] = ",".join(name for name in value if name in supported)
        elif keyword == "AllowUsers" and value == "hardening_ssh_users":
            found[keyword] = " ".join(facts["ssh_users"])
        elif keyword == "PermitRootLogin" and value == "no" and facts["user"] == "root":
            found[keyword] = "prohibit-password"
        elif not facts["keywords"] or keyword.lower() in {*facts["keywords"], "allowusers"}:
            found[keyword] = str(value)
    return found


def _word(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _file(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value != ""}


def _edit(entry: dict[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """Fill in what a line leaves open: ``{banner}``, ``{syslog}``."""
    line = entry["line"]
    for name, word in words.items():
        line = line.replace(f"{{{name}}}", word)
    return {**entry, "line": line}


def _reported(
    control: Control, state: str, why: str, result: Mapping[str, Any], words: Mapping[str, str]
) -> dict[str, Any]:
    """A control as the report wants it; one that is off has nothing to be looked at."""
    base = {"id": control.id, "title": control.title, "state": state, "why": why}
    if state != "on":
        return base
    return {
        **base,
        "sshd": {k: result["sshd"][k] for k in control.sshd if k in result["sshd"]},
        "sysctl": {k: result["sysctl"][k] for k in control.sysctl},
        "packages": list(control.packages),
        "files": [f.dest for f in control.files],
        "edits": [_edit(asdict(e), words) for e in control.edits],
        "modes": [asdict(m) for m in control.modes],
        "pam": list(control.pam),
        "groups": list(control.groups),
        "units": list(control.units),
        "checks": list(control.checks),
    }


def _checks(controls: Iterable[Control], name: str) -> list[list[str]]:
    """What the checks of a name look at: ``mount:/tmp:noexec`` gives ``[/tmp, noexec]``."""
    found = [check.split(":") for control in controls for check in control.checks]
    return [arguments for kind, *arguments in found if kind == name]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
