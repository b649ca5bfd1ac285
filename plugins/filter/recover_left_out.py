# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recover_left_out
short_description: What the recovery of a server leaves to its operator
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Says of each job that P(mainstay.platform.recover_jobs#filter) leaves out why, and how to bring it back - databases
    that were native on the server, those that are managed elsewhere, and what was to be left out.
positional: _input, without
options:
  _input:
    description: The server's backup jobs.
    type: list
    elements: dict
    required: true
  without:
    description: Names of jobs to leave out, such as one of which there is no backup yet.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What would not come back
  ansible.builtin.debug:
    msg: "{{ apps | mainstay.platform.backups_jobs | mainstay.platform.recover_left_out }}"
"""

RETURN = r"""
_value:
  description: A line for each of them.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill.route import not_recovered


class FilterModule:
    """The filter C(recover_left_out)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"recover_left_out": not_recovered}
