# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the filters over the list of apps share."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``mainstay.platform.apps``."""

    DOCUMENTATION = r"""
options:
  _input:
    description:
      - The C(apps) list of the inventory; M(mainstay.platform.validate_apps) describes every field.
      - It is checked first; the filter fails with every error at once.
    type: list
    elements: dict
    required: true
seealso:
  - module: mainstay.platform.validate_apps
"""
