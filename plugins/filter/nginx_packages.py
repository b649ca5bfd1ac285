# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter nginx_packages."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_packages
short_description: The packages that nginx needs to serve its sites
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives nginx, njs where a site has a rate limit that nginx's own limiter cannot count, and Brotli where wanted.
positional: _input, brotli
options:
  _input:
    description: The sites, as the role C(nginx) takes them.
    type: list
    elements: dict
    required: true
  brotli:
    description: Whether Brotli is wanted.
    type: bool
    required: true
"""

EXAMPLES = r"""
packages: "{{ nginx_sites | mainstay.platform.nginx_packages(true) }}"
"""

RETURN = r"""
_value:
  description: Names of packages.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import packages


def nginx_packages(sites: list[dict[str, Any]], brotli: bool) -> list[str]:
    """Packages; AnsibleFilterError for a rate that is none."""
    try:
        return packages(sites, brotli)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"nginx_packages": nginx_packages}
