# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test and reload nginx, and know when the new configuration serves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def build(run: Run) -> dict[str, Any]:
    """What the installed nginx is and can: ``{version: 1.26.3, openssl: 3.5.7, http3: true, njs: 0.8.9-1}``.

    ``njs`` is the package's version, empty where it is not installed. OpenSSL is the one that runs, which may be
    another than nginx was built with.
    """
    _code, out, err = run(["nginx", "-V"])
    said = out + err
    openssl = re.findall(r"\bOpenSSL (\d[\w.]*)", said)
    code, njs, _err = run(["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-http-js"])
    return {
        "version": said.partition("nginx/")[2].split(" ")[0].split("\n")[0],
        "openssl": openssl[-1] if openssl else "",
        "http3": "--with-http_v3_module" in said,
        "njs": njs.strip() if code == 0 else "",
    }


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
