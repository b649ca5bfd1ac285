# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import failure_of
from ansible_collections.mainstay.platform.plugins.module_utils.blob.service import Properties, Service
from ansible_collections.mainstay.platform.plugins.module_utils.blob.wire import RefusedError, sign
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = "c2VjcmV0a2V5"
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
PLAIN = st.sampled_from(["content-md5", "if-match", "if-none-match", "content-type"])
OWN = st.sampled_from(["x-ms-range", "x-ms-tags", "x-ms-access-tier", "x-ms-blob-content-md5", "x-ms-blob-type"])


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "HEAD"]),
    name=st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20),
    query=st.dictionaries(st.sampled_from(["comp", "blockid", "restype", "prefix", "marker"]), VALUES),
    headers=st.dictionaries(PLAIN | OWN | NAMES.map("x-ms-meta-{}".format), VALUES),
    size=st.sampled_from([None, 0, 1, 8388608]),
)
def test_requests_are_signed_as_the_library_signs_them(
    method: str, name: str, query: dict[str, str], headers: dict[str, str], size: int | None
) -> None:
    # Two names that differ in case only are one header.
    headers = {key: value for key, value in headers.items() if key == key.lower() or key.lower() not in headers}
    given_headers = {"x-ms-date": "Sat, 21 Nov 2026 12:00:00 GMT", "x-ms-version": "2023-11-03", **headers}
    if len({key.lower() for key in given_headers}) < len(given_headers):
        return
    if size is not None:
        given_headers["content-length"] = str(size)
    path = f"/account/box/{quote(name, safe='~/')}"
    request = HttpRequest(method, f"https://h.test{path}?{urlencode(query, quote_via=quote, safe='')}")
    request.headers.update(given_headers)
    context = SimpleNamespace(transport=None)
    SharedKeyCredentialPolicy("account", KEY).on_request(SimpleNamespace(http_request=request, context=context))
    assert sign("account", KEY, method, path, query, given_headers) == request.headers["Authorization"]


class Server:
    """Answers each request by a script of its own: bytes, then closing where it says so."""

    def __init__(self, answers: Callable[[int, bytes], bytes]) -> None:
        self.answers, self.heads, self.connections = answers, [], 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    heads: list[bytes]

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self.server.accept()
                self.connections += 1
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = connection.recv(65536)
                    if not more:
                        return
                    head += more
                head, _separator, body = head.partition(b"\r\n\r\n")
                self.heads.append(head)
                answer = self.answers(len(self.heads), head)
                if b"connection: close" in answer:
                    connection.sendall(answer)
                    return
                left = int((head.lower().partition(b"content-length: ")[2] or b"0").split(b"\r\n")[0]) - len(body)
                while left > 0:
                    left -= len(connection.recv(left))
                connection.sendall(answer)
                if answer.endswith(b"BYE"):
                    return

    def service(self) -> Service:
        return Service(
            resolve(f"http://127.0.0.1:{self.port}/a", {"kind": "account_key", "account_key": KEY}), "b", None
        )


def answer(status: int, body: bytes = b"", *fields: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[int, bytes], bytes]], Server]]:
    servers: list[Server] = []

    def start(answers: Callable[[int, bytes], bytes]) -> Server:
        servers.append(Server(answers))
        return servers[-1]

    yield start
    for server in servers:
        server.server.close()


BLOB = ('ETag: "0x1"', "x-ms-meta-Engine: pg", "Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT", "x-ms-access-tier: Hot")


def test_properties_and_connections_are_kept(serve: Any) -> None:
    server = serve(lambda number, head: answer(404, b"", "x-ms-error-code: BlobNotFound") if number == 1
                   else b"HTTP/1.1 200 X\r\ncontent-length: 9000\r\ncontent-md5: eA==\r\n" + "\r\n".join(BLOB).encode() + b"\r\n\r\n")  # fmt: skip  # noqa: E501
    service = server.service()
    with pytest.raises(RefusedError) as raised:
        service.properties("x/ü y")
    assert (raised.value.status_code, raised.value.error_code) == (404, "BlobNotFound")
    found = service.properties("x/ü y")
    assert isinstance(found, Properties)
    assert (found.size, found.etag, found.md5, found.tier, found.metadata) == (9000, '"0x1"', b"x", "Hot", {"Engine": "pg"})  # fmt: skip  # noqa: E501
    assert found.modified and found.modified.year == 2026
    assert server.connections == 1
    assert server.heads[0].startswith(b"HEAD /a/b/x/%C3%BC%20y HTTP/1.1")


def test_a_connection_that_the_service_has_closed_is_not_used_again(serve: Any) -> None:
    server = serve(lambda number, head: answer(200, b"BYE"))
    service = server.service()
    for _round in range(3):
        assert service.get("x", lambda response: response.read()) == b"BYE"
        for _wait in range(200):
            if server.connections and service._idle and service._idle[-1].sock.recv(1, socket.MSG_PEEK) == b"":
                break
    assert server.connections == 3


def test_a_refusal_while_the_body_is_sent_is_heard(serve: Any) -> None:
    said = b"<Error><Code>AuthenticationFailed</Code><Message>Not you.\nTime: now</Message></Error>"
    server = serve(lambda number, head: answer(403, said, "connection: close"))
    pieces = iter([b"x" * 65536] * 400)
    with pytest.raises((RefusedError, ConnectionError)) as raised:
        server.service().put("x", pieces, 400 * 65536, {})
    failure = failure_of(raised.value)
    # A reset can overtake the answer; then it is tried again.
    assert failure.retryable or (failure.status, failure.code, failure.text) == (
        403,
        "AuthenticationFailed",
        "Not you.",
    )


def test_an_answer_that_ends_early_is_a_broken_line(serve: Any) -> None:
    server = serve(lambda number, head: b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nBYE")
    with pytest.raises(Exception) as raised:
        server.service().get("x", lambda response: response.read())
    assert failure_of(raised.value).kind == "dropped"


def test_lists_have_pages(serve: Any) -> None:
    def page(name: str, marker: str) -> bytes:
        return (
            f"<EnumerationResults><Blobs><Blob>{name}<Properties><Content-Length>7</Content-Length><Etag>0x1</Etag>"
            f"<Content-MD5>eA==</Content-MD5><AccessTier>Cool</AccessTier></Properties><Metadata><n>1</n><m/></Metadata>"
            f"</Blob></Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        ).encode()

    pages = [page("<Name>t/a</Name>", "more&amp;"), page('<Name Encoded="true">t/b%0B</Name>', "")]
    server = serve(lambda number, head: answer(200, pages[number - 1]))
    found = list(server.service().list("t/"))
    assert [(blob.name, blob.size, blob.etag, blob.md5, blob.tier) for blob in found] == [
        ("t/a", 7, "0x1", b"x", "Cool"), ("t/b\x0b", 7, "0x1", b"x", "Cool")]  # fmt: skip
    assert found[0].metadata == {"n": "1", "m": ""}
    assert b"marker=more%26" in server.heads[1] and b"prefix=t%2F" in server.heads[1]


def test_ids_of_blocks_are_bytes_of_any_kind(serve: Any) -> None:
    names = [b"0" * 48, bytes(range(128, 144))]
    items = "".join(f"<Block><Name>{base64.b64encode(name).decode()}</Name><Size>5</Size></Block>" for name in names)
    text = f"<BlockList><UncommittedBlocks>{items}</UncommittedBlocks></BlockList>".encode()
    server = serve(lambda number, head: answer(200, text))
    assert server.service().blocks("x") == dict.fromkeys(names, 5)


def test_the_proxy_of_the_environment_is_used(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(lambda number, head: answer(200))
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{server.port}")
    monkeypatch.setenv("NO_PROXY", "other.test")
    credential = {"kind": "account_key", "account_key": KEY}
    Service(resolve("http://127.0.0.1:9/a", credential), "b", None).get("x", lambda response: response.read())
    asked = b"CONNECT 127.0.0.1:9 HTTP"
    assert server.heads[0].startswith(asked) and b"Proxy-Authorization: Basic bWU6c2VjcmV0" in server.heads[0]
    assert server.heads[1].startswith(b"GET /a/b/x HTTP/1.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        Service(resolve("http://127.0.0.1:9/a", credential), "b", None).properties("x")


def test_a_sas_is_added_and_nothing_else(serve: Any) -> None:
    server = serve(lambda number, head: answer(200, b"<BlockList/>"))
    endpoint = resolve(f"http://127.0.0.1:{server.port}/a", {"kind": "sas", "sas": "?sv=1&sp=c&sig=a%2Bb"})
    Service(endpoint, "b", None).blocks("x")
    assert server.heads[0].startswith(b"GET /a/b/x?comp=blocklist&blocklisttype=uncommitted&sv=1&sp=c&sig=a%2Bb HTTP")
    assert b"uthorization" not in server.heads[0]


def test_a_token_is_asked_for_every_time(serve: Any) -> None:
    server = serve(lambda number, head: answer(200))
    tokens = iter(["one", "two"])
    endpoint = resolve(f"http://127.0.0.1:{server.port}/a", {"kind": "sas", "sas": "sv=1&sig=x"})
    service = Service(endpoint, "b", None, lambda: next(tokens))
    for token in (b"one", b"two"):
        service.get("x", lambda response: response.read())
        assert b"authorization: Bearer " + token in server.heads[-1]
