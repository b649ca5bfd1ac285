# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: releases_told
short_description: Which releases run after a recovery, for people
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Says of each app which release runs and why.
positional: _input, served, key
options:
  _input:
    description: The apps of the inventory.
    type: list
    elements: dict
    required: true
  served:
    description: By app what served, from P(mainstay.platform.releases_known#filter).
    type: dict
    required: true
  key:
    description: Id of the set of the server's state that told it; empty where none was asked.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say which releases run
  ansible.builtin.debug:
    msg: "{{ apps | mainstay.platform.releases_told(known, '20261121-031500') }}"
"""

RETURN = r"""
_value:
  description: A line for each app.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall


class FilterModule:
    """The filter C(releases_told)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"releases_told": recall.told}
