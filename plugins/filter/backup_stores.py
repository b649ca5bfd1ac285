# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_stores
short_description: Stores with other credentials
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Gives the stores with the credential of each replaced by another, such as the reader's or the pruner's. Stores for
    which there is none are left out.
  - The result holds secrets. Hand it on, never print it.
positional: _input, credentials, ca_bundle
options:
  _input:
    description: The stores, as in C(backups_stores).
    type: list
    elements: dict
    required: true
  credentials:
    description: Credentials by the names of the stores.
    type: dict
    required: true
  ca_bundle:
    description: File with the authorities to trust there; what a store says of that is for the server. Empty to trust
      what is trusted anyway.
    type: str
"""

EXAMPLES = r"""
- name: What is there
  mainstay.platform.backup_catalogue:
    stores: "{{ backups_stores | mainstay.platform.backup_stores(backups_readers) }}"
"""

RETURN = r"""
_value:
  description: The stores.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def backup_stores(
    stores: Sequence[Mapping[str, Any]], credentials: Any, ca_bundle: str | None = None
) -> list[dict[str, Any]]:
    """Exchange the credentials. A name that no store has is an error: it would be a reader that never reads."""
    if not isinstance(credentials, Mapping):
        raise AnsibleFilterError("backup_stores: credentials by the names of stores are needed, such as {near: {…}}")
    names = [store.get("name") for store in stores]
    if strange := [str(name) for name in credentials if name not in names]:
        known = ", ".join(str(name) for name in names) or "none"
        raise AnsibleFilterError(f"backup_stores: there is no store {', '.join(strange)}; there are {known}")
    trust = {} if ca_bundle is None else {"ca_bundle": ca_bundle or None}
    return [
        {**store, **trust, "credential": credentials[store["name"]]}
        for store in stores
        if credentials.get(store.get("name"))
    ]


class FilterModule:
    """The filter C(backup_stores)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_stores": backup_stores}
