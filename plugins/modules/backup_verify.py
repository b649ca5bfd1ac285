#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Verify a backup file
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Says of a backup whether it is good, bad, or whether that could not be found out. Nothing is good by default.
  - V(quick) compares size and SHA-256 with the manifest that was written when the backup had been proven, which catches
    every change of the bytes since, and looks at the structure.
  - V(full) decodes every byte as well, checks all checksums that the format has, and counts rows, documents or keys. It
    needs the engine's tools for PostgreSQL and Redis, of at least the version that made the backup.
  - Without a manifest the verdict is never V(ok), since nobody knows what the backup should hold.
  - Of an encrypted backup V(quick) needs no key. Without one V(full) gives V(not_verified).
options:
  path:
    description:
      - The backup.
    type: path
    required: true
  engine:
    description:
      - Kind of the database. Taken from the manifest when not given.
    type: str
    choices: [postgresql, mysql, mariadb, mongodb, redis, files]
  level:
    description:
      - How thorough to be.
    type: str
    choices: [quick, full]
    default: full
  manifest:
    description:
      - The manifest. C(PATH.manifest.json) when not given and there.
    type: path
  identity:
    description:
      - What opens an encrypted backup - its own key, which P(mainstay.platform.backup_key#filter) takes out of the
        manifest where the private key is, or the private key itself. It is used and not kept.
      - The former is what a server should be given, since it opens this one backup and no other.
    type: str
  acknowledge:
    description:
      - It is right that there is so much less in it than in the backup before, see
        O(mainstay.platform.backup_create#module:max_drop).
    type: bool
    default: false
  max_age:
    description:
      - Seconds since the start of the backup above which it is bad. Not checked when not given.
    type: int
  accept:
    description:
      - Verdicts with which the task does not fail.
    type: list
    elements: str
    choices: [ok, bad, not_verified]
    default: [ok]
extends_documentation_fragment:
  - mainstay.platform.backup.tools
  - mainstay.platform.attributes.no_diff
seealso:
  - module: mainstay.platform.backup_create
"""

EXAMPLES = r"""
- name: Prove last night's backup again
  mainstay.platform.backup_verify:
    path: /var/backups/mainstay/snippetly/postgres/pg-backup-20261121-020000.dump
    container: snippetly-data-postgres-1

- name: Look at a dump from elsewhere, whatever comes of it
  mainstay.platform.backup_verify:
    path: /tmp/customer.dump
    engine: postgresql
    accept: [ok, bad, not_verified]
  register: found
"""

RETURN = r"""
verdict:
  description: V(ok), V(bad) or V(not_verified).
  returned: always
  type: str
reason:
  description: Why the verdict is not V(ok).
  returned: always
  type: str
checks:
  description: Every check with name, verdict and reason.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: sha256, verdict: bad, reason: the bytes have changed}
counts:
  description: Rows, documents or keys that were found at level V(full).
  returned: always
  type: dict
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import WrongKeyError, opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import manifest_of
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
    Findings,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import Report, verify


def find_manifest(path: Path, given: str | None) -> manifests.Manifest | None:
    """Read the manifest that was named, or the one beside the backup. Raises BackupError when it is damaged."""
    where = Path(given) if given else manifest_of(path)
    return manifests.load(where) if given or where.exists() else None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            shared.TOOL_OPTIONS,
            path={"type": "path", "required": True},
            engine={"type": "str", "choices": [*shared.PREFIXES]},
            level={"type": "str", "choices": ["quick", "full"], "default": "full"},
            manifest={"type": "path"},
            identity={"type": "str", "no_log": True},
            acknowledge={"type": "bool", "default": False},
            max_age={"type": "int"},
            accept={"type": "list", "elements": "str", "choices": ["ok", "bad", "not_verified"], "default": ["ok"]},
        ),
        supports_check_mode=True,
    )
    params = module.params
    path = Path(params["path"])
    if not path.is_file():
        module.fail_json(msg=f"path: there is no file {path}")
    report: Report
    try:
        manifest = find_manifest(path, params["manifest"])
    except BackupError as error:
        report = Report(params["level"], [Check("manifest", BAD, str(error))], Findings())
    else:
        engine = params["engine"] or (manifest["engine"] if manifest else "")
        if not engine:
            module.fail_json(msg="engine: there is no manifest to take it from, so it must be named")
        try:
            with shared.orderly_end(), opened(path, params["identity"]) as content:
                report = verify(
                    path,
                    shared.tools(engine, params["container"], params["timeout"], params["image"]),
                    params["level"],
                    manifest,
                    now=time.time(),
                    max_age=params["max_age"],
                    content=content,
                    acknowledged=params["acknowledge"],
                )
        except WrongKeyError as error:
            report = Report(params["level"], [Check("encryption", NOT_VERIFIED, str(error))], Findings())
        except BackupError as error:
            report = Report(params["level"], [Check("encryption", BAD, str(error))], Findings())
    result = {
        "changed": False,
        "verdict": report.verdict,
        "reason": "" if report.verdict == OK else report.reasons,
        "checks": [check.as_dict() for check in report.checks],
        "counts": report.findings.counts or {},
    }
    if report.verdict not in params["accept"]:
        word = "bad" if report.verdict == BAD else "not proven"
        module.fail_json(msg=f"{path} is {word}: {report.reasons}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
