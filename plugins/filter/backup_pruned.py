# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_pruned
short_description: What was pruned, or would be, as an aligned table
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Renders the C(sets) of M(mainstay.platform.backup_prune) for people.
positional: _input
options:
  _input:
    description: The sets.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what stays and what goes
  ansible.builtin.debug:
    msg: "{{ pruned.sets | mainstay.platform.backup_pruned }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils import summary

HEAD = ("store", "job", "set", "size", "", "why")


def backup_pruned(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each set, and the sum of what went or would go."""
    if not sets:
        return ["no sets"]
    rows = [
        (
            item["store"],
            item["job"],
            item["set"],
            summary.size(item["size"]),
            "stays" if item["keep"] else "LOCKED" if item["error"] else "removed" if item["removed"] else "would go",
            item["error"] or item["reason"],
        )
        for item in sorted(sets, key=lambda item: (item["store"], item["job"], item["set"]))
    ]
    going = [item for item in sets if not item["keep"]]
    total = f"{len(going)} of {len(sets)} sets, {summary.size(sum(item['size'] for item in going))}"
    return [*summary.table([HEAD, *rows], indent=""), total]


class FilterModule:
    """The filter C(backup_pruned)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_pruned": backup_pruned}
