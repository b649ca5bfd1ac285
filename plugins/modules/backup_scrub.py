#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_scrub
short_description: Verify all backups on this server again
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Reads every backup under C(/var/backups/mainstay), at low priority, and says of each whether it still is what its
    manifest promises. Changes nothing, and never fails for what it finds.
  - A manifest whose backup is gone is V(bad), a backup without a manifest V(not_verified).
  - Of encrypted backups the bytes are compared and nothing else, since no server holds the key. Drills look into them.
options:
  level:
    description:
      - How thorough to be, as for M(mainstay.platform.backup_verify).
    type: str
    choices: [quick, full]
    default: quick
  jobs:
    description:
      - The jobs, as P(mainstay.platform.backups_jobs#filter) gives them; V(full) takes the engines' tools from their
        containers. Backups of jobs that are not named are verified by the tools of the server itself.
    type: list
    elements: dict
    default: []
  names:
    description:
      - Names of jobs to stay with. All when not given.
    type: list
    elements: str
  timeout:
    description:
      - Seconds that one tool may take.
    type: int
    default: 7200
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
seealso:
  - module: mainstay.platform.backup_verify
"""

EXAMPLES = r"""
- name: Read all backups again
  mainstay.platform.backup_scrub:
  register: found

- name: Show what came of it
  mainstay.platform.show:
    lines: "{{ found.backups | mainstay.platform.backup_scrubbed }}"
"""

RETURN = r"""
backups:
  description: Each file with its verdict, and the reason where it is not V(ok).
  returned: success
  type: list
  elements: dict
  sample:
    - job: snippetly-postgres
      path: /var/backups/mainstay/snippetly/postgres/pg-backup-20261121-020000.dump.zst
      reason: "sha256: the bytes have changed"
      set: 20261121-020000
      size: 81234
      verdict: bad
"""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine
from ansible_collections.mainstay.platform.plugins.module_utils.backup.scrub import scrub


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "level": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
            "jobs": {"type": "list", "elements": "dict", "default": []},
            "names": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 7200},
        },
        supports_check_mode=True,
    )
    params = module.params
    jobs = {job["name"]: job for job in params["jobs"]}

    def connect(manifest: Mapping[str, Any]) -> Engine:
        job = jobs.get(manifest["job"], {})
        return shared.tools(manifest["engine"], job.get("container"), params["timeout"], job.get("image"))

    shared.be_polite()
    with shared.orderly_end():
        found = [
            dataclasses.asdict(seen)
            for directory in sorted(shared.ROOT.glob("*/*/"))
            for seen in scrub(directory, params["level"], connect, time.time())
            if params["names"] is None or seen.job in params["names"]
        ]
    module.exit_json(changed=False, backups=found)


if __name__ == "__main__":
    main()
