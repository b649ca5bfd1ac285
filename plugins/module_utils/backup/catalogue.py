# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where backups lie in a store, and which of those there to take. Pure: names in, names out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST

_SET = re.compile(r"-(?P<set>\d{8}-\d{6})(?=[.-])")


@dataclasses.dataclass(frozen=True)
class Stored:
    """A set in a store, complete with all its manifests: names of backups, each with its manifest's at ``MANIFEST``."""

    set: str
    names: tuple[str, ...]
    size: int
    verdict: str


def folder(job: Mapping[str, Any], prefix: str) -> str:
    """Start of the names of a job's backups in a store: ``postgres/``.

    ``prefix`` may contain ``{app}`` and ``{database}``; without the latter the database is appended.
    """
    path = prefix if "{database}" in prefix else f"{prefix.rstrip('/')}/{{database}}"
    path = path.replace("{app}", job["app"]).replace("{database}", job["database"])
    return path.strip("/") + "/"


def clashes(jobs: Iterable[Mapping[str, Any]], prefix: str) -> list[str]:
    """Where two jobs would get into each other's way, one text each."""
    names: dict[str, int] = {}
    owners: dict[str, list[str]] = {}
    for job in jobs:
        names[job["name"]] = names.get(job["name"], 0) + 1
        owners.setdefault(folder(job, prefix), []).append(job["name"])
    return [f"{count} jobs are named '{name}'" for name, count in names.items() if count > 1] + [
        f"{' and '.join(sharing)} would both write into '{path}' of the store: put {{app}} into backups_store.prefix"
        for path, sharing in owners.items()
        if len(set(sharing)) > 1
    ]


def stored_sets(objects: Iterable[Mapping[str, Any]], path: str) -> list[Stored]:
    """The complete sets in a folder of a store, oldest first. ``objects`` as ``blob_info`` returns them."""
    by_name = {item["name"]: item for item in objects}
    parts: dict[str, list[Mapping[str, Any]]] = {}
    incomplete = set()
    for name, item in by_name.items():
        rest = name.removeprefix(path)
        found = _SET.search(rest)
        if rest == name or "/" in rest or rest.endswith(MANIFEST) or found is None:
            continue
        if name + MANIFEST in by_name:
            parts.setdefault(found["set"], []).append(item)
        else:
            incomplete.add(found["set"])
    return [
        Stored(
            set=key,
            names=tuple(sorted(item["name"] for item in items)),
            size=sum(item["size"] for item in items),
            verdict=_common(item.get("metadata", {}).get("verdict", "") for item in items),
        )
        for key, items in sorted(parts.items())
        if key not in incomplete
    ]


def _common(words: Iterable[str]) -> str:
    distinct = set(words)
    return distinct.pop() if len(distinct) == 1 else ""


def choose(sets: list[Stored], wanted: str, where: str) -> Stored:
    """The newest set whose id starts with ``wanted``; sets known to be unproven only when nothing else fits.

    Raises ValueError that names what is there.
    """
    fitting = [item for item in sets if item.set.startswith(wanted)]
    if not fitting:
        ids = [item.set for item in sets]
        there = f"the newest there are {', '.join(ids[-5:])}" if ids else "there is no complete set"
        raise ValueError(f"no backup set {wanted!r} in {where}: {there}" if wanted else f"{there} in {where}")
    proven = [item for item in fitting if item.verdict in ("ok", "")]
    return (proven or fitting)[-1]
