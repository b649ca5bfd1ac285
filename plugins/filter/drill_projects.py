# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: drill_projects
short_description: Throw-away Compose projects for recovery drills, from the apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Gives, for each app with databases, one Compose project with the databases and services that it has in earnest, with
    the same images, limits and confinement. All are in one network without a way out. No port is published, no
    directory of the host is mounted, nothing restarts by itself.
  - Volumes of services are empty and in memory. Databases that are managed elsewhere are named and left out.
  - The result holds the secrets of the apps.
positional: _input
extends_documentation_fragment:
  - mainstay.platform.apps
seealso:
  - module: mainstay.platform.app_drill
"""

EXAMPLES = r"""
- name: Which images does a drill need
  ansible.builtin.debug:
    msg: "{{ (apps | mainstay.platform.drill_projects | first).images }}"
"""

RETURN = r"""
_value:
  description: A project for each app with databases.
  type: list
  elements: dict
  contains:
    app: {description: Name of the app., type: str, sample: shop}
    release: {description: Its release., type: str, sample: v1}
    project: {description: Name of the Compose project., type: str, sample: mainstay-drill-shop}
    databases: {description: The databases and how long they may take to be well., type: list, elements: dict}
    elsewhere: {description: Databases that are managed elsewhere., type: list, elements: str}
    unstarted: {description: Why the app itself is not started; empty where it is., type: str}
    migrations: {description: Services that run once before the others., type: list, elements: str}
    health: {description: How to tell that each service is well., type: list, elements: dict}
    images: {description: The image of each service and database., type: dict}
    rto: {description: Seconds in which the app shall be back; null where nothing is promised., type: int}
    files: {description: Files of the project. Secret., type: list, elements: dict}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import drill_projects
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(drill_projects)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"drill_projects": project(drill_projects.drill_projects)}
