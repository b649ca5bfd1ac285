# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_rules
short_description: Ports that the apps need open
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Gives HTTP and HTTPS where an app has domains, otherwise nothing. Services and databases never need an open
    port, since they listen on the loopback address or on internal networks only.
positional: _input
options:
  http3:
    description: Whether the sites are served by HTTP/3 as well, which comes by UDP.
    type: bool
    default: false
  web_sources:
    description: Networks, as those of a CDN, that alone may reach the sites. Anyone when empty.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Harden the host
  ansible.builtin.import_role:
    name: mainstay.platform.hardening
  vars:
    hardening_firewall_app_rules: "{{ apps | mainstay.platform.firewall_rules }}"
"""

RETURN = r"""
_value:
  description: Ports that the apps need open.
  type: list
  elements: dict
  contains:
    port:
      description: Port to open.
      type: int
      sample: 443
    proto:
      description: Protocol.
      type: str
      sample: tcp
    from:
      description: Who may come. Absent where anyone may.
      type: str
      sample: 192.0.2.0/24
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import firewall_rules
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(firewall_rules)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"firewall_rules": project(firewall_rules.firewall_rules)}
