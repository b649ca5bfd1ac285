#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: blob_info
short_description: List objects in Azure Blob Storage
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Lists the objects of a container whose names start with a prefix, with their digests and metadata. What was stored
    in parts is one object.
  - Uploads in parts that never finished are listed apart.
options:
  prefix:
    description:
      - Only objects whose names start with this.
    type: str
    default: ""
extends_documentation_fragment:
  - mainstay.platform.blob
  - mainstay.platform.attributes.read_only
seealso:
  - module: mainstay.platform.blob_upload
"""

EXAMPLES = r"""
- name: Which dumps are there
  mainstay.platform.blob_info:
    prefix: prod/snippetly/postgres/
    container: backups
    account_url: https://snipback.blob.core.windows.net
    credential: {kind: managed_identity}
  register: dumps
  vars:
    ansible_python_interpreter: /opt/mainstay/venv/bin/python
"""

RETURN = r"""
objects:
  description: The objects, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the object., type: str, returned: always}
    size: {description: Size in bytes., type: int, returned: always}
    url: {description: Address without a credential; with parts of their list., type: str, returned: always}
    etag: {description: The version in the store., type: str, returned: always}
    modified: {description: When it was written, type: str, returned: always, sample: "2026-11-21T02:00:07+00:00"}
    digest: {description: SHA-256 over the MD5s of the blocks., type: str, returned: always}
    md5: {description: MD5 of the content where the store keeps it., type: str, returned: always}
    sha256: {description: SHA-256 of the content where the store keeps it., type: str, returned: always}
    metadata: {description: What was kept with the object., type: dict, returned: always}
    parts: {description: Number of parts it is stored in; 0 for a plain blob., type: int, returned: always}
    index: {description: Name of the blob that lists the parts., type: str, returned: always}
    tier: {description: Access tier., type: str, returned: always}
unfinished:
  description: Uploads in parts that were interrupted, or are still running - name, attempt, number and size of the
    parts, last change.
  returned: success
  type: list
  elements: dict
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.blob import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import describe, survey


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(shared.CONNECTION_OPTIONS, prefix={"type": "str", "default": ""}),
        supports_check_mode=True,
    )
    with shared.connected(module, absent=lambda: {"objects": [], "unfinished": []}) as client:
        objects, unfinished = survey(client, module.params["prefix"])
        module.exit_json(
            changed=False,
            objects=[describe(found) for found in objects],
            unfinished=[
                dataclasses.asdict(attempt) | {"modified": attempt.modified.isoformat() if attempt.modified else None}
                for attempt in unfinished
            ],
        )


if __name__ == "__main__":
    main()
