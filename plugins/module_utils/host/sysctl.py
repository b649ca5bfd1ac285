# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: which of the wanted ones the running kernel lacks, and which it cannot be given. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

NO_SUCH = "this kernel has no such setting"
NOT_OURS = "belongs to the machine under the container"


def path(key: str) -> str:
    """Return the file of a key: ``net.ipv4.ip_forward`` is /proc/sys/net/ipv4/ip_forward (sysctl.d(5))."""
    return "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))


def canonical(value: object) -> str:
    """Return a value as the kernel prints it but with single blanks: ``4096\\t87380`` becomes ``4096 87380``."""
    return " ".join(str(int(value) if isinstance(value, bool) else value).split())


def expand(settings: Mapping[str, object], find: Callable[[str], Iterable[str]]) -> dict[str, object]:
    """Return settings with ``*`` in a key, as in ``net.ipv4.conf.*.rp_filter``, replaced by what there is.

    ``find`` answers the files of a pattern. A key that is named itself goes before a pattern (sysctl.d(5)); one of an
    interface with a dot in its name is written with slashes.
    """
    named = {path(key): key for key in settings if "*" not in key}
    found: dict[str, object] = {}
    for key, value in settings.items():
        if "*" not in key:
            found[key] = value
            continue
        for file in sorted(set(find(path(key))) - set(named)):
            words = file.removeprefix("/proc/sys/")
            found[words if "." in words else words.replace("/", ".")] = value
    return found


@dataclass(frozen=True)
class Plan:
    """Values to write by key, and by key the reason why one cannot be."""

    write: dict[str, str] = field(default_factory=dict)
    skip: dict[str, str] = field(default_factory=dict)


def plan(settings: Mapping[str, object], live: Mapping[str, str | None], container: bool) -> Plan:
    """Compare wanted settings with the live ones (None: no such key).

    In a container only ``net.`` belongs to it (the network namespace); all else is the machine's and stays.
    """
    result = Plan()
    for key, value in settings.items():
        now = live[key]
        if now is None:
            result.skip[key] = NO_SUCH
        elif canonical(now) == canonical(value):
            continue
        elif container and not key.startswith(("net.", "net/")):
            result.skip[key] = NOT_OURS
        else:
            result.write[key] = canonical(value)
    return result


def config(settings: Mapping[str, object], mark: str) -> str:
    """Return the file for /etc/sysctl.d that sets them at each start; empty for none."""
    return "".join([f"{mark}.\n", *(f"{k} = {canonical(v)}\n" for k, v in settings.items())]) if settings else ""


def by_reason(skipped: Mapping[str, str]) -> str:
    """Return settings with the reason why they are not in force as one line, each reason once."""
    reasons = dict.fromkeys(skipped.values())
    return "; ".join(f"{', '.join(k for k in skipped if skipped[k] == reason)} ({reason})" for reason in reasons)
