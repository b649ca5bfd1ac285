# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter prometheus_config."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: prometheus_config
short_description: Configure Prometheus for what is to be watched
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Turns the projection C(monitoring_targets) into C(prometheus.yml) - the server's own exporters, the apps' metrics,
    probes of the sites and of their certificates, rules and Alertmanager, all on loopback.
positional: server
options:
  _input:
    description: The targets, with C(scrapes), C(probes) and C(certificates).
    type: dict
    required: true
  server:
    description: The name that this server has in series and alerts.
    type: str
    required: true
  probe_address:
    description: The address where probes look for the sites instead of asking DNS.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ monitoring_targets | mainstay.platform.prometheus_config('web1') | to_nice_yaml }}"
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


def prometheus_config(targets: Any, server: str, probe_address: str = "") -> dict[str, Any]:
    """Return prometheus.yml as plain data."""
    if not isinstance(targets, Mapping):
        raise AnsibleFilterError(f"prometheus_config: targets must be a mapping, not {type(targets).__name__}")
    return prometheus.config(targets, server, probe_address)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"prometheus_config": prometheus_config}
