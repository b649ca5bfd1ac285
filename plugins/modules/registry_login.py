#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: registry_login
short_description: Log Docker in to registries
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Logs the user that runs it in to registries. The registry is asked when a login is new or has changed.
  - >-
    The password is on no command line. Docker keeps it in C(~/.docker/config.json), where other logins are left alone.
options:
  registries:
    description: The registries.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Host, with the port if it is not 443.
        type: str
        required: true
      username:
        description: User name.
        type: str
        required: true
      password:
        description: Password or token.
        type: str
        required: true
  state:
    description: V(absent) logs out.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: A login that would be tried is reported as a change; whether it is right is not known before.
  diff_mode:
    support: full
    description: The registries that are logged in to or out of, a line each; never a password.
"""

EXAMPLES = r"""
- name: Log in to the registry
  mainstay.platform.registry_login:
    registries:
      - {host: registry.example, username: deploy, password: "{{ registry_password }}"}
"""

RETURN = r"""
registries:
  description: Hosts that were, or in check mode would be, logged in to or out of.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.registry import (
    key_of,
    log_in,
    logged_in,
    read_config,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "registries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "username": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    present, docker = module.params["state"] == "present", Docker()
    changed, errors = [], []
    try:
        config = read_config(Path.home() / ".docker" / "config.json")
        for item in module.params["registries"]:
            kept = logged_in(config, item["host"])
            if kept == (f"{item['username']}:{item['password']}" if present else None):
                continue
            changed.append(item["host"])
            if module.check_mode:
                continue
            if not present:
                docker.must("logout", key_of(item["host"]))
                continue
            try:
                log_in(docker, **item)
            except ReleaseError as error:
                errors.append(str(error))
    except ReleaseError as error:
        errors.append(str(error))
    if errors:
        module.fail_json(msg="\n".join(errors))
    verb = "logged in to" if present else "logged out of"
    diff = {"before": "", "after": "".join(f"{verb} {host}\n" for host in changed)}
    module.exit_json(changed=bool(changed), registries=changed, diff=diff)


if __name__ == "__main__":
    main()
