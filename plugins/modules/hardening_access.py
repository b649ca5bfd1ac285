#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module hardening_access."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hardening_access
short_description: Settle SSH and the firewall, with a second chance
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Settles the two things by which a server can shut its operator out, C(/etc/ssh/sshd_config) and the firewall
    (C(ufw)), for IPv4 and IPv6, in one call.
  - Before it changes anything it keeps what is there and sets a timer on the server that puts it back after
    O(second_chance) seconds. Then it opens a new SSH connection, beside the one that it works through. Only when that
    comes in is the timer stopped; when it does not, all is undone at once, and where not even that connection is left,
    the timer does it.
  - The firewall has exactly the rules that are named, incoming and routed traffic denied, outgoing allowed. New rules
    are made before old ones are removed. SSH is reloaded, never restarted, so that sessions stay. The allowed networks
    reach SSH without a limit and nobody else does; without any, everybody reaches it within C(ufw limit) (5 new
    connections in 30 seconds from one address).
  - The configuration of SSH must pass C(sshd -t) first. That of the distribution is kept beside our records, and
    O(state) V(absent) puts it back.
options:
  sshd_config:
    description:
      - The content of C(/etc/ssh/sshd_config). Left alone when empty.
    type: str
    default: ""
  reload_ssh:
    description:
      - Reload SSH even where its configuration is the same, as for a new host key.
    type: bool
    default: false
  rules:
    description:
      - Ports that are open besides SSH.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: A port, or a range C(first:last).
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
  firewall:
    description:
      - Whether the firewall is settled.
    type: bool
    default: true
  ssh_ports:
    description:
      - Ports of SSH.
    type: list
    elements: int
    default: [22]
  ssh_allowed_sources:
    description:
      - Networks that reach SSH.
    type: list
    elements: str
    default: []
  second_chance:
    description:
      - Seconds after which the server undoes by itself what nobody has confirmed.
    type: int
    default: 60
  state:
    description:
      - V(absent) opens the firewall, forgets the rules and puts the distribution's C(sshd_config) back.
    type: str
    choices: [present, absent]
    default: present
  step:
    description:
      - The part of the work that is done on the server. Not for use in a task.
    type: str
    choices: [settle, confirm, undo]
    default: settle
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: debian
  action:
    description: Indicates this has a corresponding action plugin so some parts run on the controller.
    support: full
seealso:
  - module: mainstay.platform.hardening_preflight
    description: Refuses what is known to lock out, before anything changes.
"""

EXAMPLES = r"""
- name: Open the web ports, keep SSH for the office
  mainstay.platform.hardening_access:
    rules: [{port: 80}, {port: 443}]
    ssh_allowed_sources: [192.0.2.0/24, "2001:db8:1::/48"]
"""

RETURN = r"""
commands:
  description: The calls of C(ufw) that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["ufw allow 443/tcp comment mainstay"]
proven:
  description:
    - Whether a new connection was made before the old settings were given up. False where nothing changed, or where the
      connection is not SSH.
  returned: always
  type: bool
"""

import shlex
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import access, ufw

DEFAULTS = Path("/etc/default/ufw")
SSHD_CONFIG = Path("/etc/ssh/sshd_config")


def run(module: AnsibleModule, command: list[str]) -> str:
    """Run a command, or raise OSError with its words."""
    rc, out, err = module.run_command(command, environ_update={"LC_ALL": "C.UTF-8"})
    if rc != 0:
        raise OSError(f"'{shlex.join(command)}' failed: {(err or out).strip()}")
    return str(out)


def read(module: AnsibleModule, program: str | None) -> ufw.Firewall:
    """Return the firewall as it is; without ufw, one that is off."""
    if program is None:
        return ufw.Firewall()
    policies, ipv6 = ufw.parse_defaults(DEFAULTS.read_text())
    status = run(module, [program, "status"])
    rules, foreign = ufw.parse_added(run(module, [program, "show", "added"]))
    return ufw.Firewall("Status: active" in status, ipv6, policies, rules, foreign)


def replace(module: AnsibleModule, path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file, keeping its owner, and its mode unless one is given."""
    temporary = Path(module.tmpdir, path.name)
    temporary.write_text(text)
    module.atomic_move(str(temporary), str(path))
    if mode is not None:
        path.chmod(mode)


def arm(module: AnsibleModule) -> None:
    """Keep what is there, and have the server put it back unless it is told not to."""
    shutil.rmtree(access.KEPT, ignore_errors=True)
    access.KEPT.mkdir(mode=0o700, parents=True)
    for path in access.FILES:
        if path.exists():
            shutil.copy2(path, access.KEPT / access.kept_name(path))
    (access.KEPT / "undo.sh").write_text(access.undo_script())
    seconds = module.params["second_chance"]
    run(
        module,
        [
            "systemd-run", "--quiet", "--collect", f"--unit={access.UNIT}", f"--on-active={seconds}s",
            "--timer-property=AccuracySec=1s", "/bin/sh", str(access.KEPT / "undo.sh"),
        ],
    )  # fmt: skip


def disarm(module: AnsibleModule) -> None:
    """Give up what was kept."""
    module.run_command(["systemctl", "stop", f"{access.UNIT}.timer"])
    shutil.rmtree(access.KEPT, ignore_errors=True)


def confirm(module: AnsibleModule) -> None:
    """Stop the timer and give up what was kept. Fails where the timer was faster: all is as it was then."""
    module.run_command(["systemctl", "stop", f"{access.UNIT}.timer"])
    if (access.KEPT / access.UNDONE).exists():
        module.fail_json(
            msg=f"The change of SSH and firewall was not confirmed within {module.params['second_chance']} s, so the "
            "server has put everything back: run this again when the server is less busy",
            undone=True,
        )
    disarm(module)


def undo(module: AnsibleModule) -> None:
    """Put back what was kept, now."""
    run(module, ["/bin/sh", str(access.KEPT / "undo.sh")])
    disarm(module)


def wanted_sshd(module: AnsibleModule) -> str:
    """Return the SSH configuration that is wanted: ours, or the distribution's; empty when it is left alone."""
    if module.params["state"] == "absent":
        return access.ORIGINAL.read_text() if access.ORIGINAL.exists() else ""
    return str(module.params["sshd_config"])


def refused(module: AnsibleModule, text: str) -> str:
    """Return why sshd does not take a configuration; empty when it does."""
    program = module.get_bin_path("sshd", opt_dirs=["/usr/sbin"])
    if program is None:
        return "openssh-server is not installed"
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    copy = Path(module.tmpdir, "sshd_config.new")
    copy.write_text(text)
    rc, out, err = module.run_command([program, "-t", "-f", str(copy)])
    return "" if rc == 0 else (err or out).strip().replace(str(copy), str(SSHD_CONFIG))


def settle(module: AnsibleModule, sshd: str, calls: list[list[str]], ipv6: bool, program: str | None) -> None:
    """Make the changes, nothing closed before all that is wanted is open."""
    if calls and not ipv6:
        replace(module, DEFAULTS, ufw.with_ipv6(DEFAULTS.read_text()))
    for call in calls:
        run(module, [program or "ufw", *call])
    if sshd:
        before = SSHD_CONFIG.read_text()
        if access.MARK not in before:
            access.ORIGINAL.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(module, access.ORIGINAL, before, 0o600)
        replace(module, SSHD_CONFIG, sshd, 0o600)
    if sshd or module.params["reload_ssh"]:
        run(module, ["systemctl", "try-reload-or-restart", "ssh.service"])
    if module.params["state"] == "absent":
        access.ORIGINAL.unlink(missing_ok=True)


def main() -> None:
    """Run the module."""
    rule = {
        "port": {"type": "raw", "required": True},
        "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "from": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "sshd_config": {"type": "str", "default": ""},
            "reload_ssh": {"type": "bool", "default": False},
            "rules": {"type": "list", "elements": "dict", "options": rule, "default": []},
            "firewall": {"type": "bool", "default": True},
            "ssh_ports": {"type": "list", "elements": "int", "default": [22]},
            "ssh_allowed_sources": {"type": "list", "elements": "str", "default": []},
            "second_chance": {"type": "int", "default": 60},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "step": {"type": "str", "choices": ["settle", "confirm", "undo"], "default": "settle"},
        },
        supports_check_mode=True,
    )
    if module.params["step"] != "settle":
        (confirm if module.params["step"] == "confirm" else undo)(module)
        module.exit_json(changed=False)

    allowed, errors = ufw.sources(module.params["ssh_allowed_sources"], "ssh_allowed_sources")
    rules, more = ufw.rules(module.params["rules"], "rules")
    if errors + more:
        module.fail_json(msg="\n".join(errors + more), errors=errors + more)

    absent = module.params["state"] == "absent"
    program = module.get_bin_path("ufw", opt_dirs=["/usr/sbin"])
    if program is None and not absent and module.params["firewall"] and not module.check_mode:
        module.fail_json(msg="ufw is not installed: install the package ufw first")
    if access.KEPT.exists() and not module.check_mode:
        undo(module)  # of a run that broke off

    try:
        now = read(module, program)
    except OSError as error:
        module.fail_json(msg=f"{error}. Nothing was changed.")
    if not module.params["firewall"]:
        want, calls = now, []
    elif absent:
        want, calls = ufw.Firewall(), ufw.plan_absent(now)
    else:
        want = ufw.target(ufw.ssh_rules(module.params["ssh_ports"], allowed) | rules)
        calls = ufw.plan(now, want)
    before = SSHD_CONFIG.read_text() if SSHD_CONFIG.exists() else ""
    text = wanted_sshd(module)
    sshd = text if text != before else ""
    if sshd and (reason := refused(module, sshd)):
        module.fail_json(msg=f"{SSHD_CONFIG}: refused by sshd -t: {reason}. Nothing was changed.")

    changed = bool(calls or sshd or module.params["reload_ssh"])
    if changed and not module.check_mode:
        try:
            arm(module)
            settle(module, sshd, calls, now.ipv6, program)
        except OSError as error:
            undo(module)
            module.fail_json(msg=f"{error}. All was put back as it was.")
    module.exit_json(
        changed=changed,
        armed=changed and not module.check_mode,
        proven=False,
        commands=[shlex.join(["ufw", *call]) for call in calls],
        diff=[
            {
                "before_header": "firewall", "after_header": "firewall",
                "before": now.describe(), "after": want.describe() if calls else now.describe(),
            },
            {
                "before_header": str(SSHD_CONFIG), "after_header": str(SSHD_CONFIG),
                "before": before, "after": sshd or before,
            },
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
