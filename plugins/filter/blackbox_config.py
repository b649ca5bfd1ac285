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
  - Returns the modules C(http) (a page must answer with a status of 2xx) and C(tls) (a handshake must succeed).
    Certificates are always verified.
options:
  _input:
    description: File on the server with the authority that the sites' certificates come from. Empty, the system's.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ '/etc/ssl/private-ca.pem' | mainstay.platform.blackbox_config | to_nice_yaml }}"
"""

RETURN = r"""
_value:
  description: The configuration, for a YAML serializer.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus


def blackbox_config(ca_file: Any) -> dict[str, Any]:
    """Return blackbox.yml as plain data."""
    if not isinstance(ca_file, str):
        raise AnsibleFilterError(f"blackbox_config: the path must be a string, not {type(ca_file).__name__}")
    return prometheus.blackbox(ca_file)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"blackbox_config": blackbox_config}
