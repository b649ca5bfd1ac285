# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_jobs
short_description: Backup jobs with what was fetched of them, for a drill
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Brings jobs, fetched backups and their keys together for M(mainstay.platform.app_drill).
  - The result holds secrets. Hand it on, never print it.
positional: _input, fetched, identity
options:
  _input:
    description: The jobs.
    type: list
    elements: dict
    required: true
  fetched:
    description: What M(mainstay.platform.backup_fetch) returned for each, in the same order.
    type: list
    elements: dict
    required: true
  identity:
    description: Private keys of age, see P(mainstay.platform.backup_key#filter). Each backup's own key comes out.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Drill
  mainstay.platform.app_drill:
    project: "{{ project }}"
    files: "{{ project.files | to_json }}"
    jobs: "{{ jobs | mainstay.platform.drill_jobs(fetched.results, backups_identity) }}"
    directory: /var/lib/mainstay/drill/snippetly
"""

RETURN = r"""
_value:
  description: The jobs, each with C(paths) and C(keys).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.filter.backup_key import backup_key

KEPT = ("name", "database", "engine", "user", "password", "databases")


def drill_jobs(
    jobs: Sequence[Mapping[str, Any]], fetched: Sequence[Mapping[str, Any]], identity: str = ""
) -> list[dict[str, Any]]:
    """One job for each, with paths and keys."""
    return [
        {
            **{key: job[key] for key in KEPT if job.get(key) is not None},
            "paths": list(came["paths"]),
            "keys": [backup_key(manifest, identity) for manifest in came["manifests"]],
        }
        for job, came in zip(jobs, fetched, strict=True)
    ]


class FilterModule:
    """The filter C(drill_jobs)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_jobs": drill_jobs}
