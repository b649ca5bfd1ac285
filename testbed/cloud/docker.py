# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's Docker Engine: the command line, and the daemon where no service manager runs it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from testbed.cloud.places import CACHE

LABEL = "mainstay.bed=1"
PID = CACHE / "dockerd.pid"
LOG = CACHE / "dockerd.log"
AS_ROOT = ["sudo"] if os.geteuid() else []


class BedError(Exception):
    """Something about the test bed that the user must know; the message says what to do."""


def docker(*args: str, stdin: str | None = None, check: bool = True) -> str:
    """Run a docker command and return what it printed; BedError with its complaint when it fails."""
    done = subprocess.run(["docker", *args], text=True, capture_output=True, input=stdin, check=False)
    if check and done.returncode:
        raise BedError(f"docker {' '.join(args)}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip("\n")


def inspect(name: str) -> dict[str, Any] | None:
    """What Docker knows of a container, or None where there is none."""
    found = subprocess.run(["docker", "container", "inspect", name], text=True, capture_output=True, check=False)
    return dict(json.loads(found.stdout)[0]) if found.returncode == 0 else None


def digest(*parts: object) -> str:
    """A short digest of anything that prints the same when it is the same; files count by their content."""
    hashed = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else repr(part).encode()
        hashed.update(str(len(content)).encode() + b":" + content)
    return hashed.hexdigest()[:16]


def engine_answers() -> bool:
    """Whether a daemon answers."""
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def engine_up() -> None:
    """Start dockerd detached where none answers; a daemon that somebody else runs is used as it is."""
    if engine_answers():
        return
    if AS_ROOT:
        raise BedError(
            "no Docker Engine answers you: start it and add yourself to its group "
            "(sudo usermod --append --groups docker $USER, then log in again), or run this with sudo"
        )
    if not shutil.which("dockerd"):
        raise BedError("no Docker Engine on this machine: run `make setup`")
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=True)
    else:
        CACHE.mkdir(exist_ok=True)
        with LOG.open("ab") as log:
            process = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        PID.write_text(f"{process.pid}\n")
    for _ in range(300):
        if engine_answers():
            return
        time.sleep(0.2)
    raise BedError(f"dockerd did not answer within a minute: see {LOG}")


def engine_down() -> None:
    """Stop the daemon if this project started it."""
    if not PID.exists():
        return
    pid = int(PID.read_text())
    PID.unlink()
    try:
        if b"dockerd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGTERM)
        for _ in range(150):
            os.kill(pid, 0)
            time.sleep(0.2)
    except (FileNotFoundError, ProcessLookupError):
        return
    raise BedError(f"dockerd (pid {pid}) did not stop within 30 seconds: see {LOG}")


def image_hash(tag: str) -> str | None:
    """The content hash an image of ours was built from."""
    shown = subprocess.run(
        ["docker", "image", "inspect", "-f", '{{index .Config.Labels "mainstay.hash"}}', tag],
        text=True,
        capture_output=True,
        check=False,
    )
    return shown.stdout.strip() if shown.returncode == 0 else None
