#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upload costs, beside rclone, azure-storage-blob and azure.azcollection in the same run.

Against a server that discards what it gets (the client is the limit), the same behind a line of 40 ms, and Azurite
(the emulator is the limit). Rounds are interleaved, the figures are medians, and on a shared machine CPU is the one to
trust. ``ours`` is the module's own process, started as Ansible starts it but for the archive that it comes in.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import blob_measure as bench  # noqa: E402 - found through the line above
from benchmarks.blob_measure import MIB, Cost, Module, Place, Report, measure, median, say, target  # noqa: E402

PEER = ROOT / ".cache/azcollection"
SDK = """
import sys
from azure.storage.blob import BlobClient
url, key, path, name, validate = sys.argv[1:]
credential = {"account_name": url.rsplit("/", 1)[1], "account_key": key}
with BlobClient(url, "box", name, credential=credential) as blob, open(path, "rb") as file:
    blob.upload_blob(file, overwrite=True, validate_content=validate == "yes")
"""


def module(place: Place, path: Path, name: str, **options: Any) -> Module:
    """Our module as a process."""
    return Module("blob_upload", {**place.access, "src": str(path), "name": name, **options}, path.parent)


def commands(place: Place, path: Path) -> dict[str, list[str]]:
    """Each client's command for one upload."""
    sdk = [sys.executable, "-c", SDK, place.url, place.key, str(path)]
    return {
        "md5sum (floor)": ["md5sum", str(path)],
        "ours": module(place, path, "ours").command,
        "ours, unchanged": module(place, path, "ours").command,
        "ours, whole MD5 kept": module(place, path, "ours-md5", checksum="md5").command,
        "rclone": bench.rclone(str(path), place.rclone("rclone")),
        "rclone, unchanged": bench.rclone(str(path), place.rclone("rclone")),
        "SDK": [*sdk, "sdk", "no"],
        "SDK, blocks checked": [*sdk, "sdk-checked", "yes"],
    }


def clients(report: Report, title: str, kind: str, delay: float, path: Path, rounds: int) -> None:
    """Interleaved rounds of every client."""
    found: dict[str, list[Cost]] = {}
    for number in range(rounds):
        say(f"{title}: round {number + 1} of {rounds}")
        with target(kind, delay) as place:
            for client, command in commands(place, path).items():
                found.setdefault(client, []).append(measure(client, command))
    costs = [median(rows) for rows in found.values()]
    size = path.stat().st_size // MIB
    report.add(f"{size} MiB {title}, median of {rounds}", bench.show(costs, size), costs)


def peer() -> Path | None:
    """azure.azcollection with its requirements in an environment of its own below .cache; where its libraries cannot be
    had, None. It cannot be aimed at anything but Azure (it asks Resource Manager for the key), so a copy is patched."""
    collection = next((ROOT / ".venv/lib").glob("python3*/site-packages/ansible_collections/azure/azcollection"))
    copied = PEER / "collections/ansible_collections/azure/azcollection"
    if not (PEER / "ready").exists():
        if hindered := bench.installed(PEER, "-r", str(collection / "requirements.txt")):
            say(f"azure.azcollection is left out: {hindered}")
            return None
        shutil.copytree(collection, copied)
        common = copied / "plugins/module_utils/azure_rm_common.py"
        start = "    def get_blob_service_client(self, resource_group_name, storage_account_name, auth_mode='key'):\n"
        text = common.read_text()
        if start not in text:
            say("azure.azcollection is left out: the place to patch is gone")
            return None
        patch = "        return BlobServiceClient(os.environ['BENCH_URL'], credential={'account_name': "
        patch += f"'{bench.ACCOUNT}', 'account_key': os.environ['BENCH_KEY']}})\n"
        common.write_text(text.replace(start, start + patch))
        (PEER / "ready").touch()
    return PEER


def tasks(report: Report, path: Path, rounds: int) -> None:
    """The whole playbook, from its start to its end, beside a playbook with one ``ping``."""
    other = peer()
    found: dict[str, list[Cost]] = {}
    plays = path.parent / "plays"
    plays.mkdir(exist_ok=True)
    for number in range(rounds):
        say(f"tasks: round {number + 1} of {rounds}")
        with target("sink") as place:
            upload = {"mainstay.platform.blob_upload": {**place.access, "src": str(path), "name": "ours"}}
            sas = {
                "account_url": place.url,
                "container": "box",
                "credential": {"kind": "sas", "sas": "sv=1&sp=rcw&sig=x"},
            }
            signed = {"mainstay.platform.blob_upload": {**sas, "src": str(path), "name": "ours"}}
            ping = bench.playbook(plays, "ping", {"ansible.builtin.ping": {}})
            steps = {
                "ping": ping,
                "blob_upload": bench.playbook(plays, "upload", upload),
                "ping again": ping,
                "blob_upload, unchanged": bench.playbook(plays, "again", upload),
                "blob_upload, unchanged, by SAS": bench.playbook(plays, "signed", signed),
            }
            if other:
                os.environ.update(BENCH_URL=place.url, BENCH_KEY=place.key)
                task = {
                    "azure.azcollection.azure_rm_storageblob": {
                        "resource_group": "x", "storage_account_name": bench.ACCOUNT, "container": "box",
                        "blob": "peer", "src": str(path), "blob_type": "block", "force": True,
                        "subscription_id": "00000000-0000-0000-0000-000000000000",
                        "tenant": "x", "client_id": "x", "secret": "x",
                    },
                    "vars": {"ansible_python_interpreter": str(other / "bin/python")},
                    "environment": {"BENCH_URL": place.url, "BENCH_KEY": place.key},
                }  # fmt: skip
                steps["azure.azcollection, no blocks checked"] = [
                    "env", f"ANSIBLE_COLLECTIONS_PATH={other / 'collections'}", *bench.playbook(plays, "peer", task)
                ]  # fmt: skip
            for client, command in steps.items():
                name = "ping" if client == "ping again" else client
                found.setdefault(name, []).append(measure(client, command))
    costs = [median(rows) for rows in found.values()]
    size = path.stat().st_size // MIB
    ping_cpu = costs[0].cpu
    last = next((cost.cpu for cost in costs if cost.client.startswith("azure")), None)
    head = ("playbook with one task", "wall s", "CPU s", "CPU / ping", "CPU / azcollection")
    rows = [
        (c.client, f"{c.wall:.2f}", f"{c.cpu:.2f}", f"{c.cpu / ping_cpu:.2f}", f"{c.cpu / last:.2f}" if last else "-")
        for c in costs
    ]
    report.add(f"Whole playbooks, {size} MiB to the sink, median of {rounds}", bench.table(head, rows), costs)


def memory(report: Report, place_for_files: Path) -> None:
    """The module's peak against the size of the file. The files are sparse."""
    costs: list[Cost] = []
    with target("sink") as place, tempfile.TemporaryDirectory(dir=place_for_files) as folder:
        for label, size in (("64 MiB", 64), ("2 GiB", 2048), ("20 GiB", 20480)):
            say(f"memory: {label}")
            path = Path(folder) / label.replace(" ", "-")
            with path.open("wb") as file:
                file.truncate(size * MIB)
            costs.append(measure(f"ours, {label}", module(place, path, label).command))
            if size <= 2048:
                command = bench.rclone(str(path), place.rclone(f"rclone-{size}"))
                costs.append(measure(f"rclone, {label}", command))
            path.unlink()
    rows = [(c.client, f"{c.peak:.0f}", f"{c.cpu:.1f}", f"{c.wall:.1f}") for c in costs]
    report.add("Memory, to the sink, 1 round", bench.table(("file", "peak MiB", "CPU s", "wall s"), rows), costs)


def resume(report: Report, path: Path, rounds: int) -> None:
    """SIGKILL half way, by the module's own word; what the second run sends."""
    size = path.stat().st_size
    rows = []
    with target("azurite") as place:
        for number in range(rounds):
            say(f"resume: round {number + 1} of {rounds}")
            told = path.parent / f"progress-{number}"
            interrupted = module(place, path, f"x{number}", progress=str(told))
            process = subprocess.Popen(interrupted.command, stdout=subprocess.DEVNULL, env=bench.ours())
            done = 0
            while done < size / 2 and process.poll() is None:
                time.sleep(0.005)
                if told.exists():
                    done = json.loads(told.read_text() or '{"done": 0}')["done"]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            second = module(place, path, f"x{number}").run()
            rows.append({"killed_at": done / size, "sent_again": second["transferred_bytes"] / size})
    head = ("round", "killed when it had said", "sent by the second run")
    text = [(str(i + 1), f"{row['killed_at']:.0%}", f"{row['sent_again']:.0%}") for i, row in enumerate(rows)]
    report.add(f"SIGKILL half way, {size // MIB} MiB to Azurite", bench.table(head, text), rows)


def outage(report: Report, path: Path, rounds: int) -> None:
    """The line is cut for five seconds half a second after the start; what that costs over an undisturbed upload."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        say(f"outage: round {number + 1} of {rounds}")
        with target("azurite", line=True) as place:
            for client in ("ours", "rclone"):
                walls = []
                for name in (f"{client}-plain", f"{client}-cut"):
                    sent = module(place, path, name).command
                    command = sent if client == "ours" else bench.rclone(str(path), place.rclone(name))
                    assert place.line
                    cut = threading.Timer(1.0, place.line.send_signal, [signal.SIGUSR1])
                    if name.endswith("cut"):
                        cut.start()
                    walls.append(measure(name, command).wall)
                    cut.cancel()
                found.setdefault(client, []).append(walls[1] - walls[0])
    rows = [{"client": client, "extra": sorted(extra)} for client, extra in found.items()]
    head = ("client", "more than undisturbed, s: each round", "of it beyond the 5 s, median")
    text = [
        (client, ", ".join(f"{x:.1f}" for x in sorted(extra)), f"{statistics.median(extra) - 5:.1f}")
        for client, extra in found.items()
    ]
    size = path.stat().st_size // MIB
    report.add(f"The line cut for 5 s, {size} MiB to Azurite", bench.table(head, text), rows)


def main() -> None:
    """Run the parts, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parts = ["sink", "delay", "azurite", "task", "memory", "resume", "outage"]
    parser.add_argument("--part", choices=parts, action="append", help="all by default")
    parser.add_argument("--delay", type=float, default=40.0, help="round trip in milliseconds, for the part delay")
    args = parser.parse_args()
    report = Report("blob_upload", {"rounds": args.rounds, "size_mib": args.size, "delay_ms": args.delay})
    wanted = args.part or parts
    with tempfile.TemporaryDirectory(dir=bench.MEMORY) as folder:
        path = bench.make_file(Path(folder) / "file", args.size)
        if "sink" in wanted:
            clients(report, "to a server that discards", "sink", 0.0, path, args.rounds)
        if "delay" in wanted:
            clients(report, f"to the same behind {args.delay:g} ms", "sink", args.delay, path, args.rounds)
        if "azurite" in wanted:
            clients(report, "to Azurite in memory", "azurite", 0.0, path, args.rounds)
        if "task" in wanted:
            tasks(report, path, args.rounds)
        if "resume" in wanted:
            resume(report, path, args.rounds)
        if "outage" in wanted:
            outage(report, path, args.rounds)
        path.unlink()
        if "memory" in wanted:
            memory(report, ROOT / ".cache")
    report.write()


if __name__ == "__main__":
    main()
