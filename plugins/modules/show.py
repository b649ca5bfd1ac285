#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print a table as it is
version_added: 0.1.0
description:
  - Prints lines on the controller under the server's name. M(ansible.builtin.debug) would break the long ones.
author:
  - Mainstay contributors (@mainstay-platform)
options:
  lines:
    description: What to print.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
seealso:
  - module: mainstay.platform.summary
"""

EXAMPLES = r"""
- name: Show a table
  mainstay.platform.show:
    lines:
      - "app        age"
      - "snippetly  3 min"
"""

RETURN = r"""
lines:
  description: What was printed.
  returned: always
  type: list
  elements: str
"""
