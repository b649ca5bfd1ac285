#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time goes when a bare server becomes the sample product's: by area, and Ansible's own share of it.

A new server is made for it. Ansible's own share is the controller's CPU and, for each trip to the server, what a trip
costs there that does nothing (``ping``, measured in the same run).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import converge  # noqa: E402 - found through the line above
from testbed import outside  # noqa: E402

# The first that matches a task's title has its time.
AREAS = {
    "packages": r": Install |: Put Ansible",
    "images, start, health": r"app_stack : |nginx : .*(traffic|Serve it)",
    "certificates": r"certbot : (Have|Make)",
    "services": r"RUNNING HANDLER|: Run |containers and services",
    "SSH, firewall, kernel": r"hardening : (Settle|Open|Refuse)",
    "files": r"config_tree|: (Write|Say what|Bind|Configure|Make directories)",
}
TITLE = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\]")


def area(line: str) -> str:
    """The area that a task's title belongs to."""
    return next((name for name, pattern in AREAS.items() if re.search(pattern, line)), "the rest")


def timed(command: list[str]) -> tuple[list[tuple[str, float]], float]:
    """Run a playbook; answer each task's title with its seconds, and the whole run's."""
    began = time.monotonic()
    tasks: list[tuple[str, float]] = [("start of Ansible", began)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    ) as process:
        for line in process.stdout or ():
            if TITLE.match(line):
                tasks.append((line.strip(" *\n"), time.monotonic()))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    ended = time.monotonic()
    ends = [at for _title, at in tasks[1:]] + [ended]
    return [(title, end - at) for (title, at), end in zip(tasks, ends, strict=True)], ended - began


def main() -> None:
    """Make a bare server, run, print the table, write the JSON."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    converge.adopt_orphans()
    outside.bed("server", "down", outside.HOST)
    outside.bed("up")
    ping = converge.measure("ping", converge.PING, 0)
    before = converge.children_cpu()
    tasks, wall = timed(converge.command_of("site.yml"))
    controller = converge.children_cpu() - before
    # Each module says in the journal that it was called.
    trips = int(outside.on_server("journalctl --quiet --no-pager | grep -c 'Invoked with'"))
    seconds: dict[str, float] = defaultdict(float)
    for title, took in tasks:
        seconds[area(title)] += took
    own = controller + trips * ping.target_cpu
    rows = [
        (name, f"{took:.1f}", f"{took / wall:.0%}") for name, took in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    rows += [("whole run", f"{wall:.1f}", ""), ("Ansible's own", f"{own:.1f}", f"{own / wall:.0%}")]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    print("\n".join(f"{a:<{widths[0]}}  {b:>{widths[1]}} s  {c:>{widths[2]}}" for a, b, c in rows))
    print("\nslowest tasks")
    for title, took in sorted(tasks, key=lambda task: -task[1])[:8]:
        print(f"  {took:6.1f} s  {title}")
    result = {
        "benchmark": "first_run",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "wall": wall,
        "controller_cpu": controller,
        "ansibles_own": own,
        "trips": trips,
        "areas": dict(seconds),
        "tasks": tasks,
    }
    path = ROOT / "benchmarks" / "results" / "first_run.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
