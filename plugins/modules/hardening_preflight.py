#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module hardening_preflight."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hardening_preflight
short_description: Make sure that hardening will not lock the operator out
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Looks at the SSH session that Ansible itself came by, at the SSH server and at the wanted firewall, and fails,
    with every reason at once, when hardening the server would end the operator's access to it.
  - Refused are an allow-list without the operator's own address, a user without any key while password logins are
    about to be switched off, a list of users without the operator, and a root login forbidden to an operator who is
    root. So are addresses, networks and ports that are none, and an C(/etc/ssh/sshd_config) with C(Match) blocks, which
    would be lost with it.
  - Changes nothing. Without an SSH session (a local or container connection) there is nobody to lock out.
options:
  ssh_allowed_sources:
    description:
      - Networks that may reach SSH. Empty means anyone.
    type: list
    elements: str
    default: []
  ssh_options:
    description:
      - Settings of C(sshd_config) that the inventory overrides.
    type: dict
    default: {}
  ssh_users:
    description:
      - Users who may log in by SSH. Empty means all.
    type: list
    elements: str
    default: []
  ban_ignore:
    description:
      - Addresses and networks that are never banned.
    type: list
    elements: str
    default: []
  trusted_proxies:
    description:
      - Addresses and networks of proxies before nginx, which are never banned either.
    type: list
    elements: str
    default: []
  firewall_rules:
    description:
      - Rules as M(mainstay.platform.hardening_access) takes them; checked here so that no error comes late.
    type: list
    elements: dict
    default: []
  firewall_app_rules:
    description:
      - The same, of those that come from the apps.
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
  - mainstay.platform.attributes.debian
seealso:
  - module: mainstay.platform.hardening_access
"""

EXAMPLES = r"""
- name: Refuse what would lock the operator out
  mainstay.platform.hardening_preflight:
    ssh_allowed_sources: [192.0.2.0/24]
  register: preflight
"""

RETURN = r"""
connected:
  description: Whether Ansible came by SSH.
  returned: always
  type: bool
source:
  description: The operator's address, as the server sees it. Empty when not connected by SSH.
  returned: always
  type: str
  sample: 192.0.2.10
user:
  description: The user who logged in, before any become. Empty when not connected by SSH.
  returned: always
  type: str
  sample: deploy
sshd:
  description: Whether the server has an SSH server.
  returned: always
  type: bool
ssh_ports:
  description: Ports that the SSH server listens on, and the one that the operator came in by.
  returned: always
  type: list
  elements: int
  sample: [22]
ssh_allowed_sources:
  description: The allowed networks in canonical form.
  returned: always
  type: list
  elements: str
algorithms:
  description: What the installed OpenSSH supports, by kind (C(kex), C(cipher), C(mac), C(HostKeyAlgorithms)).
  returned: always
  type: dict
keywords:
  description: Keywords of C(sshd_config) that the installed OpenSSH knows, in lower case.
  returned: always
  type: list
  elements: str
ssh_kept:
  description: Lines of the server's own SSH configuration that say who comes in, by which keys and where.
  returned: always
  type: list
  elements: str
  sample: [Port 22]
container:
  description: Whether the server is a container, whose kernel belongs to the machine under it.
  returned: always
  type: bool
router_advertisements:
  description: Whether the kernel itself has an IPv6 default route from a router advertisement.
  returned: always
  type: bool
tmp_mount:
  description: Whether C(/tmp) is a file system of its own that systemd mounts.
  returned: always
  type: bool
syslog_daemon:
  description: Program that writes logs of its own (C(rsyslogd)), and has what it writes from the journal.
  returned: always
  type: str
time_daemon:
  description: Program that already keeps the time (C(chronyd), C(ntpd)), which systemd-timesyncd would displace.
  returned: always
  type: str
"""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import access, ssh, ufw

SSHD_CONFIG = Path("/etc/ssh/sshd_config")
KINDS = ("kex", "cipher", "mac", "HostKeyAlgorithms")
SYSLOG_DAEMONS = ("rsyslogd", "syslog-ng", "syslogd")
TIME_DAEMONS = ("chronyd", "ntpd", "ntpsec", "openntpd")


def ancestors() -> Iterator[dict[str, str]]:
    """Yield the environments of this process and its ancestors, nearest first."""
    pid = os.getpid()
    while pid > 1:
        proc = Path("/proc", str(pid))
        try:
            raw = (proc / "environ").read_bytes()
            # Field 4 of stat(5) is the parent; the name in field 2 may hold blanks and parentheses.
            pid = int((proc / "stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            return
        pairs = (item.split("=", 1) for item in raw.decode(errors="replace").split("\0") if "=" in item)
        yield dict(pairs)


def effective(
    module: AnsibleModule, sshd: str, session: ssh.Session | None, config: Path | None = None
) -> dict[str, list[str]]:
    """Return what sshd would apply to the operator's session, by its configuration or another one."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it even to check; it is on a tmpfs
    spec = [f"user={session.user}", f"host={session.source}", f"addr={session.source}"] if session else []
    command = [sshd, "-T"] + (["-f", str(config)] if config else []) + [word for item in spec for word in ("-C", item)]
    rc, out, err = module.run_command(command)
    if rc != 0:
        module.fail_json(
            msg=f"The SSH server's configuration is broken as it is; repair it first. sshd -T says: {err.strip()}"
        )
    return ssh.parse_effective(out)


def user_has_key(session: ssh.Session, settings: dict[str, list[str]]) -> bool:
    """Whether the operator can come back without a password."""
    if settings.get("passwordauthentication") == ["no"] or ssh.keys_come_from_elsewhere(settings):
        return True
    user = pwd.getpwnam(session.user)
    paths = map(Path, ssh.key_files(settings, user.pw_name, user.pw_dir, user.pw_uid))
    return any(path.is_file() and ssh.has_key(path.read_text(errors="replace")) for path in paths)


def router_advertisements() -> bool:
    """Whether the kernel has an IPv6 default route that it learned itself: RTF_ADDRCONF, 0x40000 (ipv6_route.h)."""
    table = Path("/proc/net/ipv6_route")
    rows = (line.split() for line in table.read_text().splitlines()) if table.exists() else ()
    return any(row[0] == "0" * 32 and row[1] == "00" and int(row[8], 16) & 0x40000 for row in rows)


def tmp_mount(module: AnsibleModule) -> bool:
    """Whether systemd mounts /tmp from a unit of its own (and not from fstab or a container's engine)."""
    out = module.run_command(["systemctl", "show", "-p", "FragmentPath,ActiveState", "tmp.mount"])[1]
    return "ActiveState=active" in out and "FragmentPath=/" in out and "/run/" not in out


def first(module: AnsibleModule, programs: tuple[str, ...]) -> str:
    """Return the first of some programs that is installed; empty for none."""
    return next((name for name in programs if module.get_bin_path(name, opt_dirs=["/usr/sbin"])), "")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "ssh_allowed_sources": {"type": "list", "elements": "str", "default": []},
            "ssh_options": {"type": "dict", "default": {}, "no_log": False},
            "ssh_users": {"type": "list", "elements": "str", "default": []},
            "ban_ignore": {"type": "list", "elements": "str", "default": []},
            "trusted_proxies": {"type": "list", "elements": "str", "default": []},
            "firewall_rules": {"type": "list", "elements": "dict", "default": []},
            "firewall_app_rules": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    session = ssh.session(ancestors())
    allowed, errors = ufw.sources(module.params["ssh_allowed_sources"], "hardening_ssh_allowed_sources")
    for name in ("ban_ignore", "trusted_proxies"):
        errors += ufw.sources(module.params[name], f"hardening_{name}")[1]
    for name in ("firewall_rules", "firewall_app_rules"):
        errors += ufw.rules(module.params[name], f"hardening_{name}")[1]

    sshd = module.get_bin_path("sshd", opt_dirs=["/usr/sbin"])
    settings = effective(module, sshd, session) if sshd else {}
    config = SSHD_CONFIG.read_text(errors="replace") if sshd and SSHD_CONFIG.exists() else ""
    if access.MARK not in config and (blocks := ssh.conditional(config)):
        errors.append(
            f"{SSHD_CONFIG} is about to be replaced, and has '{blocks[0]}': move its Match blocks into a file in "
            f"{SSHD_CONFIG}.d, which stays in force, so that nobody gets more than they have"
        )
    has_key = user_has_key(session, settings) if session and sshd else True
    errors += ssh.check(session, allowed, has_key, module.params["ssh_options"], module.params["ssh_users"])
    if errors:
        module.fail_json(
            msg="Hardening is refused, nothing was changed:\n" + "\n".join(f"- {error}" for error in errors),
            errors=errors,
        )

    # The distribution's own, where ours has taken its place; of everybody: what is said of some stays in sshd_config.d.
    own = effective(module, sshd, None, access.ORIGINAL if access.ORIGINAL.exists() else None) if sshd else {}
    # In a container the engine mounts /tmp.
    virtual = module.get_bin_path("systemd-detect-virt")
    container = bool(virtual) and module.run_command([virtual, "--quiet", "--container"])[0] == 0
    query = module.get_bin_path("ssh") if sshd else None
    module.exit_json(
        changed=False,
        connected=session is not None,
        source=session.source if session else "",
        user=session.user if session else "",
        sshd=bool(sshd),
        ssh_ports=sorted({int(p) for p in settings.get("port", [])} | ({session.server_port} if session else set())),
        ssh_allowed_sources=allowed,
        algorithms={kind: module.run_command([query, "-Q", kind])[1].split() if query else [] for kind in KINDS},
        keywords=sorted(settings),
        ssh_kept=ssh.kept(own),
        container=container,
        router_advertisements=router_advertisements(),
        tmp_mount=not container and tmp_mount(module),
        syslog_daemon=first(module, SYSLOG_DAEMONS),
        time_daemon=first(module, TIME_DAEMONS),
    )


if __name__ == "__main__":
    main()
