# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers try at the edge, each bounded in number and time. Needs the test bed."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from testbed.outside import bed

from .test_edge import HERE, RESET, Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    name = "t-edge-attacks"
    bed("server", "up", name)
    server = Server(name, edge_reset_rate=RESET["trixie"])
    for domain in ("edge.example", "www.edge.example"):
        bed("dns", domain, server.address)
    server.shell("cat >/root/backend.py", (HERE / "backend.py").read_text())
    for port in (20001, 20003):
        server.shell(f"systemd-run --quiet --unit edge-{port} python3 /root/backend.py {port} blue")
    server.play("site.yml")
    yield server
    bed("server", "down", name)


def connect(server: Server, name: str = "edge.example", timeout: float = 10) -> ssl.SSLSocket:
    """A TLS connection that speaks HTTP/1.1; the certificate is another test's matter."""
    context = ssl._create_unverified_context()
    return context.wrap_socket(socket.create_connection((server.address, 443), timeout), server_hostname=name)


def answers(server: Server, sent: bytes, name: str = "edge.example") -> list[int]:
    """Status of every answer to what is sent on one connection, until the server closes it or stays silent."""
    received = b""
    with connect(server, name, 3) as tls:
        tls.sendall(sent)
        try:
            while piece := tls.recv(65536):
                received += piece
        except (TimeoutError, ssl.SSLError, ConnectionError):
            pass
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


HOST = b"Host: edge.example\r\n"
SMUGGLED = b"GET /api/metrics HTTP/1.1\r\nHost: edge.example\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLING = {
    "length and chunks": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
    "length with a sign": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",
    "length that overflows": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Content-Length: 18446744073709551617\r\n\r\n",
    "unknown coding": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "coding twice": b"POST /api/x HTTP/1.1\r\n" + HOST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /api/x HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n",
    "broken chunk": b"POST /api/x HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
    "space before the colon": b"POST /api/x HTTP/1.1\r\n" + HOST + b"Content-Length : 4\r\n\r\nabcd",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "NUL in the path": b"GET /a%00b HTTP/1.1\r\n" + HOST + b"\r\n",
    "above the root": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "above the root, encoded": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "header of 70 kB": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLING.values(), ids=SMUGGLING)
def test_refused_and_the_connection_closed(server: Server, sent: bytes) -> None:
    (status,) = answers(server, sent + SMUGGLED)
    assert status in (400, 501)


TRAVERSAL = {
    "dots": "/api/x/../../../../etc/passwd",
    "encoded slash": "/files/..%2f..%2f..%2fetc/passwd",
    "encoded twice": "/files/%252e%252e%252fetc/passwd",
    "backslash": "/files/..\\..\\etc\\passwd",
    "off by a slash": "/.well-known/acme-challenge../../../etc/passwd",
    "absolute form": "https://edge.example/../etc/passwd",
}


@pytest.mark.parametrize("path", TRAVERSAL.values(), ids=TRAVERSAL)
def test_no_path_leads_to_a_file_of_the_server(server: Server, path: str) -> None:
    received = b""
    with connect(server, timeout=3) as tls:
        tls.sendall(f"GET {path} HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n".encode())
        while piece := tls.recv(65536):
            received += piece
    assert b"root:" not in received
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 200"))


def test_the_challenges_folder_gives_nothing_else(server: Server) -> None:
    for path in ("/.well-known/acme-challenge/../../../../etc/passwd", "/.well-known/acme-challenge/..%2f..%2fpasswd"):
        status, _headers, body = server.get(f"http://edge.example{path}", "--path-as-is")
        assert status in (301, 400, 404)
        assert "root:" not in body


HOSTS = {
    "another name": (b"evil.example", [421]),
    "an address": (b"127.0.0.1", [421]),
    "a name of ours with a port": (b"edge.example:443", [200]),
    "in capitals": (b"EDGE.EXAMPLE", [200]),
    "with a final dot": (b"edge.example.", [200]),
    "nothing": (b"", [400]),
    "with a space": (b"edge.example evil.example", [400]),
    "with a path": (b"edge.example/evil", [400]),
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.values(), ids=HOSTS)
def test_host_header(server: Server, host: bytes, expected: list[int]) -> None:
    assert answers(server, b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n") == expected


def test_redirects_lead_to_our_own_name(server: Server) -> None:
    with socket.create_connection((server.address, 80), 5) as plain:
        plain.sendall(
            b"GET //evil.example/ HTTP/1.1\r\nHost: www.edge.example\r\nX-Forwarded-Host: evil.example\r\n\r\n"
        )
        assert b"Location: https://edge.example//evil.example/\r\n" in plain.recv(65536)
    with socket.create_connection((server.address, 80), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        with suppress(ConnectionResetError):
            assert plain.recv(65536) == b""


def test_what_clients_say_of_themselves_is_not_believed(server: Server) -> None:
    lies = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-ID")
    options = [part for name in lies for part in ("-H", f"{name}: 6.6.6.6")]
    said = json.loads(server.get("https://edge.example/", *options)[2])["headers"]
    assert "6.6.6.6" not in json.dumps(said)
    spoofed = [server.get("https://edge.example/api/auth/x", "-H", f"X-Forwarded-For: 6.6.6.{n}")[0] for n in range(6)]
    assert spoofed == [200, 200, 200, 429, 429, 429]


def test_a_flood_is_limited_and_others_are_served(server: Server) -> None:
    flood = "curl -skZ --parallel-max 50 --resolve edge.example:443:127.0.0.1 -o /dev/null -w '%{http_code}\\n'"

    def other(_: int) -> int:
        time.sleep(0.1)
        return server.get("https://edge.example/api/x")[0]

    with ThreadPoolExecutor(2) as pool:
        flooded = pool.submit(
            server.shell, f"{flood} --interface 127.0.0.66 'https://edge.example/api/x?[1-3000]' || true"
        )
        others = [other(number) for number in range(15)]
        codes = flooded.result().split()
    assert len(codes) == 3000
    assert set(codes) == {"200", "429"}
    assert codes.count("429") > 1500
    assert set(others) == {200}
    logged = server.shell('grep -c \'"client":"127.0.0.66".*"status":429\' /var/log/nginx/access.log')
    assert int(logged) == codes.count("429")


def test_slow_clients_are_sent_away_and_others_served(server: Server) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server, timeout=30)) for _ in range(400)]
        for tls in slow:
            tls.sendall(b"POST /api/x HTTP/1.1\r\nHost: edge.example\r\nX-Slow: ")
        for _ in range(5):
            asked = time.monotonic()
            assert server.get("https://edge.example/api/other")[0] == 200
            assert time.monotonic() - asked < 2
        last = slow[-1]
        while time.monotonic() - began < 40:
            try:
                last.sendall(b"a")
                last.settimeout(1)
                if last.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except (ssl.SSLError, ConnectionError):
                break
        assert time.monotonic() - began < 39, "a header may be sent for as long as the client likes"


def test_a_client_has_so_many_requests_under_way_and_no_more(server: Server) -> None:
    server.play("site.yml", nginx_client_requests=20)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server, timeout=5)) for _ in range(40)]
        for tls in slow:
            tls.sendall(b"POST /api/x HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 100000\r\n\r\nx")
        time.sleep(1)
        assert server.get("https://edge.example/api/other")[0] == 429
        ask = "curl -sk --resolve edge.example:443:127.0.0.1 -o /dev/null -w '%{http_code}' https://edge.example/api/other"
        assert server.shell(ask) == "200"
    server.play("site.yml")


def test_methods(server: Server) -> None:
    assert server.get("https://edge.example/", "-X", "TRACE")[0] == 405
    assert answers(server, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: edge.example\r\n\r\n") in ([400], [405])


def test_all_of_this_in_a_sandbox_and_no_worker_died(server: Server) -> None:
    assert "exited on signal" not in server.shell("cat /var/log/nginx/error.log")
    status = server.shell("cat /proc/$(cat /run/nginx.pid)/status")
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.M)
    assert re.search(r"^Seccomp:\s*2$", status, re.M)
    exposure = server.shell("systemd-analyze security nginx.service --no-pager").splitlines()[-1]
    assert float(re.findall(r"[\d.]+", exposure.partition(":")[2])[0]) <= 2.6
