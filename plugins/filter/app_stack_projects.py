# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_stack_projects
short_description: Compose projects of the apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Gives for each app the rendered Compose files of its databases and of both slots, with the directories, networks,
    ports and health checks that a release needs.
  - The C(id) is the release and eight hexadecimal digits of the rendered content, so that it changes when anything does.
  - The result holds passwords and secrets, so hand it on, never print it. Files with C(secret) are not shown in a diff.
  - Checks O(_input) first and fails with every error at once.
positional: _input
options:
  _input:
    description: The C(apps) list of the inventory; M(mainstay.platform.validate_apps) describes every field.
    type: list
    elements: dict
    required: true
seealso:
  - module: mainstay.platform.validate_apps
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
  description: One entry for each app.
  type: list
  elements: dict
  contains:
    app:
      description: Name of the app.
      type: str
      sample: shop
    release:
      description: Release that the inventory names.
      type: str
      sample: v1.4.2
    id:
      description: Name of the release's directory.
      type: str
      sample: v1.4.2-1a2b3c4d
    strategy:
      description: How one release takes over from another.
      type: str
      sample: blue_green
    networks:
      description: Networks outside the projects.
      type: list
      elements: dict
      sample: [{name: shop-data, internal: true}]
    directories:
      description: Directories of databases and volumes.
      type: list
      elements: dict
      sample: [{path: /opt/app-data/shop/db, owner: 999, group: 999, mode: "0700"}]
    data:
      description: Compose project and files of the databases.
      type: dict
    files:
      description: Files of the release.
      type: list
      elements: dict
    slots:
      description: Compose project and loopback ports per slot.
      type: dict
      sample: {blue: {project: shop-blue, ports: {web: 20011}}, green: {project: shop-green, ports: {web: 28734}}}
    health:
      description: How to tell that a service is well; times in seconds.
      type: list
      elements: dict
      sample: [{service: web, port: 8000, path: /health, interval: 2, timeout: 60}]
    migrations:
      description: Services that run once before the release.
      type: list
      elements: str
      sample: [migrate]
    singletons:
      description: Services of which never two may run.
      type: list
      elements: str
      sample: [beat]
    upstreams:
      description: Upstreams of nginx with their loopback ports per slot.
      type: list
      elements: dict
      sample: [{name: shop_web, service: web, ports: {blue: 20011, green: 28734}}]
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
