# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter blackbox_config."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: blackbox_config
short_description: Configure the blackbox exporter
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Returns the module C(http) (a page must answer with a status of 2xx) and for each domain one by which a handshake
    must succeed. Certificates are always verified.
positional: ca_file
options:
  _input:
    description: Domains whose certificates are looked at.
    type: list
    elements: str
    required: true
  ca_file:
    description: File on the server with the authority that the sites' certificates come from. Empty, the system's.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ ['shop.example'] | mainstay.platform.blackbox_config('/etc/ssl/ca.pem') | to_nice_yaml }}"
"""

RETURN = r"""
_value:
  description: The configuration, for a YAML serializer.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus


def blackbox_config(certificates: Any, ca_file: str = "") -> dict[str, Any]:
    """Return blackbox.yml as plain data."""
    if not isinstance(certificates, list):
        raise AnsibleFilterError(f"blackbox_config: domains must be a list, not {type(certificates).__name__}")
    return prometheus.blackbox(certificates, ca_file)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"blackbox_config": blackbox_config}
