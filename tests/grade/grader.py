# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What graders have in common: the server under test, a row of the table, and a container in the server's own network.

A grader is a module of this folder with ``grade(server) -> list[Row]``.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed.cloud import images
from testbed.cloud.docker import docker
from testbed.outside import ROOT, STATE

HERE = Path(__file__).parent
IMAGE = "mainstay/graders:trixie"
CACHE = ROOT / ".cache" / "grade"


@dataclass(frozen=True)
class Server:
    """A test server by its container's name, and the name that its site has."""

    name: str
    domain: str

    def shell(self, command: str, timeout: float = 600) -> str:
        """What a command prints on the server, whatever it ends with."""
        return subprocess.run(
            ["docker", "exec", self.name, "bash", "-c", command],
            text=True, capture_output=True, check=False, timeout=timeout,
        ).stdout  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table; ``passed`` is None where a figure is shown without a goal."""

    grader: str
    what: str
    got: str
    goal: str = ""
    passed: bool | None = None


def at_least(grader: str, what: str, got: float, goal: float, unit: str = "") -> Row:
    """A row that passes from a figure upwards."""
    return Row(grader, what, f"{got:g}{unit}", f">= {goal:g}{unit}", got >= goal)


def exactly(grader: str, what: str, got: str, goal: str) -> Row:
    """A row that passes for one word alone."""
    return Row(grader, what, got, goal, got == goal)


def inside(server: Server, command: list[str], *options: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command of the graders' image in the server's network, where the domain is 127.0.0.1."""
    images.base("trixie")
    docker(
        "build", "--quiet", "--label", "mainstay.bed=1", "--tag", IMAGE, "--file", str(HERE / "Dockerfile"), str(HERE)
    )
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write(f"127.0.0.1 localhost {server.domain}\n::1 localhost\n")
        hosts.flush()
        mounts = ["--volume", f"{hosts.name}:/etc/hosts:ro", "--volume", f"{STATE}/acme-root.pem:/ca.pem:ro", *options]
        return subprocess.run(
            ["docker", "run", "--rm", "--network", f"container:{server.name}", *mounts, IMAGE, *command],
            text=True, capture_output=True, check=False, timeout=timeout,
        )  # fmt: skip
