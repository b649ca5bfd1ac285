#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upload costs, beside rclone and azure-storage-blob in the same run.

Against a server that discards what it gets (the client is the limit) and against Azurite (the emulator is). Rounds
are interleaved, the figures are medians, and on a shared machine CPU is the one to trust. ``--delay`` puts a round
trip of so many milliseconds in between.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AZURITE = ROOT / "testbed/toolchain/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "snipback"
MIB = 1024 * 1024
# Memory for the files, so that no disk is measured.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())

OURS = """
import sys; sys.path.insert(0, sys.argv[1])
import json
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import open_client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.upload import Options, upload
url, key, path, name, overwrite, options = sys.argv[2:]
endpoint = resolve(url, {"kind": "account_key", "account_key": key})
with open_client(endpoint, "box") as client:
    upload(client, Path(path), name, Options(overwrite=overwrite == "yes", **json.loads(options)))
"""
SDK = """
import sys
from azure.storage.blob import BlobClient
url, key, path, name, validate = sys.argv[1:]
account = url.rsplit("/", 1)[1]
credential = {"account_name": account, "account_key": key}
with BlobClient(url, "box", name, credential=credential) as blob, open(path, "rb") as file:
    blob.upload_blob(file, overwrite=True, validate_content=validate == "yes")
"""


@dataclass
class Cost:
    """One run of a client: seconds and MiB."""

    client: str
    wall: float
    cpu: float
    peak: float


@dataclass
class Place:
    """A server to upload to."""

    url: str
    key: str


def commands(place: Place, path: Path, name: str) -> dict[str, list[str]]:
    """Each client's command for one upload."""
    ours = [sys.executable, "-c", OURS, str(ROOT / ".ansible/collections"), place.url, place.key, str(path)]
    sdk = [sys.executable, "-c", SDK, place.url, place.key, str(path), name]
    remote = f":azureblob,account={ACCOUNT},key='{place.key}',endpoint='{place.url}',no_check_container=true:box/{name}"
    rclone = [str(ROOT / ".venv/bin/rclone"), "--config", "/dev/null", "copyto", "--retries", "1", str(path), remote]
    return {
        "md5sum": ["md5sum", str(path)],
        "ours": [*ours, name, "yes", "{}"],
        "ours, whole MD5 kept": [*ours, f"{name}-md5", "yes", json.dumps({"checksum": "md5"})],
        "rclone": rclone,
        "SDK": [*sdk, "no"],
        "SDK, blocks checked": [*sdk, "yes"],
    }


def measure(client: str, command: list[str]) -> Cost:
    """Run one client and account for its process."""
    started = time.monotonic()
    # As installed: with compiled modules, wherever the caller has switched that off.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status:
        raise SystemExit(f"{client} failed:\n{errors[-2000:]}")
    return Cost(client, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(costs: list[Cost]) -> Cost:
    """The median of every column."""
    return Cost(
        costs[0].client,
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.peak for cost in costs),
    )


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A server until the end of the block."""
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def target(kind: str, delay: float) -> Iterator[Place]:
    """The server of this kind, behind a line with this round trip in milliseconds."""
    key = base64.b64encode(os.urandom(64)).decode()
    port = free_port()
    helper = [sys.executable, str(ROOT / "benchmarks/blob_servers.py")]
    with contextlib.ExitStack() as stack:
        if kind == "sink":
            stack.enter_context(running([*helper, "sink", str(port)], port))
        else:
            options = ["--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl", "--silent"]
            options += ["--inMemoryPersistence", "--extentMemoryLimit", "16384", "--blobPort", str(port)]
            accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
            stack.enter_context(running(["node", str(AZURITE), *options], port, accounts))
            make_container(f"http://127.0.0.1:{port}/{ACCOUNT}", key)
        if delay:
            outer = free_port()
            stack.enter_context(running([*helper, "delay", str(outer), str(port), str(delay)], outer))
            port = outer
        yield Place(f"http://127.0.0.1:{port}/{ACCOUNT}", key)


def make_container(url: str, key: str) -> None:
    """Create the container ``box``, in a process of its own: this one stays small."""
    program = (
        "import sys; from azure.storage.blob import ContainerClient as C; "
        f"C(sys.argv[1], 'box', credential=dict(account_name='{ACCOUNT}', account_key=sys.argv[2])).create_container()"
    )
    subprocess.run([sys.executable, "-c", program, url, key], check=True)


def show(costs: list[Cost]) -> str:
    """An aligned table, each row with its ratio to rclone."""
    peer = next(cost for cost in costs if cost.client.startswith("rclone"))
    head = ("client", "wall s", "CPU s", "peak MiB", "CPU / rclone", "wall / rclone")
    rows = [head] + [
        (
            c.client,
            f"{c.wall:.2f}",
            f"{c.cpu:.2f}",
            f"{c.peak:.0f}",
            f"{c.cpu / peer.cpu:.2f}",
            f"{c.wall / peer.wall:.2f}",
        )
        for c in costs
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def compare(kind: str, delay: float, path: Path, rounds: int) -> list[Cost]:
    """Interleaved rounds of every client, each with the upload after it that finds nothing to do where there is one."""
    found: dict[str, list[Cost]] = {}
    for number in range(rounds):
        print(f"{kind}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        with target(kind, delay) as place:
            for client in commands(place, path, ""):
                command = commands(place, path, client.replace(" ", "-").replace(",", ""))[client]
                found.setdefault(client, []).append(measure(client, command))
                if client in ("ours", "rclone"):
                    label = f"{client}, unchanged"
                    found.setdefault(label, []).append(measure(label, command))
    return [median(costs) for costs in found.values()]


def main() -> None:
    """Run the rounds, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parser.add_argument("--delay", type=float, default=0.0, help="round trip in milliseconds")
    parser.add_argument("--target", choices=["sink", "azurite"], action="append")
    args = parser.parse_args()
    result = {
        "benchmark": "blob_upload",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
        "size_mib": args.size,
        "delay_ms": args.delay,
        "rounds": args.rounds,
        "targets": {},
    }
    place = Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        path = place / "file"
        with path.open("wb") as file:
            for _ in range(args.size):
                file.write(os.urandom(MIB))
        for kind in args.target or ["sink", "azurite"]:
            costs = compare(kind, args.delay, path, args.rounds)
            delay = f", {args.delay:g} ms round trip" if args.delay else ""
            print(f"\n{args.size} MiB to {kind}{delay}, median of {args.rounds} rounds\n{show(costs)}", flush=True)
            result["targets"][kind] = [asdict(cost) for cost in costs]
    finally:
        shutil.rmtree(place)
    delay = f"-{args.delay:g}ms" if args.delay else ""
    written = ROOT / "benchmarks" / "results" / f"blob_upload-{args.size}{delay}.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {written.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
