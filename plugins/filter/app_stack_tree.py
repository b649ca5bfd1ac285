# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_stack_tree
short_description: Files, orders and secrets of what runs apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Splits projects into what M(mainstay.platform.config_tree) writes to C(/srv/<app>/wanted) and the orders that
    M(mainstay.platform.app_release) carries out. Orders hold no content of files, and so no secrets.
positional: _input
options:
  _input:
    description: Projects, as P(mainstay.platform.app_stack_projects#filter) gives them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write what the inventory wants
  mainstay.platform.config_tree:
    name: app_stack
    root: /
    files: "{{ (app_stack_projects | mainstay.platform.app_stack_tree).files }}"
    directories: "{{ (app_stack_projects | mainstay.platform.app_stack_tree).directories }}"
"""

RETURN = r"""
_value:
  description: Files, directories, orders, secrets and packages.
  type: dict
  contains:
    files:
      description: Files for M(mainstay.platform.config_tree).
      type: list
      elements: dict
    directories:
      description: Directories for M(mainstay.platform.config_tree).
      type: list
      elements: dict
    orders:
      description: Orders for M(mainstay.platform.app_release).
      type: list
      elements: dict
    packages:
      description: Packages of the distribution that releases are fetched, built and run with.
      type: list
      elements: str
    secrets:
      description: Of each app the content of its files with secrets, by path, for M(mainstay.platform.app_rotate).
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.release.layout import tree


def app_stack_tree(projects: Any) -> dict[str, Any]:
    """Return files, directories, orders, secrets and packages of ``projects``."""
    try:
        return tree(projects)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"app_stack_projects is not what the filter app_stack_projects gives: {error!r} is missing"
        ) from error


class FilterModule:
    """The filter C(app_stack_tree)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"app_stack_tree": app_stack_tree}
