#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module hardening_report."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hardening_report
short_description: Look at a server and say of each control whether it holds
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Asks the server itself, C(sshd -T), the running kernel, C(auditctl), C(systemctl), C(fail2ban-client), C(ufw),
    C(nft), and compares files with what was written. It does not go by what an earlier run did.
  - A control is C(passed), C(failed), C(waived) or C(not applicable), each but the first with the reason.
options:
  controls:
    description:
      - The controls, as P(mainstay.platform.hardening_plan#filter) gives them.
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: N/A
    details: It changes nothing.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: debian
"""

EXAMPLES = r"""
- name: Look at the server
  mainstay.platform.hardening_report:
    controls: "{{ plan.controls }}"
  register: report
"""

RETURN = r"""
entries:
  description: Each control with its C(id), C(title), C(state) and C(why).
  returned: always
  type: list
  elements: dict
counts:
  description: Number of controls by state.
  returned: always
  type: dict
  sample: {failed: 0, passed: 52, waived: 1, not applicable: 6}
table:
  description: The same as lines of an aligned table, failures first.
  returned: always
  type: list
  elements: str
"""

import hashlib
import json
import re
import stat
from collections.abc import Callable
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import audit, edits, report
from ansible_collections.mainstay.platform.plugins.module_utils.host import access, apt, ssh, sysctl, units

TREES = Path("/var/lib/mainstay/trees")
Findings = list[tuple[str, str]]


class Look:
    """The server, asked once for what several controls want to know."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.container = self.run("systemd-detect-virt", "--quiet", "--container")[0] == 0
        self.run = cache(self.run)  # type: ignore[method-assign]

    def run(self, *command: str) -> tuple[int, str]:
        """Run a program; one that is not there has failed."""
        if self.module.get_bin_path(command[0], opt_dirs=["/usr/sbin", "/sbin"]) is None:
            return 127, f"{command[0]} is not installed"
        rc, out, err = self.module.run_command(list(command), environ_update={"LC_ALL": "C.UTF-8"})
        return rc, out if rc == 0 else out + err

    def recorded(self) -> dict[str, str]:
        """SHA-256 of each file that the role has written, by path."""
        found: dict[str, str] = {}
        for file in TREES.glob("hardening*.json"):
            paths = json.loads(file.read_text())["paths"]
            found |= {path: entry["sha256"] for path, entry in paths.items() if entry.get("sha256")}
        return found


def sshd(look: Look, control: dict[str, Any]) -> Findings:
    """What sshd would apply."""
    if not control["sshd"]:
        return []
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    rc, out = look.run("sshd", "-T")
    return (
        report.sshd(control["sshd"], ssh.parse_effective(out))
        if rc == 0
        else [(report.FAILED, f"sshd -T: {out.strip()}")]
    )


def kernel(look: Look, control: dict[str, Any]) -> Findings:
    """What the running kernel has."""
    live: dict[str, str | None] = {}
    settings = sysctl.expand(control["sysctl"], glob)
    for key in settings:
        path = Path(sysctl.path(key))
        live[key] = path.read_text() if path.exists() else None
    return report.sysctl(settings, live, look.container)


def packages(look: Look, control: dict[str, Any]) -> Findings:
    """Which packages are installed."""
    if not control["packages"]:
        return []
    present = apt.installed(look.module.run_command([*apt.QUERY, *control["packages"]])[1])
    missing = [name for name in control["packages"] if name not in present]
    return [(report.FAILED, f"not installed: {', '.join(missing)}")] if missing else [(report.PASSED, "")]


def files(look: Look, control: dict[str, Any]) -> Findings:
    """Whether our files are as we wrote them."""
    found: Findings = []
    known = look.recorded() if control["files"] else {}
    for path in control["files"]:
        file = Path(path)
        if not file.exists():
            found.append((report.FAILED, f"{path} is missing"))
        elif hashlib.sha256(file.read_bytes()).hexdigest() != known.get(path):
            found.append((report.FAILED, f"{path} was changed"))
        else:
            found.append((report.PASSED, path))
    return found


def lines(_look: Look, control: dict[str, Any]) -> Findings:
    """Whether our lines are in files of the distribution."""
    found: Findings = []
    for edit in control["edits"]:
        file = Path(edit["path"])
        if not file.exists():
            found.append((report.NOT_HERE, f"there is no {file}"))
        elif (text := file.read_text()) == edits.apply(text, edit):
            found.append((report.PASSED, ""))
        else:
            found.append(
                (report.FAILED, f"{file} is without '{edit['line']}'" if edit["match"] else f"{file} was changed")
            )
    return found


def modes(_look: Look, control: dict[str, Any]) -> Findings:
    """Whether paths are as closed as they should be."""
    found: Findings = []
    for entry in control["modes"]:
        if entry["path"].startswith("{home}") or not Path(entry["path"]).exists():
            continue
        info = Path(entry["path"]).stat()
        mode = stat.S_IMODE(info.st_mode)
        if mode & ~int(entry["mode"], 8) or info.st_uid != 0:
            found.append((report.FAILED, f"{entry['path']} has mode {mode:04o} of user {info.st_uid}"))
        else:
            found.append((report.PASSED, ""))
    return found


def pam(_look: Look, control: dict[str, Any]) -> Findings:
    """Whether PAM profiles are on."""
    found = set()
    for file in Path("/var/lib/pam").glob("*") if control["pam"] else ():
        found |= {row.removeprefix("Module: ") for row in file.read_text().splitlines()}
    return [
        (report.PASSED if name in found else report.FAILED, f"PAM profile {name} is off") for name in control["pam"]
    ]


def running(look: Look, control: dict[str, Any]) -> Findings:
    """Whether units run and start at boot."""
    if not control["units"]:
        return []
    names = [unit.name for unit in units.wanted([{"name": name} for name in control["units"]])]
    rc, out = look.run("systemctl", "show", "-p", ",".join(units.PROPERTIES), *names)
    if rc != 0:
        return [(report.FAILED, out.strip())]
    found: Findings = []
    for name, status in units.parse_show(out, names).items():
        if not status.present:
            found.append((report.FAILED, f"there is no {name}"))
        elif not status.up and status.held_back:
            found.append((report.NOT_HERE, f"a condition of {name} itself does not hold here"))
        elif not status.up or status.file_state not in ("enabled", "static", "alias"):
            found.append((report.FAILED, f"{name} is {status.active}, {status.file_state or 'without unit file'}"))
        else:
            found.append((report.PASSED, name))
    return found


def ufw(look: Look) -> Findings:
    """The firewall is on, for both families."""
    _rc, out = look.run("ufw", "status", "verbose")
    good = "Status: active" in out and "deny (incoming)" in out and "deny (routed)" in out
    six = "IPV6=yes" in Path("/etc/default/ufw").read_text() if Path("/etc/default/ufw").exists() else False
    return [(report.PASSED if good and six else report.FAILED, "ufw does not deny what is not named, on IPv4 and IPv6")]


def container_firewall(look: Look) -> Findings:
    """The second wall stands, around all networks of containers."""
    _rc, out = look.run("nft", "list", "table", "inet", "mainstay")
    stands = access.stands(out)
    said = [(report.PASSED if stands else report.FAILED, "the table 'inet mainstay' lacks rules (nft list ruleset)")]
    rc, ids = look.run("docker", "network", "ls", "-q")
    if rc != 0 or not ids.split():
        return said
    form = '{{.Name}} {{.Driver}} {{index .Options "com.docker.network.bridge.name"}}'
    return said + report.beyond_the_wall(look.run("docker", "network", "inspect", "-f", form, *ids.split())[1])


def jail(look: Look, name: str) -> Findings:
    """A jail of fail2ban is at work."""
    rc, _out = look.run("fail2ban-client", "status", name)
    return [(report.PASSED if rc == 0 else report.FAILED, f"fail2ban has no jail {name}")]


def rsa_host_key(look: Look) -> Findings:
    """SSH's RSA host key is long enough."""
    key = Path("/etc/ssh/ssh_host_rsa_key.pub")
    if not key.exists():
        return [(report.PASSED, "")]
    bits = look.run("ssh-keygen", "-l", "-f", str(key))[1].split()[0]
    return [(report.PASSED if int(bits) >= 4096 else report.FAILED, f"it has {bits} bits")]


def mount(look: Look, point: str, option: str) -> Findings:
    """A file system is mounted with an option."""
    rc, out = look.run("findmnt", "-no", "OPTIONS", point)
    if rc != 0:
        return [(report.NOT_HERE, f"{point} is no file system of its own")]
    if option in out.strip().split(","):
        return [(report.PASSED, point)]
    return [(report.FAILED, f"{point} is mounted without {option}: mount -o remount,{option} {point}, or a restart")]


def audit_rules(look: Look, path: str) -> Findings:
    """The kernel has the rules of a file."""
    rc, out = look.run("auditctl", "-l")
    if rc != 0:
        return [(report.FAILED, f"the kernel does not tell its audit rules: {out.strip()}")]
    lacking = audit.missing(Path(path).read_text(), out) if Path(path).exists() else []
    said = f"the kernel lacks {len(lacking)} of the rules in {path}, the first is '{lacking[0]}'" if lacking else ""
    return [(report.FAILED if lacking else report.PASSED, said)]


def apparmor(_look: Look) -> Findings:
    """The kernel has AppArmor, and it is on."""
    switch = Path("/sys/module/apparmor/parameters/enabled")
    if not switch.exists():
        return [(report.NOT_HERE, "this kernel has no AppArmor")]
    return [(report.PASSED if switch.read_text().startswith("Y") else report.FAILED, "AppArmor is off")]


def exposure(look: Look, unit: str, most: str) -> Findings:
    """systemd's own estimate of what a unit could do."""
    _rc, out = look.run("systemd-analyze", "security", "--no-pager", unit)
    match = re.search(r"exposure level for \S+: (\S+)", out)
    if not match:
        return [(report.FAILED, f"systemd-analyze says nothing of {unit}")]
    return [
        (report.PASSED if float(match[1]) <= float(most) else report.FAILED, f"{unit} has {match[1]}, more than {most}")
    ]


PROBES: dict[str, Callable[..., Findings]] = {
    "ufw": ufw, "container_firewall": container_firewall, "jail": jail, "rsa_host_key": rsa_host_key,
    "mount": mount, "audit": audit_rules, "apparmor": apparmor, "exposure": exposure,
}  # fmt: skip
KINDS = (sshd, kernel, packages, files, lines, modes, pam, running)


def findings(look: Look, control: dict[str, Any]) -> Findings:
    """Everything that is to be said about a control that is on."""
    if control["state"] != "on":
        return []
    found = [finding for kind in KINDS for finding in kind(look, control)]
    for check in control["checks"]:
        name, *arguments = check.split(":")
        found += PROBES[name](look, *arguments)
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"controls": {"type": "list", "elements": "dict", "required": True}}, supports_check_mode=True
    )
    look = Look(module)
    entries = [report.judge(control, findings(look, control)) for control in module.params["controls"]]
    module.exit_json(changed=False, entries=entries, counts=report.counts(entries), table=report.table(entries))


if __name__ == "__main__":
    main()
