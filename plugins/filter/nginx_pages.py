# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter nginx_pages."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_pages
short_description: The files of nginx's own pages, for config_tree
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives, for each page, one for people and one for programs, as entries of M(mainstay.platform.config_tree).
options:
  _input:
    description: Title and text of each page, by status or C(maintenance).
    type: dict
    required: true
"""

EXAMPLES = r"""
files: "{{ {'404': {'title': 'Not found', 'text': 'There is nothing here.'}} | mainstay.platform.nginx_pages }}"
"""

RETURN = r"""
_value:
  description: Files, each with C(src), C(dest) and C(vars).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import pages


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"nginx_pages": pages}
