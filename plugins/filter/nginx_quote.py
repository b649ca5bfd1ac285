# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter nginx_quote."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_quote
short_description: Quote a string for nginx's configuration
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Quotes a string so that nginx takes it literally. Refuses what nginx cannot hold literally, a C($) or a line break.
options:
  _input:
    description: The string.
    type: str
    required: true
"""

EXAMPLES = r"""
header: "add_header X-Frame-Options {{ 'DENY' | mainstay.platform.nginx_quote }} always;"
"""

RETURN = r"""
_value:
  description: The string in double quotes.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import quote


def nginx_quote(value: str) -> str:
    """Quote a string; AnsibleFilterError for what cannot be quoted."""
    try:
        return quote(value)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"nginx_quote": nginx_quote}
