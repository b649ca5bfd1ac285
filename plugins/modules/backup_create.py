#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_create
short_description: Back a database up, and prove the backup before it counts
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Dumps one consistent state of a database with the engine's own tool, at low priority and with constant memory.
  - Decodes every byte of the dump again, compares what is in it with what the server had, and writes a manifest beside
    it. Only then the file gets its name. A dump that is bad is thrown away, and the task fails.
  - Killed at any moment it leaves nothing that looks like a backup; the next run removes what is left.
  - Refuses to start when the job is being worked on already, or when the disk will not hold the dump.
options:
  set:
    description:
      - Id of the set that the backup belongs to, C(YYYYMMDD-HHMMSS). Backups of one run share it. The present moment
        when not given.
    type: str
  max_drop:
    description:
      - Percent of the bytes or counts of the proven backup before that may be gone. A backup that has lost more is kept
        and is V(bad), until somebody acknowledges it. V(100) lets everything pass.
      - Tables, collections and the like with less than 100 rows, and dumps below 64 KiB, are not looked at one by one.
    type: int
    default: 50
  acknowledge:
    description:
      - It is right that there is so much less than before.
    type: bool
    default: false
  patience:
    description:
      - Seconds to wait for other backups on this host to end. Backups run one after the other.
    type: int
    default: 14400
extends_documentation_fragment:
  - mainstay.platform.backup
  - mainstay.platform.backup.job
  - mainstay.platform.backup.tools
  - mainstay.platform.attributes.no_diff
seealso:
  - module: mainstay.platform.backup_verify
  - module: mainstay.platform.backup_restore
"""

EXAMPLES = r"""
- name: Back up the users
  mainstay.platform.backup_create:
    name: snippetly-postgres
    app: snippetly
    database: postgres
    engine: postgresql
    container: snippetly-data-postgres-1
    user: snippetly
    databases: [snippetly]
"""

RETURN = r"""
set:
  description: Id of the set.
  returned: success
  type: str
  sample: 20261121-020000
verdict:
  description: >-
    V(ok), V(not_verified) where a check could not be made, as for a Redis that writes no checksums, or V(bad) where
    there is much less than before, see O(max_drop).
  returned: success
  type: str
reason:
  description: Why the verdict is not V(ok).
  returned: success
  type: str
size:
  description: Bytes of all files together.
  returned: success
  type: int
duration:
  description: Seconds from the start to the proof.
  returned: success
  type: float
files:
  description: The backups, one for each database, with path, manifest, set, size, sha256, counts and verdict.
  returned: success
  type: list
  elements: dict
uploads:
  description: What belongs into a store, in this order - the manifests come last, for they say that all else is there.
  returned: success
  type: list
  elements: str
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    describe,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.way_out import script
from ansible_collections.mainstay.platform.plugins.module_utils.drill.configuration import configuration

CREATE_OPTIONS = {
    "set": {"type": "str"},
    "max_drop": {"type": "int", "default": 50},
    "acknowledge": {"type": "bool", "default": False},
    "patience": {"type": "int", "default": 14400},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(shared.JOB_OPTIONS, **shared.TOOL_OPTIONS, **CREATE_OPTIONS),
        supports_check_mode=True,
    )
    params = module.params
    if wrong := shared.wrong_options(params):
        module.fail_json(msg=f"backup job '{params['name']}': {wrong}")
    try:
        started = manifests.set_moment(params["set"]) if params["set"] else None
    except ValueError as error:
        module.fail_json(msg=f"set: {error}")
    job = shared.job(params)
    if module.check_mode:
        module.exit_json(
            changed=True, set=params["set"] or "", verdict=NOT_VERIFIED, reason="check mode", size=0, duration=0.0,
            files=[], uploads=[], msg=f"would back up into {job.directory}",
        )  # fmt: skip
    shared.be_polite()
    try:
        with shared.orderly_end():
            known = configuration(job.app, params["container"], params["image"])
            out = partial(script, user=params["user"], image=known.image, configuration=known.files)
            connect, kind = shared.connector(params), ENGINES[job.engine]
            made = create(job, kind, connect, started, way_out=out, served=known.served)
    except BackupError as error:
        module.fail_json(msg=f"backup job '{job.name}': {error}")
    except OSError as error:
        module.fail_json(msg=f"backup job '{job.name}': {error}; nothing was backed up")
    verdicts = {item.manifest["verification"]["verdict"] for item in made}
    verdict = next((word for word in (BAD, NOT_VERIFIED) if word in verdicts), OK)
    checks = [check for item in made for check in item.manifest["verification"]["checks"]]
    found = [shared.describe(item) for item in made]
    module.exit_json(
        changed=True,
        set=made[0].manifest["set"],
        verdict=verdict,
        reason="" if verdict == OK else describe(checks, verdict),
        size=sum(item["size"] for item in found),
        duration=round(sum(item["duration"] for item in found), 3),
        files=found,
        uploads=sorted(
            (str(item.path.parent / name) for item in made for name in manifests.names(item.manifest)),
            key=lambda path: path.endswith(MANIFEST),
        ),
    )


if __name__ == "__main__":
    main()
