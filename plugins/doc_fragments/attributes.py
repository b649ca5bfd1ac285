# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules say of check mode, diff mode and platform. A module names only what is otherwise with it."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments ``mainstay.platform.attributes``, and of it ``no_diff``, ``read_only`` and ``debian``."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: full
"""

    NO_DIFF = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

    READ_ONLY = r"""
attributes:
  check_mode:
    description: Nothing is changed in either mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no diff.
    support: none
"""

    DEBIAN = r"""
attributes:
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: debian
"""
