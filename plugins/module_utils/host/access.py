# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second chance: what is kept before SSH and the firewall change, and the script that puts it back. Pure."""

from __future__ import annotations

import shlex
from pathlib import Path

MARK = "# Managed by Mainstay (role hardening)"
STATE = Path("/var/lib/mainstay/hardening")
KEPT = STATE / "second-chance"
ORIGINAL = STATE / "sshd_config.original"
UNDONE = "undone"
UNIT = "mainstay-second-chance"
FILES = tuple(
    map(
        Path,
        (
            "/etc/ssh/sshd_config",
            "/etc/default/ufw",
            "/etc/ufw/ufw.conf",
            "/etc/ufw/user.rules",
            "/etc/ufw/user6.rules",
        ),
    )
)


def kept_name(path: Path) -> str:
    """Return the name under which a file is kept: ``/etc/ufw/ufw.conf`` is ``etc_ufw_ufw.conf``."""
    return str(path).strip("/").replace("/", "_")


def undo_script() -> str:
    """Return the shell script, run in the directory where it lies, that puts everything back and into force."""
    lines = [
        "#!/bin/sh",
        "# What was there before the last change of SSH or firewall, for when nobody comes in any more.",
    ]
    lines.append('cd "$(dirname "$0")" || exit 1')
    # Whoever confirms too late must learn of it.
    lines.append(f": > {UNDONE}")
    for path in FILES:
        name, place = shlex.quote(kept_name(path)), shlex.quote(str(path))
        lines.append(f"if [ -e {name} ]; then cp -p {name} {place}; fi")
    lines.append(
        "if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then ufw reload; "
        "elif command -v ufw; then ufw --force disable; fi"
    )
    # A server whose sshd has not survived the change gets it started again.
    lines.append("systemctl reload ssh.service || systemctl restart ssh.service")
    return "\n".join(lines) + "\n"
