#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# action/validate_roles.py does the work.
from __future__ import annotations

DOCUMENTATION = r"""
module: validate_roles
short_description: Check the variables of several roles before the first of them runs
version_added: 0.1.0
description:
  - Holds what the inventory sets against the argument specifications of this collection's roles and reports every error
    of every role at once.
  - A role's own check comes when its turn comes, which is after the roles before it have changed the server.
  - Runs on the controller and does not connect to the host.
options:
  roles:
    description: Names of roles of this collection.
    type: list
    elements: str
    required: true
author:
  - Mainstay contributors (@mainstay-platform)
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
seealso:
  - module: mainstay.platform.validate_apps
"""

EXAMPLES = r"""
- name: Check what the inventory says to the roles
  mainstay.platform.validate_roles:
    roles: [hardening, nginx, backups]
"""

RETURN = r"""
variables:
  description: How many variables were checked.
  returned: success
  type: int
"""
