# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: apps_as_served
short_description: The apps of an inventory with the releases that served
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Data belongs to the release that wrote it. This gives each app the release that served where that is known, in place
    of the one that the inventory names. The result holds the secrets of the apps.
positional: _input, served
options:
  _input:
    description: The apps.
    type: list
    elements: dict
    required: true
  served:
    description: By app what served, with its C(release), as from P(mainstay.platform.releases_known#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Go on with what served
  ansible.builtin.set_fact:
    apps: "{{ apps | mainstay.platform.apps_as_served(known) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The apps.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall


class FilterModule:
    """The filter C(apps_as_served)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"apps_as_served": recall.as_served}
