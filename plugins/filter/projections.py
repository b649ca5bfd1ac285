# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: projections
short_description: All that the roles of a whole server are told, from one reading of the apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Gives what the filters of the same names give, and reads and checks the apps once instead of once for each.
  - The result holds secrets, so hand it on, never print it.
positional: _input
options:
  encrypted:
    description: Whether backups are encrypted, as for P(mainstay.platform.backups_jobs#filter).
    type: bool
    default: false
  http3:
    description: As for P(mainstay.platform.firewall_rules#filter).
    type: bool
    default: false
  web_sources:
    description: As for P(mainstay.platform.firewall_rules#filter).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Derive from the apps what each role is told
  ansible.builtin.set_fact:
    projections: "{{ apps | mainstay.platform.projections }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The projections.
  type: dict
  contains:
    firewall_rules:
      description: What P(mainstay.platform.firewall_rules#filter) gives.
      type: list
      elements: dict
    certbot_certificates:
      description: What P(mainstay.platform.certbot_certificates#filter) gives.
      type: list
      elements: dict
    nginx_sites:
      description: What P(mainstay.platform.nginx_sites#filter) gives.
      type: list
      elements: dict
    app_stack_projects:
      description: What P(mainstay.platform.app_stack_projects#filter) gives. Secret.
      type: list
      elements: dict
    backups_jobs:
      description: What P(mainstay.platform.backups_jobs#filter) gives. Secret.
      type: list
      elements: dict
    monitoring_targets:
      description: What P(mainstay.platform.monitoring_targets#filter) gives.
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import everything
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(projections)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"projections": project(everything.everything)}
