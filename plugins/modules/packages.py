#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module packages."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Install or remove distribution packages
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Asks C(dpkg) what is installed and calls C(apt-get) only when something is missing. When nothing is, it costs a few
    milliseconds, fetches no package lists and opens no cache.
  - Check mode works on a bare server as well, where C(python3-apt) and the package lists are not there yet, or where an
    earlier task of the same run would have added the repository.
  - Configuration files that were changed on the server are kept.
options:
  name:
    description:
      - Names of packages.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(absent) removes the packages and leaves their configuration files and data.
    type: str
    choices: [present, absent]
    default: present
  install_recommends:
    description:
      - Install recommended packages too.
    type: bool
    default: false
  cache_valid_time:
    description:
      - Package lists older than this many seconds are fetched anew before something is installed.
    type: int
    default: 86400
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
seealso:
  - module: ansible.builtin.apt
    description: Versions, C(.deb) files, upgrades.
"""

EXAMPLES = r"""
- name: Install the firewall
  mainstay.platform.packages:
    name: [ufw, fail2ban]
"""

RETURN = r"""
packages:
  description: The packages that were installed or removed, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import apt

LISTS = Path("/var/lib/apt/lists")
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_SUSPEND": "1"}


def lists_age() -> float | None:
    """Return the age of the package lists in seconds; None when there are none."""
    if not any(LISTS.glob("*Packages*")):
        return None
    return time.time() - LISTS.stat().st_mtime


def run(module: AnsibleModule, command: list[str]) -> tuple[int, str]:
    """Run apt-get, again when another apt is at work (its lock on the lists knows no time-out of its own)."""
    for attempt in range(30):
        rc, out, err = module.run_command(command, environ_update=ENVIRONMENT)
        if rc == 0 or not apt.locked(err) or attempt == 29:
            break
        time.sleep(10)
    return rc, out + err


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "install_recommends": {"type": "bool", "default": False},
            "cache_valid_time": {"type": "int", "default": 86400},
        },
        supports_check_mode=True,
    )
    names, state = module.params["name"], module.params["state"]
    # A non-zero answer only says that some of them have never been heard of.
    present = apt.installed(module.run_command([*apt.QUERY, *names])[1]) if names else set()
    todo = apt.todo(names, present, state)

    if todo and not module.check_mode:
        warning = ""
        if state == "present" and apt.stale(lists_age(), module.params["cache_valid_time"]):
            rc, text = run(module, ["apt-get", "-q", "update"])
            if rc == 0:
                os.utime(LISTS)
            else:
                warning = f" The package lists could not be fetched either: {apt.reason(text, [])}."
        rc, text = run(module, apt.command(todo, state, module.params["install_recommends"]))
        if rc != 0:
            verb = "removed" if state == "absent" else "installed"
            module.fail_json(
                msg=f"{', '.join(todo)} could not be {verb}: {apt.reason(text, todo)}.{warning}", stdout=text
            )
        if warning:
            module.warn(warning.strip().replace(" either", ""))

    lines = {name: "installed" if name in present else "not installed" for name in names}
    after = dict.fromkeys(todo, "not installed" if state == "absent" else "installed")
    module.exit_json(
        changed=bool(todo),
        packages=todo,
        diff={
            "before_header": "packages",
            "after_header": "packages",
            "before": "".join(f"{name}: {what}\n" for name, what in lines.items()),
            "after": "".join(f"{name}: {what}\n" for name, what in (lines | after).items()),
        },
    )


if __name__ == "__main__":
    main()
