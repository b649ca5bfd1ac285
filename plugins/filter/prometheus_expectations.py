# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter prometheus_expectations."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: prometheus_expectations
short_description: Say as Prometheus rules which backups there must be
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Returns a rules file with one series for each expected backup, its value being the age in seconds that it may have.
    The role's alerts compare with it, and so notice a backup that has never been made.
options:
  _input:
    description: The backups, each with C(name), C(app) and C(max_age) in seconds.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the rules
  ansible.builtin.debug:
    msg: "{{ monitoring_targets.backups | mainstay.platform.prometheus_expectations | to_nice_yaml }}"
"""

RETURN = r"""
_value:
  description: The configuration, for a YAML serializer.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus


def prometheus_expectations(backups: Any) -> dict[str, Any]:
    """Return the rules file as plain data."""
    if not isinstance(backups, list):
        raise AnsibleFilterError(f"prometheus_expectations: backups must be a list, not {type(backups).__name__}")
    return prometheus.expectations(backups)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"prometheus_expectations": prometheus_expectations}
