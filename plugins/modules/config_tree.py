#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_tree
short_description: Settle a whole tree of files in one call
version_added: 0.1.0
description:
  - Renders templates on the controller and settles all files, links and directories of one concern on the server in a
    single call. An unchanged file costs a fraction of a millisecond; a task of its own would cost a third of a second.
  - Every file is written beside its place first, with its owner and mode, and then renamed over it. Where writing
    fails, because the disk is full for example, or where a validation fails, nothing is changed.
  - What a call writes is recorded in C(/var/lib/mainstay/trees/<name>.json). What an earlier call of the same O(name)
    wrote and this one does not name is removed, unless somebody has changed it since. Such a file is kept, with a
    warning at every run until it is removed by hand or named again.
  - After M(mainstay.platform.look) a tree that is as it shall be needs no trip to the server at all.
  - Contents travel on the module's standard input, so that they appear in no process list, log or C(-vvv) output.
options:
  name:
    description: Name of the tree. Its record is kept under this name.
    type: str
    required: true
  root:
    description: Directory to which O(files[].dest) and O(directories[].dest) are relative.
    type: path
    default: /
  files:
    description: Files and links. Each needs exactly one of O(files[].src), O(files[].content) and O(files[].link).
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description:
          - Path relative to O(root), or an absolute path, which may lie outside of it and is then not part of what
            O(validate) sees.
          - Missing parent directories are made with mode 0755.
        type: str
        required: true
      src:
        description: Template, found and rendered as M(ansible.builtin.template) does.
        type: str
      vars:
        description: Variables for this template alone.
        type: dict
        default: {}
      content:
        description: Content as it is.
        type: str
      link:
        description: Target of a symbolic link. Owner and mode do not apply.
        type: str
      owner:
        description: Owner, by name or number.
        type: str
        default: root
      group:
        description: Group, by name or number.
        type: str
        default: root
      mode:
        description: Mode as quoted octal digits.
        type: str
        default: "0644"
      secret:
        description: Keeps the content out of diffs and messages.
        type: bool
        default: false
      validate:
        description: Command that must accept the new content before anything is written. C(%s) is a private copy of it.
        type: str
  directories:
    description: Directories that shall exist. Only those that a call made are ever removed, and only when empty.
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description: Path relative to O(root), or an absolute path.
        type: str
        required: true
      owner:
        description: Owner, by name or number.
        type: str
        default: root
      group:
        description: Group, by name or number.
        type: str
        default: root
      mode:
        description: Mode as quoted octal digits.
        type: str
        default: "0755"
  validate:
    description:
      - Command that must accept the whole tree before anything is written. C(%s) is a private copy of O(root) with the
        changes made.
      - Runs only when something changes. The program must follow relative paths in its configuration to see the copy.
    type: str
  state:
    description: V(absent) removes what the record says was written, unless somebody has changed it since.
    type: str
    choices: [present, absent]
    default: present
  payload:
    description: The rendered tree, from the action plugin. Not for use in a task.
    type: str
attributes:
  check_mode:
    support: full
    description:
      Gives the same answer without writing. Where a validator is not installed yet or refuses, that is a warning,
      because an earlier task of the run may have been to make what it misses.
  diff_mode:
    support: full
    description: Shows each file before and after, and of a secret file only that it changes.
author: "Mainstay contributors (@mainstay-platform)"
"""

EXAMPLES = r"""
- name: Settle the configuration of nginx
  mainstay.platform.config_tree:
    name: nginx
    root: /etc/nginx
    files:
      - {src: nginx.conf.j2, dest: nginx.conf}
      - {src: site.conf.j2, dest: sites-enabled/example.conf, vars: {domain: www.example.com}}
      - {content: "{{ vault_htpasswd }}", dest: htpasswd, group: www-data, mode: "0640", secret: true}
      - {link: /usr/share/nginx/modules-available/mod-http-geoip2.conf, dest: modules-enabled/50-geoip2.conf}
    directories:
      - {dest: snippets.d, mode: "0750"}
    validate: nginx -t -c %s/nginx.conf
  register: tree
  notify: Reload nginx

- name: Remove what the call above has written
  mainstay.platform.config_tree:
    name: nginx
    state: absent
"""

RETURN = r"""
changed_files:
  description: Absolute paths of files, links and directories that were written or got another owner or mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf]
removed_files:
  description: Absolute paths that were removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/sites-enabled/old.conf]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.tree import apply, settled
from ansible_collections.mainstay.platform.plugins.module_utils.tree.plan import Plan, plan
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import RECORDS, Entry, TreeError, unpack


def validate(module: AnsibleModule, steps: Plan) -> None:
    """Let the files' and the tree's validators look at copies; in check mode a refusal is a warning."""
    try:
        with apply.scratch(module.tmpdir) as place:
            apply.validate_files(steps.steps, place)
            if module.params["validate"]:
                apply.validate_tree(module.params["validate"], module.params["root"], steps.steps, place)
    except apply.ProgramMissingError as error:
        if not module.check_mode:
            raise TreeError([f"{error}; install it before this task. Nothing was written."]) from error
        module.warn(f"not validated: {error} (check mode)")
    except TreeError as error:
        if not module.check_mode:
            raise TreeError([f"{message}\nNothing was written." for message in error.errors]) from error
        module.warn(f"in check mode, where what earlier tasks would have made is missing, {error}")


def entries_from(module: AnsibleModule) -> list[Entry]:
    """The entries that the action plugin rendered."""
    payload = module.params["payload"]
    if not payload:
        module.fail_json(
            msg="config_tree works through its action plugin: call it as the task mainstay.platform.config_tree"
        )
    return unpack(payload)


def main() -> None:
    """Plan, validate, commit."""
    account: dict[str, Any] = {"type": "str", "default": "root"}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "dest": {"type": "str", "required": True},
                    "src": {"type": "str"},
                    "vars": {"type": "dict", "default": {}},
                    "content": {"type": "str"},
                    "link": {"type": "str"},
                    "owner": account,
                    "group": account,
                    "mode": {"type": "str", "default": "0644"},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                    "validate": {"type": "str"},
                },
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "dest": {"type": "str", "required": True},
                    "owner": account,
                    "group": account,
                    "mode": {"type": "str", "default": "0755"},
                },
            },
            "validate": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "payload": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    entries = entries_from(module)
    name = module.params["name"]
    record_path = f"{RECORDS}/{name}.json"
    try:
        if not module.check_mode:
            # Before looking: a tree may itself lie below /var/lib/mainstay.
            Path(RECORDS).mkdir(0o755, parents=True, exist_ok=True)
        record = apply.read_record(record_path)
        steps = plan(entries, apply.look, record, apply.uid_of, apply.gid_of)
        if steps.obstacles or (steps.unknown_accounts and not module.check_mode):
            raise TreeError(steps.obstacles + steps.unknown_accounts)
        for path in steps.kept:
            module.warn(
                f"{path}: kept, though tree '{name}' no longer names it: somebody changed it since. Remove it by hand."
            )
        if module.params["state"] == "absent":
            steps.record = {}
        if steps.steps:
            validate(module, steps)
        # What somebody else has changed is told at every run, so it never counts as settled.
        proof = settled.proof(entries) if entries and not steps.kept else {}
        if not module.check_mode and (
            steps.steps or steps.record != record or (steps.record and proof != apply.read_settled(record_path))
        ):
            apply.commit(steps, record_path, proof)
    except TreeError as error:
        module.fail_json(msg="\n".join(error.errors))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or module.params['root']}: {error.strerror}. Every file is whole, either old or new; "
            "put it right and run again."
        )
    module.exit_json(
        changed=bool(steps.steps),
        changed_files=steps.changed_files,
        removed_files=steps.removed_files,
        **({"diff": apply.differences(steps.steps)} if module._diff else {}),
    )


if __name__ == "__main__":
    main()
