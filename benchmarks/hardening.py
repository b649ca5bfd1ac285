#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hardening role costs when nothing is to be changed, beside roles of others and a play with one ``ping``.

``--peer`` names the directory of a role, as often as there are peers; without one a play of 21 plain tasks stands in,
which is as many as geerlingguy.security runs. Every role has a new server of its own, removed afterwards; the first run
makes it what the role wants, then rounds are interleaved and nobody changes anything. ``strict`` is our larger profile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import converge  # noqa: E402 - found through the line above
from testbed import outside  # noqa: E402

OURS = ROOT / "benchmarks" / "hardening.yml"
PLAIN = 21


@dataclass(frozen=True)
class Entry:
    """A playbook and the server that it has for itself."""

    name: str
    playbook: Path
    server: str
    more: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


def play(path: Path, **content: Any) -> Path:
    """Write a playbook of one play for whatever host it is limited to."""
    path.write_text(yaml.safe_dump([{"name": path.stem, "hosts": "all", "become": True, **content}], sort_keys=False))
    return path


def plain(path: Path) -> Path:
    """As many tasks as the smallest peer has, each of which looks at one thing."""
    kinds: tuple[dict[str, Any], ...] = (
        {"ansible.builtin.lineinfile": {"path": "/etc/ssh/sshd_config", "line": "PermitRootLogin no"}},
        {"ansible.builtin.copy": {"content": "x\n", "dest": "/etc/bench.conf", "mode": "0644"}},
        {"ansible.builtin.service": {"name": "cron", "state": "started"}},
    )
    tasks = [{"name": f"Task {number}", **kinds[number % len(kinds)]} for number in range(PLAIN)]
    return play(path, gather_facts=True, tasks=tasks)


def entries(peers: list[Path], scratch: Path) -> list[Entry]:
    """Ours in both profiles, and the peers."""
    found = [
        Entry("ping", converge.PING, "hardening-ours"),
        Entry("baseline", OURS, "hardening-ours"),
        Entry("strict", OURS, "hardening-strict", ("-e", "hardening_profile=strict")),
    ]
    for peer in peers:
        path = play(scratch / f"{peer.name}.yml", gather_facts=True, roles=[peer.name])
        where = (("ANSIBLE_ROLES_PATH", str(peer.parent)),)
        found.append(Entry(peer.name, path, f"hardening-{peer.name.replace('.', '-')}", (), where))
    return found if peers else [*found, Entry(f"{PLAIN} plain tasks", plain(scratch / "plain.yml"), "hardening-plain")]


@contextmanager
def servers(names: set[str]) -> Iterator[None]:
    """Bare servers."""
    try:
        for name in sorted(names):
            outside.bed("server", "up", name)
        yield
    finally:
        for name in sorted(names):
            outside.bed("server", "down", name)


def main() -> None:
    """Make the servers, run the rounds, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=lambda text: Path(text).resolve(), action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    converge.adopt_orphans()
    with tempfile.TemporaryDirectory() as name:
        found = entries(args.peer, Path(name))
        hosts = sorted({entry.server for entry in found})
        with servers(set(hosts)):
            told = {host: {"ansible_host": outside.address(host), "ansible_user": "admin"} for host in hosts}
            where = Path(name) / "bench.yml"
            where.write_text(yaml.safe_dump({"bench": {"hosts": told, "vars": {"apps": []}}}))

            def run(entry: Entry) -> converge.Cost:
                more = ("-i", str(where), "--limit", entry.server, *entry.more)
                return converge.measure(entry.name, entry.playbook, 0, dict(entry.environment), more, (entry.server,))

            first = [run(entry) for entry in found if entry.name != "ping"]
            rounds: dict[str, list[converge.Cost]] = {entry.name: [] for entry in found}
            for number in range(args.rounds):
                print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
                for entry in found:
                    rounds[entry.name].append(run(entry))
    costs = [converge.median(costs) for costs in rounds.values()]
    print(converge.show(costs, costs[0]))
    print("first runs: " + ", ".join(f"{cost.play} {cost.wall:.0f} s, {cost.changed:.0f} changed" for cost in first))
    result = {
        "benchmark": "hardening",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "rounds": args.rounds,
        "first": [asdict(cost) for cost in first],
        "costs": [asdict(cost) | {"cpu_ratio": cost.cpu / costs[0].cpu} for cost in costs],
    }
    path = ROOT / "benchmarks" / "results" / "hardening.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
