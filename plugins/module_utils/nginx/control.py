# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test and reload nginx, and know when the new configuration serves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PID = Path("/run/nginx.pid")
LOG = Path("/var/log/nginx/error.log")
_SECONDS = 15.0
_LEAVING = "is shutting down"

Run = Callable[[list[str]], tuple[int, str, str]]


class NginxError(Exception):
    """nginx refused; the message holds its own words."""


def check(run: Run) -> None:
    """Let nginx test its whole configuration; raises NginxError with what it says."""
    code, out, err = run(["nginx", "-t", "-q"])
    if code:
        raise NginxError((out + err).strip())


def version(run: Run) -> str:
    """Version of the nginx that is installed, such as `1.26.3`."""
    _code, out, err = run(["nginx", "-v"])
    return (out + err).partition("nginx/")[2].partition(" ")[0].strip()


def njs_version(run: Run) -> str:
    """Version of the installed package of njs, such as `0.8.9-1`; empty when there is none."""
    code, out, _err = run(["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-http-js"])
    return out.strip() if code == 0 else ""


def master() -> int | None:
    """Process id of the running nginx; None when it does not run."""
    try:
        pid = int(PID.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _title(pid).startswith("nginx: master") else None


def workers(pid: int) -> dict[int, bool]:
    """The workers of a master: process id -> whether it still takes connections."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        child = int(status.parent.name)
        title = _title(child) if parent == pid else ""
        if title.startswith("nginx: worker"):
            found[child] = _LEAVING not in title
    return found


def reload(run: Run) -> None:
    """Reload and wait until every worker that takes connections has the new configuration."""
    pid = master()
    if pid is None:
        raise NginxError("nginx does not run; see `systemctl status nginx` and start it")
    old = workers(pid)
    position = LOG.stat().st_size if LOG.exists() else 0
    code, out, err = run(["nginx", "-s", "reload"])
    if code:
        raise NginxError((out + err).strip())
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        taking = {child for child, takes in workers(pid).items() if takes}
        if taking and not taking & set(old):
            return
        time.sleep(0.02)
    raise NginxError(f"nginx kept its old configuration; it logged:\n{_logged(position)}")


def _logged(position: int) -> str:
    """The serious lines of the error log since a position."""
    if not LOG.exists():
        return "(no error log)"
    lines = LOG.read_bytes()[position:].decode(errors="replace").splitlines()
    return (
        "\n".join(line for line in lines if "[emerg]" in line or "[alert]" in line or "[crit]" in line) or "(nothing)"
    )


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
