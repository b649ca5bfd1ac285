# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter hardening_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening_plan
short_description: Add up the controls that are on for a server
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Takes what M(mainstay.platform.hardening_preflight) found, and the wishes of the inventory, and gives all that the
    role C(hardening) sets, and each control as the report wants it.
positional: _input, options
options:
  _input:
    description: What M(mainstay.platform.hardening_preflight) returned.
    type: dict
    required: true
  options:
    description:
      - C(profile), C(controls), C(waivers), C(today), C(ssh_users), C(ssh_options), C(sysctl), C(banner).
    type: dict
    required: true
"""

EXAMPLES = r"""
plan: "{{ preflight | mainstay.platform.hardening_plan({'profile': 'strict', 'today': '2026-11-21'}) }}"
"""

RETURN = r"""
_value:
  description:
    - C(packages), C(files), C(sshd), C(sysctl), C(edits), C(modes), C(pam), C(groups), C(units), C(on), C(notes), and
      C(controls) for the report.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.hardening.plan import PlanError, plan


def hardening_plan(facts: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the core; its errors become Ansible's."""
    try:
        return plan(facts, options)
    except PlanError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter C(hardening_plan)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"hardening_plan": hardening_plan}
