# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring_targets
short_description: What of the apps is to be watched
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Gives what to scrape, which addresses to probe from outside, whose certificates to watch and how old the
    newest backup of each job may be.
  - >-
    A service is probed where its health path is reached through a route of its own. The age allowed is the
    longest time between two runs of the schedule and two hours more.
positional: _input
options:
  encrypted:
    description:
      - Whether backups are encrypted, as for P(mainstay.platform.backups_jobs#filter).
    type: bool
    default: false
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Watch
  ansible.builtin.import_role:
    name: mainstay.platform.monitoring
  vars:
    monitoring_targets: "{{ apps | mainstay.platform.monitoring_targets }}"
"""

RETURN = r"""
_value:
  description: What of the apps is to be watched.
  type: dict
  contains:
    scrapes:
      description: Places at the metrics listener, one for each service with metrics.
      type: list
      elements: dict
      sample: [{job: shop-web, app: shop, address: "127.0.0.1:9080", path: /shop/web}]
    probes:
      description: Addresses that must answer.
      type: list
      elements: dict
      sample: [{app: shop, url: "https://shop.example/health"}]
    certificates:
      description: Host names whose certificates are watched.
      type: list
      elements: str
      sample: [shop.example]
    backups:
      description: Jobs with the age in seconds that their newest backup may have, and the app's C(rpo) if it has one.
      type: list
      elements: dict
      sample: [{name: shop-db, app: shop, max_age: 93600, rpo: 86400}]
    recoveries:
      description: Apps with an C(rto), in seconds.
      type: list
      elements: dict
      sample: [{app: shop, rto: 900}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import monitoring_targets
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(monitoring_targets)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"monitoring_targets": project(monitoring_targets.monitoring_targets)}
