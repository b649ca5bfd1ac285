# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SeaweedFS of our own on loopback: a real S3 service with policies, versions and object lock."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.integration.blob.conftest import MIB, Proxy, Service, die_with_us, files, service

__all__ = ["MIB", "Proxy", "Service", "Weed", "files", "service"]
ROOT = Path(__file__).parents[3]
WEED = ROOT / ".venv/bin/weed"
BUCKETS = {"plain": False, "locked": True}


def allow(*actions: str) -> str:
    """A policy document for the buckets of these tests."""
    places = [f"arn:aws:s3:::{name}{end}" for name in BUCKETS for end in ("", "/*")]
    statement = {"Effect": "Allow", "Action": [f"s3:{action}" for action in actions], "Resource": places}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


READ = ("GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads")
SEE = ("GetBucketVersioning", "GetBucketObjectLockConfiguration", "GetEncryptionConfiguration")
PRUNE = ("DeleteObject", "DeleteObjectVersion", "AbortMultipartUpload")
POLICIES = {
    "writer": allow("PutObject"),
    "reader": allow(*READ, *SEE),
    "blind": allow("GetObject", "ListBucket"),
    "pruner": allow(*READ, *SEE, *PRUNE),
}


@dataclasses.dataclass
class Weed:
    """The service, and who may do what there."""

    port: int
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def store(self, who: str, bucket: str = "plain", **options: Any) -> dict[str, Any]:
        """Settings of a store for one of the identities."""
        credential = {"kind": "access_key", "access_key_id": who, "secret_access_key": self.keys[who]}
        return {"endpoint_url": self.url, "bucket": bucket, "credential": credential, **options}

    @property
    def sdk(self) -> Any:
        """boto3 with all rights."""
        config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
        secret = self.keys["admin"]
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="admin",
                            aws_secret_access_key=secret, config=config)  # fmt: skip


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    place = tmp_path_factory.mktemp("weed")
    keys = {name: secrets.token_hex(16) for name in ("admin", *POLICIES)}
    identities: list[dict[str, Any]] = [
        {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": secret}],
            **({"policyNames": [name]} if name in POLICIES else {"actions": ["Admin", "Read", "Write", "List"]}),
        }
        for name, secret in keys.items()
    ]
    policies = [{"name": name, "content": text} for name, text in POLICIES.items()]
    (place / "s3.json").write_text(json.dumps({"identities": identities, "policies": policies}))
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    grpc = dict(zip(names, free_ports(len(names)), strict=True))
    flags = [f"-{name}.port={ports[name]}" for name in names] + [f"-{name}.port.grpc={grpc[name]}" for name in names]
    command = [str(WEED), "server", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags,
               "-volume.max=0", "-master.volumeSizeLimitMB=64", "-s3", f"-s3.config={place / 's3.json'}",
               "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]  # fmt: skip
    with (place / "log").open("wb") as log:
        environment = {**os.environ, "HOME": str(place)}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=place, env=environment, preexec_fn=die_with_us)
    found = Weed(ports["s3"], keys)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                for name, locked in BUCKETS.items():
                    found.sdk.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
                break
            except Exception:
                if time.monotonic() > deadline or process.poll() is not None:
                    pytest.fail(f"SeaweedFS did not start: {(place / 'log').read_text()[-2000:]}")
                time.sleep(0.2)
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        found.sdk.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration=lock)
        yield found
    finally:
        process.kill()  # it would wait for clients for half a minute
        process.wait(20)


@pytest.fixture
def proxy(weed: Weed) -> Iterator[Proxy]:
    found = Proxy(weed.port)
    yield found
    found.close()


@pytest.fixture
def name() -> str:
    return f"t/{secrets.token_hex(4)}.dump"
