# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_table
short_description: Backups as an aligned table
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Renders what M(mainstay.platform.backup_info) returned, for people.
positional: _input, now, objects
options:
  _input:
    description: The jobs.
    type: list
    elements: dict
    required: true
  now:
    description: The present moment in seconds since 1970.
    type: float
    required: true
  objects:
    description: What is in the store, as M(mainstay.platform.blob_info) returned it. Without it only the last run is
      known.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.jobs | mainstay.platform.backup_table(now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import moment, set_moment

HEAD = ("job", "set", "age", "size", "holds", "proven", "stored")
Row = tuple[str | None, ...]


def rows(job: dict[str, Any], now: float, stored: Mapping[str, Any] | None) -> Iterator[Row]:
    """One row for each backup of a job, newest first."""
    state = job.get("state") or {}
    here = job["backups"]
    for item in reversed(here):
        yield (
            job["name"],
            item["set"],
            summary.age(now - moment(item["started"])),
            summary.size(item["size"]),
            f"{sum((item.get('counts') or {}).values())} in {len(item.get('counts') or {})}",
            f"{item['verification']['level']}: {item['verification']['verdict']}",
            _stored(item, state, stored),
        )
    if not here:
        yield (job["name"], "none on this server")


def _stored(item: Mapping[str, Any], state: Mapping[str, Any], stored: Mapping[str, Any] | None) -> str | None:
    """Whether a backup is in the store: as seen there, or as the last good run says of its own."""
    if stored is not None:
        return "yes" if item["file"] in stored and item["file"] + MANIFEST in stored else "no"
    return "yes" if state.get("set") == item["set"] else None


def only_stored(jobs: list[dict[str, Any]], now: float, stored: Mapping[str, Any]) -> Iterator[Row]:
    """One row for each backup that is in the store alone, newest first."""
    here = {item["file"] for job in jobs for item in job["backups"]}
    for name, item in sorted(stored.items(), key=lambda pair: str(pair[1]["metadata"].get("set", "")), reverse=True):
        key = item["metadata"].get("set")
        if key and not name.endswith(MANIFEST) and name not in here and name + MANIFEST in stored:
            known = item["metadata"]
            age = summary.age(now - set_moment(key))
            yield (known.get("job"), key, age, summary.size(item["size"]), None, known.get("verdict"), "only there")


def backup_table(jobs: list[dict[str, Any]], now: float, objects: list[dict[str, Any]] | None = None) -> list[str]:
    """All backups under one head."""
    stored = None if objects is None else {item["name"].rpartition("/")[2]: item for item in objects}
    found = [row for job in jobs for row in rows(job, now, stored)]
    return summary.table([HEAD, *found, *only_stored(jobs, now, stored or {})], indent="") + [
        f"{job['name']}: failed {summary.age(now - job['state']['last_failure'])} ago: {job['state']['reason']}"
        for job in jobs
        if job["state"].get("failing")
    ]


class FilterModule:
    """The filter C(backup_table)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_table": backup_table}
