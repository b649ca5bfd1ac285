#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: blob_upload
short_description: Upload a file to Azure Blob Storage, every block checked by the service
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Brings a file into a container, in blocks that are sent in parallel and become visible together, at the end.
    Nothing half-written is ever seen under the name.
  - Every block carries its MD5, which the service checks. A digest over these, the file's size and its modification
    time are kept as metadata, so that a second call sees in one request that there is nothing to do.
  - An upload that was interrupted goes on where it ended when it is called again, as long as the service keeps the
    blocks (a week). This needs a credential that may read; without that right it starts over. What other clients have
    left behind does no harm.
  - With a SAS that may only create (C(sp=c)) blocks are not allowed. Files above 32 MiB are then sent as blobs of 32
    MiB named C(NAME.XXXXXXXX.part-00001-of-00012) with C(NAME.XXXXXXXX.parts.json), the list of parts, last.
    C(XXXXXXXX) is new for every upload. M(mainstay.platform.blob_download) and M(mainstay.platform.blob_info) know
    them as the one object C(NAME).
  - The file is read while it is sent. When it changes meanwhile, nothing is stored and the task fails.
options:
  src:
    description:
      - The file to upload, on the machine that runs the module.
    type: path
    required: true
  name:
    description:
      - Name of the object in the container; slashes make folders.
    type: str
    required: true
  overwrite:
    description:
      - Replace an object of this name whose content is another. Otherwise that is an error, raised before anything is
        sent.
    type: bool
    default: false
  metadata:
    description:
      - What to keep with the object. Names are letters, digits and C(_), values printable ASCII. An unchanged object
        keeps what it has.
    type: dict
    default: {}
  tags:
    description:
      - Index tags for the object. A SAS needs C(t) for them.
    type: dict
    default: {}
  tier:
    description:
      - Access tier. Without it the account's default counts.
    type: str
    choices: [hot, cool, cold, archive]
  content_type:
    description:
      - Media type to keep with the object.
    type: str
    default: application/octet-stream
  compare:
    description:
      - V(quick) takes an object for unchanged when its size and the modification time kept with it are those of the
        file. When the time differs, the content is compared.
      - V(content) always reads the file and compares its digest.
    type: str
    choices: [quick, content]
    default: quick
  checksum:
    description:
      - A hash over the whole file to keep as well, for other tools. V(md5) becomes the blob's Content-MD5, V(sha256)
        its metadata C(mainstay_sha256). Costs one more pass over the file.
    type: str
    choices: [none, md5, sha256]
    default: none
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
  block_size:
    description:
      - Size of a block, such as V(8m). It grows with the file, so that 50,000 blocks suffice. Memory does not depend
        on it.
    type: bytes
    default: 8m
extends_documentation_fragment:
  - mainstay.platform.blob
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Looks at the store where the credential may read. Without the library it reports that it would upload.
seealso:
  - module: mainstay.platform.blob_download
  - module: mainstay.platform.blob_info
"""

EXAMPLES = r"""
- name: Keep a dump in the store
  mainstay.platform.blob_upload:
    src: /var/backups/mainstay/snippetly/postgres/pg-backup-20261121-020000.dump
    container: backups
    name: prod/snippetly/postgres/pg-backup-20261121-020000.dump
    account_url: https://snipback.blob.core.windows.net
    credential:
      kind: sas
      sas: "{{ backups_writer_sas }}"
  vars:
    ansible_python_interpreter: /opt/mainstay/venv/bin/python

- name: Publish a build, replacing the last one
  mainstay.platform.blob_upload:
    src: dist/site.tar.gz
    container: builds
    name: site/latest.tar.gz
    connection_string: "{{ vault_builds_connection }}"
    overwrite: true
    checksum: md5
    tags:
      commit: "{{ commit }}"
"""

RETURN = r"""
url:
  description: Address of the object, without a credential. With parts, of their list.
  returned: success
  type: str
  sample: https://snipback.blob.core.windows.net/backups/prod/x.dump
name:
  description: Name of the object.
  returned: success
  type: str
etag:
  description: The version in the store; C(null) where a create-only credential got no answer in time.
  returned: success
  type: str
size:
  description: Size of the file in bytes.
  returned: success
  type: int
reason:
  description: Why it was sent, or not.
  returned: success
  type: str
  sample: "unchanged: same size and modification time"
digest:
  description: SHA-256 over the MD5s of the blocks, with the block size that it was made with.
  returned: when sent, or known
  type: str
  sample: md5tree-8388608-0d5c…
md5:
  description: MD5 of the whole file, hexadecimal, where the store keeps one.
  returned: when known
  type: str
sha256:
  description: SHA-256 of the whole file, hexadecimal, where the store keeps one.
  returned: when known
  type: str
transferred_bytes:
  description: Bytes of the file that were sent by this call.
  returned: success
  type: int
resumed_bytes:
  description: Bytes that an interrupted upload had already sent.
  returned: success
  type: int
parts:
  description: Name, size and md5 of each part, in order; empty unless it was stored in parts.
  returned: success
  type: list
  elements: dict
index:
  description: Name of the blob that lists the parts.
  returned: when stored in parts
  type: str
verified:
  description: How the stored content was checked.
  returned: success
  type: str
  sample: Content-MD5 of each of 38 blocks, checked by the service
duration:
  description: Seconds.
  returned: success
  type: float
code:
  description: The service's error code.
  returned: failure, where the service answered
  type: str
  sample: AuthorizationPermissionMismatch
"""

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.blob import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.blob.plan import MAX_BLOCK, MIB, check_metadata
from ansible_collections.mainstay.platform.plugins.module_utils.blob.progress import told
from ansible_collections.mainstay.platform.plugins.module_utils.blob.upload import Options, upload


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            shared.CONNECTION_OPTIONS,
            src={"type": "path", "required": True},
            name={"type": "str", "required": True},
            overwrite={"type": "bool", "default": False},
            metadata={"type": "dict", "default": {}},
            tags={"type": "dict", "default": {}},
            tier={"type": "str", "choices": ["hot", "cool", "cold", "archive"]},
            content_type={"type": "str", "default": "application/octet-stream"},
            compare={"type": "str", "choices": ["quick", "content"], "default": "quick"},
            checksum={"type": "str", "choices": ["none", "md5", "sha256"], "default": "none"},
            concurrency={"type": "int", "default": 4},
            progress={"type": "path"},
            block_size={"type": "bytes", "default": "8m"},
        ),
        supports_check_mode=True,
    )
    options = module.params
    metadata = {str(key): str(value) for key, value in options["metadata"].items()}
    errors = check_metadata(metadata)
    if not MIB // 4 <= options["block_size"] <= MAX_BLOCK:
        errors.append(f"block_size: {options['block_size']} bytes are not between 256 KiB and 4000 MiB")
    if errors:
        module.fail_json(msg="\n".join(errors))
    shared.check_concurrency(module)
    with (
        shared.connected(module, absent=lambda: {"changed": True, "reason": "the store was not asked"}) as client,
        told(options["progress"]) as tell,
    ):
        done = upload(
            client,
            Path(options["src"]),
            options["name"],
            Options(
                overwrite=options["overwrite"],
                metadata=metadata,
                tags={str(key): str(value) for key, value in options["tags"].items()},
                tier=options["tier"],
                content_type=options["content_type"],
                concurrency=options["concurrency"],
                block_size=options["block_size"],
                compare=options["compare"],
                checksum=None if options["checksum"] == "none" else options["checksum"],
            ),
            check_mode=module.check_mode,
            progress=tell,
        )
        moved = f"; sent {shared.speed(done.transferred_bytes, done.duration)}" if done.transferred_bytes else ""
        module.exit_json(msg=f"'{done.name}': {done.reason}{moved}", **dataclasses.asdict(done))


if __name__ == "__main__":
    main()
