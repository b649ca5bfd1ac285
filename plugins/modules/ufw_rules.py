#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module ufw_rules."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ufw_rules
short_description: Give a server's firewall exactly these rules
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Settles the whole firewall in one call. Incoming and routed traffic is denied, outgoing is allowed, for IPv4 and
    IPv6; SSH and the named ports are open; every rule that is not named is removed, whoever made it.
  - Everything wanted is opened before anything is closed, so a session that the wanted rules allow is never cut.
options:
  rules:
    description:
      - Ports that are open.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: A port, or a range V(first:last).
        type: raw
        required: true
      proto:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: An address or network; anyone when left out.
        type: str
  ssh_ports:
    description:
      - Ports of the SSH server.
    type: list
    elements: int
    default: [22]
  ssh_allowed_sources:
    description:
      - Addresses and networks that may reach SSH, without a limit; nobody else may.
      - When empty, anyone may, within C(ufw limit) (at most 5 new connections in 30 seconds from one address).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(absent) switches the firewall off and then removes its rules.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
attributes:
  check_mode:
    details: Also where ufw is not installed yet.
seealso:
  - module: community.general.ufw
    description: One rule a call.
"""

EXAMPLES = r"""
- name: Open HTTP and HTTPS to everyone, SSH to the office
  mainstay.platform.ufw_rules:
    rules:
      - {port: 80}
      - {port: 443}
    ssh_allowed_sources: [192.0.2.0/24, "2001:db8:1::/48"]
"""

RETURN = r"""
commands:
  description: The ufw calls that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["ufw allow 443/tcp comment mainstay"]
"""

import shlex
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import ufw

DEFAULTS = Path("/etc/default/ufw")


def read(module: AnsibleModule, program: str | None) -> ufw.Firewall:
    """Return the firewall as it is; without ufw, one that is off."""
    if program is None:
        return ufw.Firewall()
    policies, ipv6 = ufw.parse_defaults(DEFAULTS.read_text())
    status = run(module, [program, "status"])
    rules, foreign = ufw.parse_added(run(module, [program, "show", "added"]))
    return ufw.Firewall("Status: active" in status, ipv6, policies, rules, foreign)


def run(module: AnsibleModule, command: list[str], done: int = 0) -> str:
    """Run ufw, or fail with its words."""
    rc, out, err = module.run_command(command, environ_update={"LC_ALL": "C.UTF-8"})
    if rc != 0:
        module.fail_json(
            msg=f"'{shlex.join(command)}' failed: {(err or out).strip()}. "
            f"{done} calls before it took effect; none of them closed the port of this session. Repair ufw, run again."
        )
    return str(out)


def main() -> None:
    """Run the module."""
    rule = {
        "port": {"type": "raw", "required": True},
        "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "from": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "rules": {"type": "list", "elements": "dict", "options": rule, "default": []},
            "ssh_ports": {"type": "list", "elements": "int", "default": [22]},
            "ssh_allowed_sources": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    allowed, errors = ufw.sources(module.params["ssh_allowed_sources"], "ssh_allowed_sources")
    rules, more = ufw.rules(module.params["rules"], "rules")
    if errors + more:
        module.fail_json(msg="\n".join(errors + more), errors=errors + more)

    absent = module.params["state"] == "absent"
    program = module.get_bin_path("ufw", opt_dirs=["/usr/sbin"])
    if program is None and not absent and not module.check_mode:
        module.fail_json(msg="ufw is not installed: install the package ufw first")

    now = read(module, program)
    if absent:
        want, calls = ufw.Firewall(), ufw.plan_absent(now)
    else:
        want = ufw.target(ufw.ssh_rules(module.params["ssh_ports"], allowed) | rules)
        calls = ufw.plan(now, want)

    if calls and not module.check_mode:
        if not absent and not now.ipv6:
            replace(module, DEFAULTS, ufw.with_ipv6(DEFAULTS.read_text()))
        for done, call in enumerate(calls):
            run(module, [program or "ufw", *call], done)
    module.exit_json(
        changed=bool(calls),
        commands=[shlex.join(["ufw", *call]) for call in calls],
        diff={
            "before_header": "firewall",
            "after_header": "firewall",
            "before": now.describe(),
            "after": want.describe() if calls else now.describe(),
        },
    )


def replace(module: AnsibleModule, path: Path, text: str) -> None:
    """Replace a file, keeping its owner and mode."""
    temporary = Path(module.tmpdir, path.name)
    temporary.write_text(text)
    module.atomic_move(str(temporary), str(path))


if __name__ == "__main__":
    main()
