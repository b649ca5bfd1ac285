#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_recall
short_description: Know which releases served on a server that is gone
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Reads them from a backup of the server's state (O(path)), or keeps in mind what was rolled back there (O(served)),
    once the same releases serve here.
options:
  path:
    description:
      - A backup of the job C(server-state).
    type: path
  identity:
    description:
      - What opens it where it is encrypted, from P(mainstay.platform.backup_key#filter).
    type: str
  served:
    description:
      - What RV(served) was.
    type: dict
  timeout:
    description:
      - Seconds that unpacking may take.
    type: int
    default: 3600
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Reads, and keeps nothing in mind.
"""

EXAMPLES = r"""
- name: See what served
  mainstay.platform.app_recall:
    path: /var/backups/mainstay/server/state/from-store/state-backup-20261121-031500.tar.zst
  register: recalled
"""

RETURN = r"""
served:
  description: What served, by app.
  returned: with O(path)
  type: dict
  sample: {shop: {release: v2, id: v2-1a2b3c4d, since: "2026-11-20T10:00:00Z", rolled_back: null}}
remembered:
  description: The apps of which something that was rolled back is left alone from now on.
  returned: with O(served)
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.drill import recall
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "identity": {"type": "str", "no_log": True},
            "served": {"type": "dict"},
            "timeout": {"type": "int", "default": 3600},
        },
        required_one_of=[("path", "served")],
        mutually_exclusive=[("path", "served")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        if params["path"]:
            path = Path(params["path"])
            with shared.orderly_end(), opened(path, params["identity"]) as content:
                if content.path is None:
                    raise BackupError(f"{path} is encrypted: give the key as identity")
                with packing.unpacked(content.path, params["timeout"]) as archive:
                    found = recall.served(archive)
            module.exit_json(changed=False, served=found)
        if module.check_mode:
            module.exit_json(changed=False, remembered=[])
        apps = [app for app, known in params["served"].items() if recall.remember(app, known)]
    except (BackupError, ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(apps), remembered=apps)


if __name__ == "__main__":
    main()
