# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_key
short_description: Take the key of one backup out of its manifest
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Every encrypted backup can be opened with a key of its own as well, which lies in its manifest, encrypted to the
    recipients. This opens it where the private key is, so that a server that restores sees the key of this one
    backup and not the private key.
  - Gives an empty string for a backup that is not encrypted.
  - The result is a secret. Give it to O(mainstay.platform.backup_restore#module:identity) and nowhere else.
positional: _input, identity
options:
  _input:
    description: The manifest.
    type: dict
    required: true
  identity:
    description: Private keys, one a line, as C(age-keygen) writes them, or one SSH key.
    type: str
    required: true
requirements:
  - pyrage, on the controller
"""

EXAMPLES = r"""
- name: Restore what is encrypted
  mainstay.platform.backup_restore:
    path: /var/backups/mainstay/snippetly/postgres/pg-backup-20261121-020000.dump.age
    identity: "{{ manifest | mainstay.platform.backup_key(backups_identity) }}"
    name: snippetly-postgres
    app: snippetly
    database: postgres
    engine: postgresql
    databases: [snippetly]
"""

RETURN = r"""
_value:
  description: The key.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.backup import crypt
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError


def backup_key(manifest: Any, identity: Any) -> str:
    """Open the key, or say why it cannot be."""
    if not isinstance(manifest, Mapping) or "file" not in manifest:
        raise AnsibleFilterError("backup_key: a manifest is needed")
    sealed = manifest.get("encryption")
    if not sealed:
        return ""
    name = f"{manifest['file']} is encrypted to {', '.join(sealed['recipients'])}"
    if not identity:
        raise AnsibleFilterError(f"{name}: set backups_identity to one of their private keys")
    try:
        return crypt.open_key(sealed["key"], str(identity))
    except BackupError as error:
        raise AnsibleFilterError(f"{name}: {error}") from None


class FilterModule:
    """The filter C(backup_key)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_key": backup_key}
