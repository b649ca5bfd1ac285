# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_stack_projects
short_description: Compose projects, from the apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Gives, for each app, the Compose files of its databases and its services with everything that a release needs
    to know.
  - >-
    Services and databases run as plain users with a read-only root file system, without capabilities and without a
    way to new privileges, within limits of memory and processes, on loopback ports only. Databases are on an internal
    network.
  - The result holds the secrets of the apps.
positional: _input
extends_documentation_fragment:
  - mainstay.platform.apps
seealso:
  - plugin: mainstay.platform.app_stack_tree
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Release the apps
  ansible.builtin.import_role:
    name: mainstay.platform.app_stack
  vars:
    app_stack_projects: "{{ apps | mainstay.platform.app_stack_projects }}"
"""

RETURN = r"""
_value:
  description: What P(mainstay.platform.app_stack#role) runs; its argument specification describes every field.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import app_stack
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(app_stack_projects)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"app_stack_projects": project(app_stack.app_stack_projects)}
