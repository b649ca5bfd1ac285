#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module hardening_access."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hardening_access
short_description: Settle SSH, the firewall and the kernel's settings, with a second chance
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Settles all by which a server can shut its operator out, in one call - C(/etc/ssh/sshd_config), the firewall
    (C(ufw)), for IPv4 and IPv6, the wall around containers (nftables) and the kernel's settings.
  - Before it changes anything it keeps what is there and sets a timer on the server that puts it back after
    O(second_chance) seconds. Then all of it is put in force, and a new SSH connection is opened, beside the one that
    the module works through. Only when that comes in is the timer stopped; when it does not, all is undone at once, and
    where not even that connection is left, the timer does it. A server that is restarted in between undoes it when it
    starts, before any of it is read.
  - The kernel's settings are written to C(/etc/sysctl.d/90-mainstay.conf) and set. In a container those outside of
    C(net.) belong to the machine and stay as they are; what is not in force is told.
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
  sysctl:
    description:
      - Kernel settings by key; C(*) in a key stands for every interface. Left alone when left out.
    type: dict
  container_firewall:
    description:
      - The content of C(/etc/mainstay/containers.nft), which makes the table C(inet mainstay). When empty there is no
        such table. Left alone when left out.
    type: str
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
      - V(absent) opens the firewall, forgets the rules, takes down the wall around containers, removes the file of
        kernel settings, which then hold until the next start, and puts the distribution's C(sshd_config) back.
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
not_applied:
  description: Kernel settings that are not in force, with the reason by key.
  returned: always
  type: dict
  sample: {kernel.kptr_restrict: belongs to the machine under the container}
proven:
  description:
    - Whether a new connection was made before the old settings were given up. False where nothing changed, or where the
      connection is not SSH.
  returned: always
  type: bool
"""

import os
import shlex
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import access, sysctl, ufw

DEFAULTS = Path("/etc/default/ufw")
TABLE = ["nft", "list", "table", "inet", "mainstay"]


@dataclass
class Changes:
    """What is to be changed; None and empty: nothing. A file without content is removed."""

    sshd: str | None = None
    ufw: list[list[str]] = field(default_factory=list)
    wall: str | None = None
    settings: str | None = None
    live: dict[str, str] = field(default_factory=dict)
    reload_ssh: bool = False

    def __bool__(self) -> bool:
        given = (self.sshd, self.wall, self.settings)
        return any(text is not None for text in given) or bool(self.ufw or self.live or self.reload_ssh)


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


def text_of(path: Path) -> str:
    """Return a file's content; empty when there is none."""
    return path.read_text() if path.exists() else ""


def replace(module: AnsibleModule, path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file, keeping its owner, and its mode unless one is given; without content it is removed."""
    if not text:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = Path(module.tmpdir, path.name)
    temporary.write_text(text)
    module.atomic_move(str(temporary), str(path))
    if mode is not None:
        path.chmod(mode)


def arm(module: AnsibleModule, live: dict[str, str]) -> None:
    """Keep what is there, and have the server put it back unless it is told not to, even if it is restarted."""
    shutil.rmtree(access.KEPT, ignore_errors=True)
    access.KEPT.mkdir(mode=0o700, parents=True)
    for path in access.FILES:
        if path.exists():
            shutil.copy2(path, access.KEPT / access.kept_name(path))
    access.UNDO.write_text(access.undo_script(live))
    access.BOOT.write_text(access.BOOT_UNIT)
    access.BOOT_LINK.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    access.BOOT_LINK.unlink(missing_ok=True)
    access.BOOT_LINK.symlink_to(access.BOOT)
    os.sync()
    seconds = module.params["second_chance"]
    run(
        module,
        [
            "systemd-run", "--quiet", "--collect", f"--unit={access.UNIT}", f"--on-active={seconds}s",
            "--timer-property=AccuracySec=1s", "/bin/sh", str(access.UNDO),
        ],
    )  # fmt: skip


def disarm(module: AnsibleModule) -> None:
    """Give up what was kept."""
    module.run_command(["systemctl", "stop", f"{access.UNIT}.timer"])
    access.BOOT_LINK.unlink(missing_ok=True)
    access.BOOT.unlink(missing_ok=True)
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
    run(module, ["/bin/sh", str(access.UNDO)])
    disarm(module)


def wanted_sshd(module: AnsibleModule) -> str:
    """Return the SSH configuration that is wanted: ours, or the distribution's; empty when it is left alone."""
    if module.params["state"] == "absent":
        return access.ORIGINAL.read_text() if access.ORIGINAL.exists() else ""
    return str(module.params["sshd_config"])


def refused(module: AnsibleModule, changes: Changes) -> str:
    """Return what a program says of a file that it does not take; empty when they take all."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    checks = (
        ("sshd", ["-t", "-f"], access.SSHD_CONFIG, changes.sshd),
        ("nft", ["-c", "-f"], access.WALL, changes.wall),
    )
    for name, options, path, text in checks:
        program = module.get_bin_path(name, opt_dirs=["/usr/sbin"]) if text else None
        if text and program is None and not module.check_mode:
            return f"{path}: needs {name}, which is not installed"
        if program is None:
            continue
        copy = Path(module.tmpdir, f"{path.name}.new")
        copy.write_text(text or "")
        rc, out, err = module.run_command([program, *options, str(copy)])
        if rc != 0:
            said = (err or out).strip().replace(str(copy), str(path))
            return f"{path}: refused by {name} {options[0]}: {said}"
    return ""


def wall(module: AnsibleModule, wanted: str | None) -> str | None:
    """Return the wall's content where it is not what it should be, in the file or in the kernel; None when it is."""
    if wanted is None:
        return None
    if wanted != text_of(access.WALL):
        return wanted
    if not wanted or module.get_bin_path("nft", opt_dirs=["/usr/sbin"]) is None:
        return None
    return None if access.stands(module.run_command(TABLE)[1]) else wanted


def live_value(key: str) -> str | None:
    """Return a setting's live value; None when there is no such key or it cannot be read (some are write-only)."""
    try:
        return Path(sysctl.path(key)).read_text()
    except OSError:
        return None


def set_live(settings: dict[str, str]) -> dict[str, str]:
    """Set kernel settings; answers those that the kernel refuses, with the reason."""
    told = {}
    for key, value in settings.items():
        try:
            Path(sysctl.path(key)).write_text(value)
        except OSError as error:
            told[key] = f"the kernel refuses '{value}': {error.strerror}"
    return told


def settle(module: AnsibleModule, changes: Changes, ipv6: bool, program: str | None) -> dict[str, str]:
    """Make the changes, nothing closed before all that is wanted is open; answers what the kernel refuses."""
    if changes.ufw and not ipv6:
        replace(module, DEFAULTS, ufw.with_ipv6(DEFAULTS.read_text()))
    for call in changes.ufw:
        run(module, [program or "ufw", *call])
    if changes.wall is not None:
        replace(module, access.WALL, changes.wall, 0o644)
        if changes.wall:
            run(module, ["nft", "-f", str(access.WALL)])
        else:
            module.run_command(["nft", "delete", "table", "inet", "mainstay"])
            with suppress(OSError):  # others may have files there
                access.WALL.parent.rmdir()
    if changes.settings is not None:
        replace(module, access.SETTINGS, changes.settings, 0o644)
    refusals = set_live(changes.live)
    if changes.sshd:
        before = access.SSHD_CONFIG.read_text()
        if access.MARK not in before:
            access.ORIGINAL.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(module, access.ORIGINAL, before, 0o600)
        replace(module, access.SSHD_CONFIG, changes.sshd, 0o600)
    if changes.sshd or changes.reload_ssh:
        run(module, ["systemctl", "try-reload-or-restart", "ssh.service"])
    if module.params["state"] == "absent":
        access.ORIGINAL.unlink(missing_ok=True)
    return refusals


def difference(what: str, before: str, after: str | None) -> dict[str, str]:
    """An entry of the module's diff; without ``after`` nothing changes."""
    return {
        "before_header": what,
        "after_header": what,
        "before": before,
        "after": before if after is None else after,
    }


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
            "sysctl": {"type": "dict"},
            "container_firewall": {"type": "str"},
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
        # Of a run that broke off: either the server has undone it by now, or it is done here.
        (undo if access.UNDO.exists() else disarm)(module)

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
    wanted = {} if absent else module.params["sysctl"]
    settings = None if wanted is None else sysctl.config(wanted, access.MARK)
    detect = module.get_bin_path("systemd-detect-virt")
    container = bool(detect) and module.run_command([detect, "--quiet", "--container"])[0] == 0
    concrete = sysctl.expand(wanted or {}, glob)
    live = {key: live_value(key) for key in concrete}
    kernel = sysctl.plan(concrete, live, container)
    old = {path: text_of(path) for path in (access.SSHD_CONFIG, access.WALL, access.SETTINGS)}
    text = wanted_sshd(module)
    changes = Changes(
        sshd=text if text not in ("", old[access.SSHD_CONFIG]) else None,
        ufw=calls,
        wall=wall(module, "" if absent else module.params["container_firewall"]),
        settings=settings if settings != old[access.SETTINGS] else None,
        live=kernel.write,
        reload_ssh=module.params["reload_ssh"],
    )
    files = {access.SSHD_CONFIG: changes.sshd, access.WALL: changes.wall, access.SETTINGS: changes.settings}
    if reason := refused(module, changes):
        module.fail_json(msg=f"{reason}. Nothing was changed.")

    skipped = dict(kernel.skip)
    if changes and not module.check_mode:
        try:
            arm(module, {key: sysctl.canonical(live[key]) for key in kernel.write})
        except OSError as error:
            disarm(module)
            module.fail_json(msg=f"{error}. Nothing was changed.")
        try:
            refusals = settle(module, changes, now.ipv6, program)
        except OSError as error:
            undo(module)
            module.fail_json(msg=f"{error}. All was put back as it was.")
        skipped |= refusals
        changes.live = {key: value for key, value in changes.live.items() if key not in refusals}
        if not changes:
            disarm(module)
    if skipped:
        module.warn(f"{len(skipped)} kernel settings are not in force: {sysctl.by_reason(skipped)}")
    module.exit_json(
        changed=bool(changes),
        armed=bool(changes) and not module.check_mode,
        proven=False,
        not_applied=skipped,
        commands=[shlex.join(["ufw", *call]) for call in calls],
        diff=[
            difference("firewall", now.describe(), want.describe() if calls else None),
            *(difference(str(path), old[path], new) for path, new in files.items()),
            difference(
                "running kernel",
                "".join(f"{key} = {sysctl.canonical(live[key])}\n" for key in changes.live),
                "".join(f"{key} = {value}\n" for key, value in changes.live.items()),
            ),
        ],
    )


if __name__ == "__main__":
    main()
