#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What config_tree costs for many unchanged files, beside a play with one ``ping`` in the same run.

Half of the files are rendered from a template, half have their content given. Runs on the sample server, below
``/var/tmp/mainstay-bench``, and removes what it wrote.
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


def play(scratch: Path, count: int, state: str) -> Path:
    """Write a playbook that settles `count` files, or removes them."""
    (scratch / "templates").mkdir(exist_ok=True)
    (scratch / "templates" / "file.conf.j2").write_text(TEMPLATE)
    rendered = [
        {"src": "file.conf.j2", "dest": f"rendered/{number}.conf", "vars": {"number": number}}
        for number in range(count // 2)
    ]
    given = [
        {"dest": f"given/{number}.conf", "content": f"number = {number}\n" * 20} for number in range(count - count // 2)
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
    path = scratch / f"{state}.yml"
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
        present, absent = (play(Path(scratch), args.files, state) for state in ("present", "absent"))
        name = f"{args.files} files"
        try:
            first = converge.measure(f"{name}, first", present, 0)
            idle = converge.idle_rate()
            rounds: dict[str, list[converge.Cost]] = {"ping": [], name: []}
            for number in range(args.rounds):
                print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
                rounds["ping"].append(converge.measure("ping", converge.PING, idle))
                rounds[name].append(converge.measure(name, present, idle))
        finally:
            converge.measure("removed", absent, 0)
    floor, unchanged = (converge.median(found) for found in rounds.values())
    print(converge.show([floor, first, unchanged], floor))
    result = {
        "benchmark": "tree",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "rounds": args.rounds,
        "costs": [asdict(cost) | {"cpu_ratio": cost.cpu / floor.cpu} for cost in (floor, first, unchanged)],
    }
    path = ROOT / "benchmarks" / "results" / "tree.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
