# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_route
short_description: Where a restore goes, and where from
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Decides for C(playbooks/restore.yml) which hosts get the backups of which, and of which jobs. Fails with what there
    is when that cannot be said.
positional: _input, wanted
options:
  _input:
    description: The backup jobs of each host.
    type: dict
    required: true
  wanted:
    description: >-
      What the operator said - C(app), C(database), C(to) (C(place), C(beside) or a host), C(into) (name of a database),
      C(source) (a host), C(file).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Into place
  ansible.builtin.debug:
    msg: "{{ {'web1': jobs} | mainstay.platform.restore_route({'app': 'snippetly'}) }}"
"""

RETURN = r"""
_value:
  description: The way.
  type: dict
  contains:
    sources:
      description: Hosts that are restored to, each with the host whose stores have the backups.
      type: dict
    jobs:
      description: Names of the jobs.
      type: list
      elements: str
    left_out:
      description: Names of jobs that cannot be restored beside.
      type: list
      elements: str
    into:
      description: For O(mainstay.platform.backup_restore#module:into).
      type: str
    pause:
      description: Whether services have to stand still.
      type: bool
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.drill.route import route


def restore_route(hosts: Mapping[str, Sequence[Mapping[str, Any]]], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Decide, or say what there is."""
    try:
        return route(hosts, wanted)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter C(restore_route)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"restore_route": restore_route}
