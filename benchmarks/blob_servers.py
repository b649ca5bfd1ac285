# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers for the benchmarks of transfers: services that discard what they get, and a line before one.

blob_servers.py sink PORT [FILE]                     Azure's; every blob has the content of FILE
blob_servers.py s3 PORT CERTIFICATE KEY              an S3 service by TLS, for uploads alone
blob_servers.py line PORT TARGET_PORT MILLISECONDS   round trip; SIGUSR1 cuts the line for five seconds
"""

from __future__ import annotations

import base64
import collections
import contextlib
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from email.utils import formatdate


class Sink:
    """As much of the service as the clients need. Of a blob it keeps size, MD5 and metadata, and no content."""

    def __init__(self, content: str = "") -> None:
        self.blobs: dict[str, dict[str, str]] = {}
        self.staged: collections.Counter[str] = collections.Counter()
        self.content = os.open(content, os.O_RDONLY) if content else -1

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(1 << 20)
        waiting = b""
        with contextlib.suppress(OSError), connection:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            while True:
                while b"\r\n\r\n" not in waiting:
                    more = connection.recv(65536)
                    if not more:
                        return
                    waiting += more
                head, _, body = waiting.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                size = int(headers.get("content-length", "0"))
                if headers.get("expect"):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if headers.get("transfer-encoding") == "chunked":
                    waiting = unchunked(connection, body)
                else:
                    left = size - len(body)
                    while left > 0:
                        left -= connection.recv_into(buffer, min(left, len(buffer)))
                    waiting = body[size:]
                if method == "GET" and "comp=" not in target and self.content >= 0:
                    self.send(connection, self.blobs.get(target.partition("?")[0], {}), headers)
                else:
                    connection.sendall(self.answer(method, target, headers, size))

    def send(self, connection: socket.socket, stored: dict[str, str], headers: dict[str, str]) -> None:
        """A range of the content, as every blob has it."""
        size = os.fstat(self.content).st_size
        asked = re.search(r"bytes=(\d+)-(\d*)", headers.get("x-ms-range") or headers.get("range") or "bytes=0-")
        assert asked
        start, end = int(asked[1]), min(int(asked[2] or size), size - 1)
        fields = {**stored, "content-length": str(end - start + 1), "content-range": f"bytes {start}-{end}/{size}"}
        connection.sendall(response(206, {"x-ms-blob-type": "BlockBlob", **fields}))
        while start <= end:
            start += os.sendfile(connection.fileno(), self.content, start, end - start + 1)

    def answer(self, method: str, target: str, headers: dict[str, str], size: int) -> bytes:
        """The response to one request."""
        path, _, query = target.partition("?")
        operation = re.search(r"comp=(\w+)", query)
        if method == "PUT" and operation and operation[1] == "block":
            self.staged[path] += size
            return response(201)
        if method == "PUT":
            stored = {k: v for k, v in headers.items() if k.startswith("x-ms-meta-")}
            stored["content-length"] = str(self.staged.pop(path, 0) if operation else size)
            md5 = headers.get("x-ms-blob-content-md5") or ("" if operation else headers.get("content-md5", ""))
            self.blobs[path] = stored | ({"content-md5": md5} if md5 else {})
            return response(201)
        if method == "GET" and operation and operation[1] == "list":
            body = b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
            return response(200, {"content-length": str(len(body)), "content-type": "application/xml"}) + body
        if method == "HEAD" and path in self.blobs:
            return response(
                200, {"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"} | self.blobs[path]
            )
        return response(404, {"x-ms-error-code": "BlobNotFound"})


class Bucket(Sink):
    """As much of an S3 service as uploads need. What it calls an ETag is the MD5 that it was told, if any."""

    def answer(self, method: str, target: str, headers: dict[str, str], size: int) -> bytes:
        """The response to one request."""
        path, _, query = target.partition("?")
        if method == "HEAD" and path in self.blobs:
            return response(200, self.blobs[path])
        if method == "POST" and "uploadId=" not in query:
            self.blobs[f"{path}?"] = kept(headers)
            return document("<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        if method == "POST":
            self.blobs[path] = {**self.blobs.pop(f"{path}?", {}), "content-length": str(self.staged.pop(path, 0))}
            return document('<CompleteMultipartUploadResult><ETag>"1-1"</ETag></CompleteMultipartUploadResult>')
        etag = f'"{base64.b64decode(headers.get("content-md5", "")).hex() or "0" * 32}"'
        if method == "PUT":
            size = int(headers.get("x-amz-decoded-content-length", size))
            self.staged[path] += size
            if "partNumber=" not in query:
                self.blobs[path] = {**kept(headers), "content-length": str(self.staged.pop(path)), "etag": etag}
            return response(200, {"etag": etag})
        return response(404)


def unchunked(connection: socket.socket, waiting: bytes) -> bytes:
    """Discard a body that comes in chunks, of which ``waiting`` has come; answers what has come behind it."""
    while True:
        while b"\r\n" not in waiting:
            waiting += connection.recv(65536)
        length, _, waiting = waiting.partition(b"\r\n")
        left = int(length.partition(b";")[0], 16) + 2
        while left > len(waiting):
            left -= len(waiting)
            waiting = connection.recv(1 << 20)
        waiting = waiting[left:]
        if length.strip(b"0") == b"":
            return waiting


def kept(headers: dict[str, str]) -> dict[str, str]:
    """The metadata in the headers of an upload."""
    return {key: value for key, value in headers.items() if key.startswith("x-amz-meta-")}


def document(text: str) -> bytes:
    """A response with XML."""
    return response(200, {"content-type": "application/xml", "content-length": str(len(text))}) + text.encode()


def response(status: int, headers: dict[str, str] | None = None) -> bytes:
    """A response without a body."""
    fields = {"date": formatdate(usegmt=True), "etag": '"0x1"', "last-modified": formatdate(usegmt=True)}
    fields |= {"x-ms-version": "2025-11-05", "x-ms-request-id": "0", "content-length": "0"} | (headers or {})
    lines = [f"HTTP/1.1 {status} X", *(f"{key}: {value}" for key, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Line:
    """One direction of a slow line: what comes in goes out so much later, as fast as it came."""

    def __init__(self, source: socket.socket, sink: socket.socket, seconds: float) -> None:
        self.source, self.sink, self.seconds = source, sink, seconds
        self.queue: collections.deque[tuple[float, bytes]] = collections.deque()
        self.held = threading.Semaphore(0)
        # As much as a fast line with this delay holds in flight.
        self.room = threading.Semaphore(256)
        threading.Thread(target=self.receive, daemon=True).start()
        threading.Thread(target=self.send, daemon=True).start()

    def receive(self) -> None:
        """Take what comes and note when."""
        data = b"-"
        with contextlib.suppress(OSError):
            while data:
                self.room.acquire()
                data = self.source.recv(262144)
                self.queue.append((time.monotonic() + self.seconds, data))
                self.held.release()
            return
        self.queue.append((0.0, b""))
        self.held.release()

    def send(self) -> None:
        """Hand it on when it is due."""
        with contextlib.suppress(OSError):
            while True:
                self.held.acquire()
                due, data = self.queue.popleft()
                if not data:
                    break
                time.sleep(max(0.0, due - time.monotonic()))
                self.sink.sendall(data)
                self.room.release()
        with contextlib.suppress(OSError):
            self.sink.shutdown(socket.SHUT_WR)


def main() -> None:
    """Serve until somebody ends it."""
    kind, port, *rest = sys.argv[1:]
    server = socket.create_server(("127.0.0.1", int(port)))
    trust = None
    if kind == "s3":
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(*rest)
    sink = Bucket() if trust else Sink(rest[0] if kind == "sink" and rest else "")
    through: set[socket.socket] = set()
    closed_until = 0.0

    def cut(*_: object) -> None:
        nonlocal closed_until
        closed_until = time.monotonic() + 5
        for one in list(through):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        through.clear()

    signal.signal(signal.SIGUSR1, cut)
    while True:
        connection, _ = server.accept()
        if trust:
            # Hands are shaken in the connection's own thread.
            connection = trust.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        if kind in ("sink", "s3"):
            threading.Thread(target=sink.serve, args=(connection,), daemon=True).start()
            continue
        if time.monotonic() < closed_until:
            connection.close()
            continue
        upstream = socket.create_connection(("127.0.0.1", int(rest[0])))
        for one in (connection, upstream):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            through.add(one)
        Line(connection, upstream, float(rest[1]) / 2000)
        Line(upstream, connection, float(rest[1]) / 2000)


if __name__ == "__main__":
    main()
