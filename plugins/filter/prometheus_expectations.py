# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter prometheus_expectations."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: prometheus_expectations
short_description: Say as Prometheus rules what is promised of backups and recovery
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Returns a rules file with one series for each expected backup, its value being the age in seconds that it may have,
    and one for each objective - how much may be lost of a database (C(rpo)), and in how much time an app is back
    (C(rto)). The role's alerts compare with them, and so notice a backup or a drill that has never been made.
options:
  _input:
    description: >-
      What is watched, as P(mainstay.platform.monitoring_targets#filter) gives it; C(backups) and C(recoveries) of it
      count.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the rules
  ansible.builtin.debug:
    msg: "{{ monitoring_targets | mainstay.platform.prometheus_expectations | to_nice_yaml }}"
"""

RETURN = r"""
_value:
  description: The configuration, for a YAML serializer.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus


def prometheus_expectations(targets: Any) -> dict[str, Any]:
    """Return the rules file as plain data."""
    if not isinstance(targets, Mapping):
        raise AnsibleFilterError(f"prometheus_expectations: targets must be a mapping, not {type(targets).__name__}")
    return prometheus.expectations(targets)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"prometheus_expectations": prometheus_expectations}
