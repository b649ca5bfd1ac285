# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recover_jobs
short_description: The backup jobs whose backups an empty server needs
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives those of databases that run on the server, of volumes, and of the server's own state, narrowed to the
    certificates. What is managed elsewhere is not lost with the server, and everything else the inventory makes again.
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
- name: What would come back
  ansible.builtin.debug:
    msg: "{{ apps | mainstay.platform.backups_jobs | mainstay.platform.recover_jobs | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: The jobs. Their passwords are secret.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.drill.route import recovered


def recover_jobs(jobs: Iterable[Mapping[str, Any]], without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Narrow the jobs."""
    try:
        return recovered(jobs, without)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter C(recover_jobs)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"recover_jobs": recover_jobs}
