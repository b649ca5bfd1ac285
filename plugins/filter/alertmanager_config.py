# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter alertmanager_config."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: alertmanager_config
short_description: Configure Alertmanager for a list of receivers
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Returns C(alertmanager.yml) - who is told of which severity, and that of one fault only the gravest is told.
  - Errors name every receiver's field at once, and quote no secret.
options:
  _input:
    description: The receivers, as the role C(monitoring) describes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the receivers before anything changes
  ansible.builtin.assert:
    that: (monitoring_alert_receivers | mainstay.platform.alertmanager_config) is mapping
"""

RETURN = r"""
_value:
  description: The configuration, for a YAML serializer.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import alertmanager


def alertmanager_config(receivers: Any) -> dict[str, Any]:
    """Return alertmanager.yml as plain data."""
    if not isinstance(receivers, list):
        raise AnsibleFilterError(f"alertmanager_config: receivers must be a list, not {type(receivers).__name__}")
    try:
        return alertmanager.config(receivers)
    except alertmanager.ReceiverError as error:
        raise AnsibleFilterError(f"The receivers of alerts are not right:\n{error}") from None


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"alertmanager_config": alertmanager_config}
