#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What converging the sample server costs, beside a play with one ``ping`` in the same run.

Rounds are interleaved; CPU is the figure to trust on a shared machine. ``--first`` begins with a bare server,
``--mitogen`` adds the second run under Mitogen, which must be installed for it (``pip install mitogen``).

The controller's CPU is that of every process the run has started, workers that Ansible leaves behind included.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from testbed import outside  # noqa: E402 - found through the line above

PING = ROOT / "benchmarks" / "ping.yml"


@dataclass
class Cost:
    """One run of a playbook: seconds, MiB, tasks in the recap, and how many of them made a trip to the server."""

    play: str
    wall: float
    controller_cpu: float
    target_cpu: float
    controller_peak: float
    tasks: int
    changed: int
    trips: int = 0

    @property
    def cpu(self) -> float:
        """CPU seconds on both sides."""
        return self.controller_cpu + self.target_cpu


def target_usage(host: str = outside.HOST) -> float:
    """CPU seconds that a server's cgroup has used, nested containers of the product included."""
    container = outside.run("docker", "inspect", "-f", "{{.Id}}", host).stdout.strip()
    for path, unit in (
        (Path(f"/sys/fs/cgroup/cpuacct/docker/{container}/cpuacct.usage"), 1e9),
        (Path(f"/sys/fs/cgroup/system.slice/docker-{container}.scope/cpu.stat"), 1e6),
        (Path(f"/sys/fs/cgroup/docker/{container}/cpu.stat"), 1e6),
    ):
        if path.exists():
            return int(re.findall(r"\d+", path.read_text())[0]) / unit
    raise SystemExit(f"no CPU accounting found for container {container}")


def idle_rate(seconds: float = 5) -> float:
    """CPU seconds per second that the server uses while nobody converges it."""
    before = target_usage()
    time.sleep(seconds)
    return (target_usage() - before) / seconds


def adopt_orphans() -> None:
    """Become the parent of what a run leaves behind, so that its CPU can be counted (PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children_cpu() -> float:
    """CPU seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command_of(playbook: Path | str, *more: str) -> list[str]:
    """The operator's command, for the sample server unless `more` names others."""
    limit = () if "--limit" in more else ("--limit", outside.HOST)
    return [str(ROOT / ".venv/bin/ansible-playbook"), str(playbook), *outside.INVENTORY, *limit, *more]


def trips(playbook: Path | str, environment: Mapping[str, str]) -> int:
    """How many modules a run executes on the server; a run of its own, because saying so costs time."""
    done = subprocess.run(
        command_of(playbook, "-vvv"), cwd=ROOT, env=environment, text=True, capture_output=True, check=True
    )
    return done.stdout.count("Using module file")


def measure(
    name: str,
    playbook: Path | str,
    idle: float,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    hosts: Sequence[str] = (outside.HOST,),
) -> Cost:
    """Run one playbook and account for both sides; the servers' idle use (CPU seconds a second) is taken off."""
    log = ROOT / "benchmarks" / "results" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    command = command_of(playbook, *arguments)
    used, before, started = sum(map(target_usage, hosts)), children_cpu(), time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", **(environment or {})},
        )
        _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    target = sum(map(target_usage, hosts)) - used - idle * wall
    time.sleep(0.5)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    text = log.read_text()
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    counts = outside.recap(text)
    return Cost(
        play=name,
        wall=wall,
        controller_cpu=children_cpu() - before,
        target_cpu=max(0.0, target),
        controller_peak=usage.ru_maxrss / 1024,
        tasks=counts["ok"],
        changed=counts["changed"],
    )


def median(costs: list[Cost]) -> Cost:
    """The median of every column."""
    rows: list[dict[str, Any]] = [asdict(cost) for cost in costs]
    columns: dict[str, Any] = {key: statistics.median(row[key] for row in rows) for key in rows[0] if key != "play"}
    return Cost(play=costs[0].play, **columns)


def show(costs: list[Cost], floor: Cost) -> str:
    """An aligned table, each row with its ratio to the floor."""
    head = (
        "play",
        "wall s",
        "controller CPU s",
        "target CPU s",
        "CPU / ping",
        "peak MiB",
        "tasks",
        "on the server",
        "changed",
    )
    rows = [head] + [
        (
            cost.play, f"{cost.wall:.1f}", f"{cost.controller_cpu:.2f}", f"{cost.target_cpu:.2f}",
            f"{cost.cpu / floor.cpu:.1f}", f"{cost.controller_peak:.0f}", f"{cost.tasks:.0f}", f"{cost.trips:.0f}",
            f"{cost.changed:.0f}",
        )
        for cost in costs
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def mitogen() -> dict[str, str]:
    """The settings that run a playbook under Mitogen."""
    found = importlib.util.find_spec("ansible_mitogen")
    if found is None or found.origin is None:
        raise SystemExit("Mitogen is not installed: .venv/bin/pip install mitogen, then again")
    return {
        "ANSIBLE_STRATEGY_PLUGINS": str(Path(found.origin).parent / "plugins" / "strategy"),
        "ANSIBLE_STRATEGY": "mitogen_linear",
    }


def main() -> None:
    """Run the rounds, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first", action="store_true", help="recreate the server and measure the first run as well")
    parser.add_argument("--mitogen", action="store_true", help="measure the second run under Mitogen as well")
    args = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    adopt_orphans()
    costs: list[Cost] = []
    if args.first:
        outside.bed("server", "down", outside.HOST)
        outside.bed("up")
        costs.append(measure("first", "site.yml", 0.0))
    idle = idle_rate()
    plays: dict[str, tuple[Path | str, dict[str, str]]] = {"ping": (PING, {}), "second": ("site.yml", {})}
    if args.mitogen:
        plays |= {f"{name}, mitogen": (playbook, mitogen()) for name, (playbook, _more) in plays.items()}
    rounds: dict[str, list[Cost]] = {name: [] for name in plays}
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
        for name, (playbook, more) in plays.items():
            rounds[name].append(measure(name, playbook, idle, more))
    medians = {name: median(found) for name, found in rounds.items()}
    for name, (playbook, more) in plays.items():
        medians[name].trips = trips(playbook, {**os.environ, **more})
    floor = medians["ping"]
    costs = [floor, *costs, *(cost for name, cost in medians.items() if name != "ping")]
    print(show(costs, floor))
    result = {
        "benchmark": "converge",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "idle_cpu_per_second": idle,
        "rounds": args.rounds,
        "costs": [asdict(cost) | {"cpu_ratio": cost.cpu / floor.cpu} for cost in costs],
    }
    path = ROOT / "benchmarks" / "results" / "converge.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
