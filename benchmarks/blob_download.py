#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a download costs, beside rclone and azure-storage-blob in the same run.

From a server that gives what it is asked for (the client is the limit), from the same behind a line of 40 ms, and from
Azurite (the emulator is the limit). Rounds are interleaved, the figures are medians, and on a shared machine CPU is the
one to trust. ``ours`` is the module's own process, started as Ansible starts it but for the archive that it comes in.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import blob_measure as bench  # noqa: E402 - found through the line above
from benchmarks.blob_measure import MIB, Cost, Module, Place, Report, measure, median, say, target  # noqa: E402

SDK = """
import sys
from azure.storage.blob import BlobClient
url, key, name, path = sys.argv[1:]
credential = {"account_name": url.rsplit("/", 1)[1], "account_key": key}
with BlobClient(url, "box", name, credential=credential) as blob, open(path, "wb") as file:
    blob.download_blob(max_concurrency=4).readinto(file)
"""


def module(place: Place, name: str, dest: Path, **options: Any) -> Module:
    """Our module as a process."""
    return Module("blob_download", {**place.access, "name": name, "dest": str(dest), **options}, dest.parent)


def store(place: Place, path: Path) -> None:
    """The blobs to fetch: one stored by us, one by rclone, each with the digest that its client checks."""
    Module("blob_upload", {**place.access, "src": str(path), "name": "ours"}, path.parent).run()
    measure("rclone", bench.rclone(str(path), place.rclone("rclone")))


def clients(report: Report, title: str, kind: str, delay: float, path: Path, rounds: int) -> None:
    """Interleaved rounds of every client."""
    found: dict[str, list[Cost]] = {}
    with target(kind, delay, content=path) as place:
        store(place, path)
        for number in range(rounds):
            say(f"{title}: round {number + 1} of {rounds}")
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                dest = Path(folder)
                steps = {
                    "md5sum (floor)": ["md5sum", str(path)],
                    "ours": module(place, "ours", dest / "ours").command,
                    "ours, unchanged": module(place, "ours", dest / "ours").command,
                    "rclone": bench.rclone(place.rclone("rclone"), str(dest / "rclone")),
                    "rclone, unchanged": bench.rclone(place.rclone("rclone"), str(dest / "rclone")),
                    "SDK, nothing checked": [
                        sys.executable, "-c", SDK, place.url, place.key, "ours", str(dest / "sdk")
                    ],
                }  # fmt: skip
                for client, command in steps.items():
                    found.setdefault(client, []).append(measure(client, command))
                    if client in ("ours", "rclone", "SDK, nothing checked"):
                        fetched = dest / client.partition(",")[0].lower()
                        if subprocess.run(["cmp", str(fetched), str(path)], check=False).returncode:
                            raise SystemExit(f"{client} fetched something else")
                        if client.startswith("SDK"):
                            fetched.unlink()
                    if client.endswith("unchanged"):
                        (dest / client.partition(",")[0]).unlink()
    costs = [median(rows) for rows in found.values()]
    size = path.stat().st_size // MIB
    report.add(f"{size} MiB {title}, median of {rounds}", bench.show(costs, size), costs)


def memory(report: Report) -> None:
    """The module's peak against the size of the object. The file that is served is sparse."""
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as folder:
        path = Path(folder) / "file"
        for label, size in (("64 MiB", 64), ("2 GiB", 2048)):
            say(f"memory: {label}")
            with path.open("wb") as file:
                file.truncate(size * MIB)
            with target("sink", content=path) as place:
                store(place, path)
                dest = Path(folder) / "fetched"
                costs.append(measure(f"ours, {label}", module(place, "ours", dest).command))
                dest.unlink()
                costs.append(measure(f"rclone, {label}", bench.rclone(place.rclone("rclone"), str(dest))))
                dest.unlink()
    rows = [(c.client, f"{c.peak:.0f}", f"{c.cpu:.1f}", f"{c.wall:.1f}") for c in costs]
    report.add(
        "Memory, from the source to a disk, 1 round",
        bench.table(("object", "peak MiB", "CPU s", "wall s"), rows),
        costs,
    )


def resume(report: Report, path: Path, rounds: int) -> None:
    """SIGKILL half way, by the module's own word; what the second run fetches."""
    size = path.stat().st_size
    rows = []
    with target("sink", content=path) as place:
        store(place, path)
        for number in range(rounds):
            say(f"resume: round {number + 1} of {rounds}")
            told, dest = path.parent / f"progress-{number}", path.parent / f"fetched-{number}"
            interrupted = module(place, "ours", dest, progress=str(told))
            process = subprocess.Popen(interrupted.command, stdout=subprocess.DEVNULL, env=bench.ours())
            done = 0
            while done < size / 2 and process.poll() is None:
                time.sleep(0.005)
                if told.exists():
                    done = json.loads(told.read_text() or '{"done": 0}')["done"]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            second = module(place, "ours", dest).run()
            rows.append({"killed_at": done / size, "fetched_again": second["transferred_bytes"] / size})
            dest.unlink()
    head = ("round", "killed when it had said", "fetched by the second run")
    text = [(str(i + 1), f"{row['killed_at']:.0%}", f"{row['fetched_again']:.0%}") for i, row in enumerate(rows)]
    report.add(f"SIGKILL half way, {size // MIB} MiB", bench.table(head, text), rows)


def main() -> None:
    """Run the parts, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parts = ["source", "delay", "azurite", "memory", "resume"]
    parser.add_argument("--part", choices=parts, action="append", help="all by default")
    parser.add_argument("--delay", type=float, default=40.0, help="round trip in milliseconds, for the part delay")
    args = parser.parse_args()
    report = Report("blob_download", {"rounds": args.rounds, "size_mib": args.size, "delay_ms": args.delay})
    wanted = args.part or parts
    with tempfile.TemporaryDirectory(dir=bench.MEMORY) as folder:
        path = bench.make_file(Path(folder) / "file", args.size)
        if "source" in wanted:
            clients(report, "from a server that keeps it in memory", "sink", 0.0, path, args.rounds)
        if "delay" in wanted:
            clients(report, f"from the same behind {args.delay:g} ms", "sink", args.delay, path, args.rounds)
        if "azurite" in wanted:
            clients(report, "from Azurite in memory", "azurite", 0.0, path, args.rounds)
        if "resume" in wanted:
            resume(report, path, args.rounds)
    if "memory" in wanted:
        memory(report)
    report.write()


if __name__ == "__main__":
    main()
