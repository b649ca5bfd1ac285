# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_scrubbed
short_description: What came of reading all backups again, as an aligned table
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - What M(mainstay.platform.backup_scrub) returns, for people. What is not as it should be comes first.
positional: _input
options:
  _input:
    description: The backups.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what came of it
  mainstay.platform.show:
    lines: "{{ found.backups | mainstay.platform.backup_scrubbed }}"
"""

RETURN = r"""
_value:
  description: Lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary

HEAD = ("job", "set", "size", "", "why")
ORDER = ("bad", "not_verified", "ok")


def backup_scrubbed(backups: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each file, the bad ones first, and the sum."""
    if not backups:
        return ["no backups"]
    seen = sorted(backups, key=lambda item: (ORDER.index(item["verdict"]), item["job"], item["set"]))
    rows = [
        (
            item["job"] or item["path"],
            item["set"] or "-",
            summary.size(item["size"]),
            item["verdict"].replace("_", " "),
            item["reason"],
        )
        for item in seen
    ]
    tally = ", ".join(
        f"{count} {verdict.replace('_', ' ')}"
        for verdict in reversed(ORDER)
        if (count := sum(item["verdict"] == verdict for item in backups))
    )
    return [*summary.table([HEAD, *rows], indent=""), f"{tally}; {summary.size(sum(i['size'] for i in backups))} read"]


class FilterModule:
    """The filter C(backup_scrubbed)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_scrubbed": backup_scrubbed}
