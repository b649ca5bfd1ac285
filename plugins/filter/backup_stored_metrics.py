# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_stored_metrics
short_description: What the stores hold, as metrics
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Renders the newest set of each promised job in each store that is proven and whole, for node exporter's text files.
    Where there is none the value is 0.
positional: _input, stores, promises, now
options:
  _input:
    description: What the stores hold, as M(mainstay.platform.backup_catalogue) returned it.
    type: list
    elements: dict
    required: true
  stores:
    description: The stores, from the same result.
    type: list
    elements: dict
    required: true
  promises:
    description: Jobs by C(name), with their C(app).
    type: list
    elements: dict
    required: true
  now:
    description: Seconds since 1970. What is dated in the future does not count.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Publish what the stores hold
  ansible.builtin.copy:
    dest: /var/lib/prometheus/node-exporter/mainstay_stored.prom
    content: >-
      {{ catalogue.sets | mainstay.platform.backup_stored_metrics(catalogue.stores, promises, now().timestamp()) }}
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.keep.table import metrics


class FilterModule:
    """The filter C(backup_stored_metrics)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_stored_metrics": metrics}
