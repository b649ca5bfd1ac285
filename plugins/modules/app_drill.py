#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_drill
short_description: Bring an app back from its backups where it can do no harm
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Starts throw-away databases of the app's own images in a network without a way out, restores the backups into them,
    and compares what is there with the manifests - counts, and where the manifest has digests of them the contents of
    every table, from a second dump. Then runs the app's own release on the restored data and asks its health checks.
  - Whatever happens, no container, volume, network or file of it is left. What a drill that was killed has left, the
    next one removes.
  - Refuses to run on the server that makes the backups. Fails when anything is not as promised, with the result.
options:
  project:
    description:
      - The app as P(mainstay.platform.drill_projects#filter) gives it, without C(files).
    type: dict
    required: true
  files:
    description:
      - Its C(files), as JSON.
    type: str
    required: true
  jobs:
    description:
      - The app's backup jobs with what was fetched of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the job.
        type: str
        required: true
      database:
        description: Name of the database in the list of apps.
        type: str
        required: true
      engine:
        description: Kind of the database.
        type: str
        required: true
      user:
        description: User inside the database.
        type: str
      password:
        description: Password of the user.
        type: str
      databases:
        description: Databases that the job dumps.
        type: list
        elements: str
        default: []
      paths:
        description: The backups, each with its manifest beside it.
        type: list
        elements: path
        required: true
      keys:
        description:
          - The key of each, from P(mainstay.platform.backup_key#filter). Empty for one that is not encrypted.
        type: list
        elements: str
        required: true
  directory:
    description:
      - A directory of the drill's own, which is removed in the end. The backups are best in it.
    type: path
    required: true
  registries:
    description:
      - Logins to the registries that images come from. The user's own are used where there is none.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Host and port, as images name it.
        type: str
        required: true
      username:
        description: User.
        type: str
        required: true
      password:
        description: Password.
        type: str
        required: true
  timeout:
    description:
      - Seconds that one tool may take.
    type: int
    default: 14400
  migration_timeout:
    description:
      - Seconds that a service with C(run=before_release) may take.
    type: int
    default: 600
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Says what it would do.
notes:
  - Needs a user who may use Docker, on Linux. Nobody else can read the directory while it is there.
"""

EXAMPLES = r"""
- name: Drill all apps
  ansible.builtin.import_playbook: mainstay.platform.drill
"""

RETURN = r"""
verdict:
  description: V(ok), V(bad), or V(not_verified) where the app could not be asked.
  returned: always
  type: str
reason:
  description: What went wrong.
  returned: always
  type: str
checks:
  description: Every check with name, verdict and reason.
  returned: always
  type: list
  elements: dict
seconds:
  description: How long each step took.
  returned: always
  type: dict
  sample: {databases: 3.1, restore: 1.2, compare: 0.8, release: 6.5, clean: 2.0}
sets:
  description: The set that was restored of each job.
  returned: always
  type: dict
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import NOT_VERIFIED, OK, BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.drill.rehearsal import Options, Rehearsal, writes_these
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker

JOB = {
    "name": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "engine": {"type": "str", "required": True},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "databases": {"type": "list", "elements": "str", "default": []},
    "paths": {"type": "list", "elements": "path", "required": True},
    "keys": {"type": "list", "elements": "str", "required": True, "no_log": True},
}
REGISTRY = {
    "host": {"type": "str", "required": True},
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "dict", "required": True},
            "files": {"type": "str", "required": True, "no_log": True},
            "jobs": {"type": "list", "elements": "dict", "required": True, "options": JOB},
            "directory": {"type": "path", "required": True},
            "registries": {"type": "list", "elements": "dict", "default": [], "options": REGISTRY},
            "timeout": {"type": "int", "default": 14400},
            "migration_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params = module.params
    jobs, app = params["jobs"], params["project"]["app"]
    empty = {"verdict": NOT_VERIFIED, "reason": "", "checks": [], "seconds": {}, "sets": {}}
    if own := writes_these(jobs, shared.STATE):
        reason = f"this machine makes the backups of {', '.join(own)}: what can write them is no judge of them"
        module.fail_json(msg=f"drill of '{app}': {reason}; name another as drill_host", **{**empty, "reason": reason})
    if module.check_mode:
        module.exit_json(changed=False, **{**empty, "reason": "check mode"})
    content = json.loads(params["files"])
    secrets = [job["password"] for job in jobs if job["password"]]
    options = Options(params["timeout"], params["migration_timeout"], params["registries"])
    folder = Path(params["directory"])
    try:
        files.private_directory(folder)
        with (
            shared.orderly_end(),
            files.lock(folder.with_name(f"{folder.name}.lock"), f"the drill of '{app}'"),
        ):
            done = Rehearsal(params["project"], folder, Docker(), options, secrets).run(content, jobs)
    except (BackupError, OSError) as error:
        module.fail_json(msg=f"drill of '{app}': {error}", **{**empty, "reason": str(error)})
    result = done.as_dict()
    if done.verdict not in (OK, NOT_VERIFIED):
        module.fail_json(msg=f"drill of '{app}': {done.reason}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
