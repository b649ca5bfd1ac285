# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: releases_known
short_description: Which releases served last, as far as backups tell
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Manifests of an app's backups name the release that served when they were made, and a backup of the server's state
    holds that of every app. This takes the newest of each app.
positional: _input, state
options:
  _input:
    description: The backups that are brought back, each with C(job) and C(manifest).
    type: list
    elements: dict
    required: true
  state:
    description: What the backup of the server's state holds, as M(mainstay.platform.app_recall) returned it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See which releases served last
  ansible.builtin.debug:
    msg: "{{ pieces | mainstay.platform.releases_known(recalled.served) }}"
"""

RETURN = r"""
_value:
  description: By app what served, with C(job) and C(set) of the backup that tells it, and when that was begun (C(at)).
  type: dict
  sample:
    shop:
      release: v2
      id: v2-1a2b3c4d
      since: "2026-11-20T10:00:00Z"
      rolled_back: null
      job: shop-db
      set: 20261121-020000
      at: "2026-11-21T02:00:03Z"
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall


class FilterModule:
    """The filter C(releases_known)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"releases_known": recall.newest}
