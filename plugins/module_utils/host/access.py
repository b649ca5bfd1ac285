# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second chance: what is kept before the ways into the server change, and the script that puts it back. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.host import sysctl

MARK = "# Managed by Mainstay (role hardening)"
STATE = Path("/var/lib/mainstay/hardening")
KEPT = STATE / "second-chance"
UNDO = KEPT / "undo.sh"
ORIGINAL = STATE / "sshd_config.original"
UNDONE = "undone"
UNIT = "mainstay-second-chance"
SSHD_CONFIG = Path("/etc/ssh/sshd_config")
SETTINGS = Path("/etc/sysctl.d/90-mainstay.conf")
WALL = Path("/etc/mainstay/containers.nft")
FILES = (
    SSHD_CONFIG,
    Path("/etc/default/ufw"),
    Path("/etc/ufw/ufw.conf"),
    Path("/etc/ufw/user.rules"),
    Path("/etc/ufw/user6.rules"),
    SETTINGS,
    WALL,
)
# A timer does not outlive a restart of the server, the changed files do: this one comes before they are read.
BOOT = Path(f"/etc/systemd/system/{UNIT}-boot.service")
BOOT_LINK = BOOT.parent / "sysinit.target.wants" / BOOT.name
BOOT_UNIT = f"""{MARK}.
[Unit]
Description=Undo a change of SSH and firewall that nobody had confirmed (Mainstay)
DefaultDependencies=no
RequiresMountsFor={KEPT}
After=local-fs.target
Before=systemd-sysctl.service network-pre.target ufw.service mainstay-container-firewall.service ssh.service ssh.socket
Conflicts=shutdown.target
Before=shutdown.target
ConditionPathExists={UNDO}

[Service]
Type=oneshot
ExecStart=/bin/sh {UNDO} boot
"""
CHAINS = ("docker_user", "from_containers", "to_server")


def kept_name(path: Path) -> str:
    """Return the name under which a file is kept: ``/etc/ufw/ufw.conf`` is ``etc_ufw_ufw.conf``."""
    return str(path).strip("/").replace("/", "_")


def undo_script(settings: Mapping[str, str]) -> str:
    """Return the shell script that puts everything back, and into force unless it is called with ``boot``.

    ``settings`` are the live values of the kernel settings that change. It is run in the directory where it lies, and
    leaves nothing there but word that it ran: a later run must not go back to what is old by then.
    """
    kept = " ".join(shlex.quote(kept_name(path)) for path in FILES)
    lines = [
        "#!/bin/sh",
        "# What was there before the last change of SSH or firewall, for when nobody comes in any more.",
        'cd "$(dirname "$0")" || exit 1',
        # Whoever confirms too late must learn of it.
        f": > {UNDONE}",
    ]
    for path in FILES:
        name, place = shlex.quote(kept_name(path)), shlex.quote(str(path))
        lines.append(f"if [ -e {name} ]; then cp -p {name} {place}; else rm -f {place}; fi")
    lines += [
        f"rm -f {BOOT_LINK} {BOOT}",
        'if [ "${1:-}" != boot ]; then',
        "  if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then ufw reload; "
        "elif command -v ufw; then ufw --force disable; fi",
        f"  if [ -e {WALL} ]; then nft -f {WALL}; elif command -v nft; then nft delete table inet mainstay; fi",
        *(f"  echo {shlex.quote(value)} > {sysctl.path(key)}" for key, value in settings.items()),
        # A server whose sshd has not survived the change gets it started again.
        "  systemctl reload ssh.service || systemctl restart ssh.service",
        "fi",
        f"rm -f {kept} {UNDO.name}",
        "sync",
    ]
    return "\n".join(lines) + "\n"


def stands(listing: str) -> bool:
    """Whether the wall around containers stands, by what ``nft list table inet mainstay`` says: each chain drops."""
    chains = {part.split()[0]: part for part in listing.split("chain ")[1:]}
    return all("drop" in chains.get(name, "") for name in CHAINS)
