#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Restore a database from a backup file
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Verifies the backup, keeps what is in the database now, restores, and compares what is there afterwards with the
    manifest.
  - A backup that is bad or not proven is not restored unless O(force) says so.
  - PostgreSQL is restored in one transaction, which puts the backup in place of all that is in the database, also of
    what has come since, or fails and changes nothing. The database is made when it is missing, and so are roles that
    the backup names, without login.
  - MongoDB's collections are dropped and put back one by one. Run it again when it was interrupted.
  - Redis gets the file and is restarted, append-only file or not.
  - Services that use the database should be stopped, see M(mainstay.platform.app_pause).
options:
  path:
    description:
      - The backup. Its manifest is C(PATH.manifest.json).
    type: path
    required: true
  into:
    description:
      - Database to restore into, where the engine has several. It is made when it is not there. The one that was backed
        up when not given. C({database}) and C({set}) stand for that one and for the set, as C(20261121_020000).
      - For O(engine=files) the name of a new folder in C(/var/backups/mainstay/APP/DATABASE/beside), below which the
        paths are unpacked, and C({database}) is O(database).
    type: str
  level:
    description:
      - How to verify before. With a manifest V(quick) suffices, because the backup was proven when that was written.
    type: str
    choices: [quick, full]
    default: quick
  safety:
    description:
      - Back up what is there now before, if there is anything, into C(before-restore) beside the backups.
    type: bool
    default: true
  force:
    description:
      - Restore a backup that is bad or not proven as far as that goes.
    type: bool
    default: false
  identity:
    description:
      - What opens an encrypted backup - its own key, which P(mainstay.platform.backup_key#filter) takes out of the
        manifest where the private key is, or the private key itself. It is used and not kept.
      - The former is what a server should be given, since it opens this one backup and no other.
    type: str
extends_documentation_fragment:
  - mainstay.platform.backup
  - mainstay.platform.backup.job
  - mainstay.platform.backup.tools
  - mainstay.platform.attributes.no_diff
attributes:
  check_mode:
    details: Verifies, looks at what is there and returns the plan.
seealso:
  - module: mainstay.platform.backup_verify
  - module: mainstay.platform.app_pause
"""

EXAMPLES = r"""
- name: Bring the users back
  mainstay.platform.backup_restore:
    path: /var/backups/mainstay/snippetly/postgres/pg-backup-20261121-020000.dump
    name: snippetly-postgres
    app: snippetly
    database: postgres
    engine: postgresql
    container: snippetly-data-postgres-1
    user: snippetly
    databases: [snippetly]
"""

RETURN = r"""
plan:
  description: What is done, step by step, or would be in check mode.
  returned: success
  type: list
  elements: str
counts:
  description: Rows, documents or keys after the restore.
  returned: success
  type: dict
into:
  description: The database that it was restored into; empty where the engine has but one.
  returned: success
  type: str
half_done:
  description: Whether something has changed, so that nothing should use it before a restore has succeeded.
  returned: failure
  type: bool
extra:
  description: What is there beyond the backup. MySQL, MariaDB and MongoDB keep it.
  returned: success
  type: dict
compared:
  description: V(ok) when everything is there that the manifest promises, V(not_verified) without a manifest.
  returned: success
  type: str
notes:
  description: What the operator should know, such as roles that had to be made.
  returned: success
  type: list
  elements: str
safety:
  description: Where the former content is kept; empty when there was none.
  returned: success
  type: str
duration:
  description: Seconds.
  returned: success
  type: float
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup import unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import manifest_of
from ansible_collections.mainstay.platform.plugins.module_utils.backup.restore import (
    BESIDE,
    moved,
    narrowed,
    plan,
    restore,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    NOT_VERIFIED,
    OK,
    BackupError,
    HalfDoneError,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            shared.JOB_OPTIONS,
            **shared.TOOL_OPTIONS,
            path={"type": "path", "required": True},
            into={"type": "str"},
            level={"type": "str", "choices": ["quick", "full"], "default": "quick"},
            safety={"type": "bool", "default": True},
            force={"type": "bool", "default": False},
            identity={"type": "str", "no_log": True},
        ),
        supports_check_mode=True,
    )
    params = module.params
    path = Path(params["path"])
    if wrong := shared.wrong_options(params):
        module.fail_json(msg=f"backup job '{params['name']}': {wrong}")
    if not path.is_file():
        module.fail_json(msg=f"path: there is no file {path}")
    job = shared.job(params)
    kind = ENGINES[job.engine]
    connect = shared.connector(params)
    try:
        beside = manifest_of(path)
        manifest = manifests.load(beside) if beside.exists() else None
        if manifest and manifest["engine"] != job.engine:
            module.fail_json(msg=f"{path} is a backup of {manifest['engine']}, the job is one of {job.engine}")
        own = next(iter((manifest or {}).get("databases") or job.databases), "")
        key = str((manifest or {}).get("set", "")).replace("-", "_")
        packed = job.engine == "files"
        database = (params["into"] or own).replace("{database}", job.database if packed else own).replace("{set}", key)
        if packed and params["into"]:
            if Path(database).name != database:
                module.fail_json(msg=f"into: '{database}' is not the name of a folder")
            database = str(job.directory / BESIDE / database)
        elif kind.whole_server:
            if params["into"]:
                module.fail_json(msg=f"into: {job.engine} has no databases of which one could be beside another")
            database = ""
        if manifest and job.engine == "mongodb" and database != own:
            manifest = moved(manifest, database)
        if manifest and packed and params["paths"]:
            manifest = narrowed(manifest, params["paths"])
        what = f", {'below' if packed else 'database'} {database}" if database else ""
        where = f"{job.engine} in {params['container'] or 'this host'}{what}"
        with shared.orderly_end(), opened(path, params["identity"]) as content:
            agreed = plan(
                path,
                job,
                connect(database),
                manifest,
                level=params["level"],
                force=params["force"],
                safety=params["safety"] and not (packed and database),
                where=where,
                content=content,
            )
            if module.check_mode:
                module.exit_json(
                    changed=True, plan=agreed.steps, into=database, counts=agreed.present, extra={}, notes=[],
                    compared=NOT_VERIFIED, safety="", duration=0.0,
                )  # fmt: skip
            done = restore(content.path or path, job, kind, connect, database, manifest, agreed)
    except (BackupError, OSError) as error:
        # Nothing has changed this time; what an earlier one has left half done is half done still.
        half = (params["into"] or "") in ("", *job.databases) and job.name in unfinished.half(job.locks, job.app)
        module.fail_json(msg=f"restore of '{job.name}': {error}", half_done=half or isinstance(error, HalfDoneError))
    module.exit_json(
        changed=True,
        plan=agreed.steps,
        into=database,
        counts=done.counts,
        extra=done.extra,
        notes=done.notes,
        compared=OK if manifest else NOT_VERIFIED,
        safety=str(done.safety.path) if done.safety else "",
        duration=done.duration,
    )


if __name__ == "__main__":
    main()
