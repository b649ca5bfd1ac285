#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: blob_download
short_description: Download an object from Azure Blob Storage, checked while it arrives
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Fetches an object to a file, in ranges in parallel, into a partial file beside the destination that is renamed
    when everything has arrived and is right. On any failure the destination is as it was.
  - The digest kept by M(mainstay.platform.blob_upload) is computed while the ranges arrive; without one the blob's
    own MD5 is compared.
  - An object that was stored in parts is joined.
  - A download that was interrupted goes on where it ended when it is called again, as long as the object is the same.
options:
  name:
    description:
      - Name of the object in the container.
    type: str
    required: true
  dest:
    description:
      - The file to write. Its directory must exist. It gets the modification time that the source of the upload had.
    type: path
    required: true
  sha256:
    description:
      - What the content must have, hexadecimal. Costs one more pass over the file.
    type: str
  overwrite:
    description:
      - Replace a file whose content is another.
    type: bool
    default: true
  concurrency:
    description:
      - Connections at a time, 1 to 32.
    type: int
    default: 4
  progress:
    description:
      - File in which to keep how far the transfer is, as JSON with C(done) and C(total) in bytes. It is replaced at
        most twice a second and removed at the end.
      - Without it the action of this name makes one in C(/tmp), and shows on the terminal, after five seconds and then
        every ten, how far a long transfer is.
    type: path
extends_documentation_fragment:
  - mainstay.platform.blob
  - mainstay.platform.attributes.no_diff
  - ansible.builtin.files
attributes:
  check_mode:
    details: Without the library it reports that it would download.
seealso:
  - module: mainstay.platform.blob_upload
"""

EXAMPLES = r"""
- name: Fetch a dump
  mainstay.platform.blob_download:
    name: prod/snippetly/postgres/pg-backup-20261121-020000.dump
    dest: /var/backups/mainstay/snippetly/postgres/restore.dump
    container: backups
    account_url: https://snipback.blob.core.windows.net
    credential:
      kind: sas
      sas: "{{ backups_reader_sas }}"
    mode: "0600"
  vars:
    ansible_python_interpreter: /opt/mainstay/venv/bin/python
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
reason:
  description: Why it was fetched, or not.
  returned: success
  type: str
object:
  description: The object, as M(mainstay.platform.blob_info) returns it.
  returned: success
  type: dict
sha256:
  description: SHA-256 of the content, hexadecimal, where it was given or is kept in the store.
  returned: when known
  type: str
transferred_bytes:
  description: Bytes that were fetched by this call.
  returned: success
  type: int
resumed_bytes:
  description: Bytes that an interrupted download had already fetched.
  returned: success
  type: int
verified:
  description: What the content was compared with. Starts with C(not_verified) where the store keeps no digest.
  returned: success
  type: str
  sample: digest over its blocks and SHA-256
duration:
  description: Seconds.
  returned: success
  type: float
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.blob import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import describe
from ansible_collections.mainstay.platform.plugins.module_utils.blob.download import download
from ansible_collections.mainstay.platform.plugins.module_utils.blob.progress import told


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            shared.CONNECTION_OPTIONS,
            name={"type": "str", "required": True},
            dest={"type": "path", "required": True},
            sha256={"type": "str"},
            overwrite={"type": "bool", "default": True},
            concurrency={"type": "int", "default": 4},
            progress={"type": "path"},
        ),
        add_file_common_args=True,
        supports_check_mode=True,
    )
    options = module.params
    shared.check_concurrency(module)
    with (
        shared.connected(module, absent=lambda: {"changed": True, "reason": "the store was not asked"}) as client,
        told(options["progress"]) as tell,
    ):
        done = download(
            client,
            options["name"],
            Path(options["dest"]),
            sha256=options["sha256"],
            overwrite=options["overwrite"],
            concurrency=options["concurrency"],
            check_mode=module.check_mode,
            progress=tell,
        )
        changed = done.changed
        if Path(options["dest"]).exists():
            changed = module.set_fs_attributes_if_different(module.load_file_common_arguments(options), changed)
        moved = f"; fetched {shared.speed(done.transferred_bytes, done.duration)}" if done.transferred_bytes else ""
        module.exit_json(
            msg=f"'{options['name']}': {done.reason}{moved}",
            changed=changed,
            dest=done.dest,
            reason=done.reason,
            object=describe(done.found),
            sha256=done.sha256,
            transferred_bytes=done.transferred_bytes,
            resumed_bytes=done.resumed_bytes,
            verified=done.verified,
            duration=done.duration,
        )


if __name__ == "__main__":
    main()
