# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_pieces
short_description: What was fetched for a restore, a backup each
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Pairs the paths and manifests that M(mainstay.platform.backup_fetch) returned, for the role to put back.
positional: _input, job
options:
  _input:
    description: What was returned; C(store), C(paths) and C(manifests) of it count.
    type: dict
    required: true
  job:
    description: The job.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Which files came
  ansible.builtin.debug:
    msg: "{{ fetched | mainstay.platform.restore_pieces(job) | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: Each backup with C(job), C(database), C(store), C(path) and C(manifest).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import route


class FilterModule:
    """The filter C(restore_pieces)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"restore_pieces": route.pieces}
