# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter nginx_files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_files
short_description: The files of nginx's sites, for config_tree
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives, for each site that has a domain, its configuration and its headers as entries of
    M(mainstay.platform.config_tree).
  - Routes and rate limits are merged, so that each path is one location.
positional: _input, headers, njs
options:
  _input:
    description: The sites, as the role C(nginx) takes them.
    type: list
    elements: dict
    required: true
  headers:
    description: Headers of a site that names none.
    type: dict
    required: true
  njs:
    description: Version of njs on the server; empty where it is not known. One that is too old for a limit is refused.
    type: str
    required: true
"""

EXAMPLES = r"""
files: "{{ nginx_sites | mainstay.platform.nginx_files(nginx_headers, '0.8.9') }}"
"""

RETURN = r"""
_value:
  description: Files, each with C(src), C(dest) and C(vars).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.nginx.locations import files


def nginx_files(sites: list[dict[str, Any]], headers: dict[str, str], njs: str) -> list[dict[str, Any]]:
    """Files of the sites; AnsibleFilterError for a limit that cannot be had."""
    try:
        return files(sites, headers, njs)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter C(nginx_files)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"nginx_files": nginx_files}
