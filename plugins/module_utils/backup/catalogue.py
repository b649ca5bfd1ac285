# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where backups lie in a store. Pure: jobs in, names out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def folder(job: Mapping[str, Any], prefix: str) -> str:
    """Start of the names of a job's backups in a store: ``postgres/``.

    ``prefix`` may contain ``{app}`` and ``{database}``; without the latter the database is appended.
    """
    path = prefix if "{database}" in prefix else f"{prefix.rstrip('/')}/{{database}}"
    path = path.replace("{app}", job["app"]).replace("{database}", job["database"])
    return path.strip("/") + "/"


def clashes(jobs: Iterable[Mapping[str, Any]], stores: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """Where two jobs would get into each other's way, one text each. ``stores`` with ``name`` and ``prefix``."""
    jobs = list(jobs)
    names = [job["name"] for job in jobs]
    found = [f"{names.count(name)} jobs are named '{name}'" for name in dict.fromkeys(names) if names.count(name) > 1]
    for store in stores:
        owners: dict[str, list[str]] = {}
        for job in jobs:
            owners.setdefault(folder(job, store.get("prefix") or ""), []).append(job["name"])
        found += [
            f"{' and '.join(sharing)} would both write into '{path}' of store '{store['name']}': "
            "put {app} into its prefix"
            for path, sharing in owners.items()
            if len(set(sharing)) > 1
        ]
    return found


# What makes two stores the same place.
_PLACE = ("account_url", "container", "endpoint_url", "bucket", "prefix")


def shared(stores: Iterable[Mapping[str, Any]], others: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """Where several servers would write into one folder, one text each: every server has a job ``server-state``, and
    prunes and restores what lies there as its own. ``others`` are the stores of other servers by their names."""
    found = []
    for store in stores:
        place = _place(store)
        same = [name for name, theirs in others.items() if place in map(_place, theirs)]
        if same:
            found.append(
                f"store '{store['name']}' is one folder for this server and {', '.join(same)}:"
                " begin its prefix with {{ inventory_hostname }}/"
            )
    return found


def _place(store: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(store.get(key) or "").strip("/") for key in _PLACE)
