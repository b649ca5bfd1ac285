# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: runtime_inventory
short_description: The inventory that a server keeps for itself
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Renders an inventory with one host, the machine itself, and its variables.
  - Strings come out as they are. A password that contains C({{) is not taken for a template later.
positional: _input, host, python
options:
  _input:
    description: The variables of the host.
    type: dict
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  python:
    description: Interpreter for modules.
    type: str
    default: /opt/mainstay/venv/bin/python
"""

EXAMPLES = r"""
- name: Show what the server will know
  ansible.builtin.debug:
    msg: "{{ {'backups_jobs': []} | mainstay.platform.runtime_inventory('snippetly-prod') }}"
"""

RETURN = r"""
_value:
  description: The inventory as YAML.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.plugin_utils.runtime_inventory import render


def runtime_inventory(variables: Any, host: str, python: str = "/opt/mainstay/venv/bin/python") -> str:
    """Check the type, render."""
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError(f"runtime_inventory: a mapping of variables is needed, not {type(variables).__name__}")
    return render(host, variables, python)


class FilterModule:
    """The filter C(runtime_inventory)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"runtime_inventory": runtime_inventory}
