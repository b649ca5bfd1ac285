# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_folder
short_description: Where the backups of a job lie in a store
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Start of the names of a job's backups in the store, with a slash at its end.
positional: _input, prefix
options:
  _input:
    description: The job; its C(app) and C(database) count.
    type: dict
    required: true
  prefix:
    description:
      - Start of all names. C({app}) and C({database}) stand for those of the job. The database is appended unless it is
        in there.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the folder, here snippetly/postgres/
  ansible.builtin.debug:
    msg: "{{ {'app': 'snippetly', 'database': 'postgres'} | mainstay.platform.backup_folder('{app}') }}"
"""

RETURN = r"""
_value:
  description: The folder.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import folder


def backup_folder(job: Any, prefix: str | None = "") -> str:
    """Check the type, name the folder."""
    if not isinstance(job, Mapping) or not {"app", "database"} <= set(job):
        raise AnsibleFilterError("backup_folder: a job with app and database is needed")
    return folder(job, prefix or "")


class FilterModule:
    """The filter C(backup_folder)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_folder": backup_folder}
