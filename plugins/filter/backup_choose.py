# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_choose
short_description: Choose a backup set among the objects of a store
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives the newest complete set in a folder. A set is complete when each backup has its manifest.
  - Fails with what is there when there is none.
positional: _input, folder
options:
  _input:
    description: Objects as M(mainstay.platform.blob_info) returns them.
    type: list
    elements: dict
    required: true
  folder:
    description: Folder of the job, see P(mainstay.platform.backup_folder#filter).
    type: str
    required: true
  set:
    description: Id of the set, or its start, such as V(20261121). The newest that fits is taken.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the newest set
  ansible.builtin.debug:
    msg: "{{ listing.objects | mainstay.platform.backup_choose('postgres/') }}"
"""

RETURN = r"""
_value:
  description: The set.
  type: dict
  contains:
    set:
      description: Its id.
      type: str
    names:
      description: Names of its backups. Each has its manifest under the same name with C(.manifest.json).
      type: list
      elements: str
    size:
      description: Bytes of all of them.
      type: int
    verdict:
      description: Verdict at birth, as kept with the objects; empty where that is not known.
      type: str
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import choose, stored_sets


def backup_choose(objects: list[dict[str, Any]], folder: str, set: Any = "") -> dict[str, Any]:
    """Choose, as plain data."""
    try:
        found = choose(stored_sets(objects, folder), str(set or ""), f"'{folder}' of the store")
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error
    return {**dataclasses.asdict(found), "names": list(found.names)}


class FilterModule:
    """The filter C(backup_choose)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_choose": backup_choose}
