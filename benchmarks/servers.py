#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many servers at once cost, each, beside one of them in the same run.

Servers without apps: hardened, with Docker, nginx, backups and monitoring. They are made for this and removed after it.
Rounds are interleaved and every run changes nothing. Both sides share this machine's cores, so wall time shows no gain
that servers with cores of their own would have: CPU is the figure to trust.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import converge  # noqa: E402 - found through the line above
from testbed import outside  # noqa: E402


def inventory(path: Path, hosts: list[str]) -> Path:
    """Write the inventory of the servers of this benchmark, which lies over the two of the sample server."""
    told = {host: {"ansible_host": outside.address(host), "ansible_user": "admin"} for host in hosts}
    path.write_text(yaml.safe_dump({"bench": {"hosts": told, "vars": {"apps": []}}}))
    return path


def show(costs: list[converge.Cost], counts: list[int]) -> str:
    """An aligned table; CPU per server last."""
    rows = [("servers", "wall s", "controller CPU s", "target CPU s", "CPU s a server", "controller's a server")] + [
        (
            str(count), f"{cost.wall:.1f}", f"{cost.controller_cpu:.2f}", f"{cost.target_cpu:.2f}",
            f"{cost.cpu / count:.2f}", f"{cost.controller_cpu / count:.2f}",
        )
        for cost, count in zip(costs, counts, strict=True)
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> None:
    """Make the servers, run the rounds, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    converge.adopt_orphans()
    hosts = [f"bench-{number:02d}" for number in range(1, args.servers + 1)]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for host in hosts:
                outside.bed("server", "up", host)
            where = ("-i", str(inventory(Path(scratch) / "bench.yml", hosts)))
            every = (*where, "--limit", ",".join(hosts), "--forks", str(args.servers))
            first = converge.measure(f"{args.servers} servers, first", "site.yml", 0, None, every, hosts)
            rounds: dict[int, list[converge.Cost]] = {1: [], args.servers: []}
            for number in range(args.rounds):
                print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
                one = (*where, "--limit", hosts[0])
                rounds[1].append(converge.measure("1 server", "site.yml", 0, None, one, hosts[:1]))
                rounds[args.servers].append(converge.measure("all servers", "site.yml", 0, None, every, hosts))
        finally:
            for host in hosts:
                outside.bed("server", "down", host)
    counts = list(rounds)
    costs = [converge.median(found) for found in rounds.values()]
    print(show(costs, counts))
    print(f"first run of {args.servers}: {first.wall:.0f} s, {first.cpu / args.servers:.1f} CPU s a server")
    result = {
        "benchmark": "servers",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "rounds": args.rounds,
        "first": asdict(first),
        "costs": [asdict(cost) | {"servers": count} for cost, count in zip(costs, counts, strict=True)],
    }
    path = ROOT / "benchmarks" / "results" / "servers.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
