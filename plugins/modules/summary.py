#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: summary
short_description: End a playbook with a picture of the server
version_added: 0.1.0
description:
  - Asks M(mainstay.platform.server_info) what the server runs and prints it in aligned columns.
  - Prints once per server and changes nothing.
author:
  - Mainstay contributors (@mainstay-platform)
options:
  apps:
    description: The C(apps) list of the inventory.
    type: list
    elements: dict
    required: true
  encrypted:
    description: Whether backups are encrypted, as for P(mainstay.platform.backups_jobs#filter).
    type: bool
    default: false
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
seealso:
  - module: mainstay.platform.server_info
"""

EXAMPLES = r"""
- name: Say what is there now
  mainstay.platform.summary:
    apps: "{{ apps }}"
"""

RETURN = r"""
summary:
  description: The text that was printed.
  returned: always
  type: str
"""
