# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: certbot_certificates
short_description: Certificates that the apps need
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Gives one certificate for each app with domains, for all of them.
positional: _input
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Issue and renew certificates
  ansible.builtin.import_role:
    name: mainstay.platform.certbot
  vars:
    certbot_certificates: "{{ apps | mainstay.platform.certbot_certificates }}"
"""

RETURN = r"""
_value:
  description: Certificates that the apps need.
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate and of the app.
      type: str
      sample: shop
    domains:
      description: Host names, the canonical one first.
      type: list
      elements: str
      sample: [shop.example, www.shop.example]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import certbot_certificates
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(certbot_certificates)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"certbot_certificates": project(certbot_certificates.certbot_certificates)}
