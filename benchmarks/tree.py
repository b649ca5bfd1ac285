#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What config_tree costs for many unchanged files, beside a play with one ``ping`` in the same run.

Once with contents given, once with half of the files rendered: Jinja compiles a template for each file that it renders,
2 to 3 ms for this one. Runs on the sample server, below ``/var/tmp/mainstay-bench``, and removes what it wrote.
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
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import converge  # noqa: E402 - found through the line above

TEMPLATE = "# {{ ansible_managed }}\n" + "".join(f"setting_{n} = {{{{ number * {n} }}}}\n" for n in range(20))


def play(scratch: Path, count: int, templates: int, state: str = "present") -> Path:
    """Write a playbook that settles `count` files, some of them from a template, or removes them."""
    scratch = scratch / f"{templates}-{state}"
    scratch.mkdir()
    (scratch / "templates").mkdir(exist_ok=True)
    (scratch / "templates" / "file.conf.j2").write_text(TEMPLATE)
    rendered = [
        {"src": "file.conf.j2", "dest": f"rendered/{number}.conf", "vars": {"number": number}}
        for number in range(templates)
    ]
    given = [
        {"dest": f"given/{number}.conf", "content": f"number = {number}\n" * 20} for number in range(count - templates)
    ]
    (scratch / "files").mkdir(exist_ok=True)
    (scratch / "files" / "files.json").write_text(json.dumps(rendered + given))
    task: dict[str, Any] = {
        "name": "Settle the files",
        "mainstay.platform.config_tree": {
            "name": "bench",
            "root": "/var/tmp/mainstay-bench",
            # As from a projection: not through the parser of playbooks, which is not what is measured.
            "files": "{{ lookup('ansible.builtin.file', 'files.json') | from_json }}",
            "state": state,
        },
    }
    path = scratch / "play.yml"
    told = {"name": "Many files", "hosts": "all", "gather_facts": False, "become": True, "tasks": [task]}
    path.write_text(yaml.safe_dump([told]))
    return path


def main() -> None:
    """Run the rounds, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    converge.adopt_orphans()
    with tempfile.TemporaryDirectory() as scratch:
        place, half = Path(scratch), args.files // 2
        plays: dict[str, Path] = {
            "ping": converge.PING,
            f"{args.files} files": play(place, args.files, 0),
            f"{args.files} files, {half} rendered": play(place, args.files, half),
        }
        rounds: dict[str, list[converge.Cost]] = {name: [] for name in plays}
        removal = play(place, args.files, 0, "absent")
        try:
            idle = converge.idle_rate()
            # Not interleaved but for ping: the two trees take turns in one place, and each shall be unchanged.
            for name in list(plays)[1:]:
                converge.measure(f"{name}, first", plays[name], 0)
                for number in range(args.rounds):
                    print(f"{name}: round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
                    rounds["ping"].append(converge.measure("ping", converge.PING, idle))
                    rounds[name].append(converge.measure(name, plays[name], idle))
        finally:
            converge.measure("removed", removal, 0)
    costs = [converge.median(found) for found in rounds.values()]
    floor = costs[0]
    print(converge.show(costs, floor))
    result = {
        "benchmark": "tree",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "rounds": args.rounds,
        "costs": [asdict(cost) | {"cpu_ratio": cost.cpu / floor.cpu} for cost in costs],
    }
    path = ROOT / "benchmarks" / "results" / "tree.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
