# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as strangers see it: certificate, redirects, ports, headers, limits."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import httpx
import outside
import pytest

DATABASE_PORTS = (5432, 27017, 6379)


@pytest.mark.parametrize("name", ["snippetly.example", "www.snippetly.example"])
def test_certificate_chain_is_the_authoritys_and_names_the_domain(name: str) -> None:
    with (
        socket.create_connection((outside.address(), 443), 10) as raw,
        outside.trust().wrap_socket(raw, server_hostname=name) as tls,
    ):
        certificate = tls.getpeercert()
        assert tls.version() in ("TLSv1.2", "TLSv1.3")
    assert certificate is not None
    assert name in {value for kind, value in certificate["subjectAltName"] if kind == "DNS"}  # type: ignore[misc]


def test_old_tls_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((outside.address(), 443), 10) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname=outside.DOMAIN)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("http://snippetly.example/a?b=c", "https://snippetly.example/a?b=c"),
        ("http://www.snippetly.example/a", "https://snippetly.example/a"),
    ],
    ids=["plain", "plain-www"],
)
def test_plain_http_redirects_to_https(url: str, location: str) -> None:
    asked = httpx.URL(url)
    answer = httpx.get(asked.copy_with(host=outside.address()), headers={"Host": asked.host})
    assert answer.status_code in (301, 308)
    assert answer.headers["location"] == location


def test_other_names_redirect_to_the_canonical_one() -> None:
    with outside.client("www.snippetly.example") as http:
        answer = http.get("/x")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://snippetly.example/x")


def test_unknown_names_get_no_certificate() -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection((outside.address(), 443), 10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)) as refusal,
    ):
        context.wrap_socket(raw, server_hostname="stranger.example")
    assert not isinstance(refusal.value, ssl.SSLCertVerificationError), "a certificate of ours was shown"


@pytest.mark.parametrize("family", ["address", "ipv6"], ids=["IPv4", "IPv6"])
def test_only_ssh_and_web_answer_in_a_scan_of_all_ports(family: str) -> None:
    assert outside.open_ports(getattr(outside.Machine(outside.HOST), family)) == {22, 80, 443}


@pytest.mark.parametrize("port", DATABASE_PORTS)
def test_databases_listen_nowhere_but_inside(port: int) -> None:
    assert not outside.answers(outside.address(), port)
    assert f":{port} " not in outside.on_server("ss -Htln")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("strict-transport-security", "max-age=63072000"),
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "strict-origin"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/health", "/api/no-such-thing"])
def test_security_headers_on_every_answer(path: str, header: str, part: str) -> None:
    with outside.client() as http:
        answer = http.get(path)
    assert part in answer.headers.get(header, ""), f"{path}: {answer.headers}"
    assert "/" not in answer.headers.get("server", ""), "the server's version is shown"


def test_metrics_are_closed_to_the_internet_and_open_inside() -> None:
    with outside.client() as http:
        assert http.get("/api/metrics").status_code == 404
    assert "http_requests_total" in outside.on_server("curl -fsS http://127.0.0.1:9080/snippetly/backend")


def test_a_flood_on_login_is_limited_and_others_are_served() -> None:
    def attempt(_: int) -> int:
        with outside.client() as http:
            return http.post("/api/v1/auth/login", json={"email": "nobody@mail.example", "password": "x"}).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(attempt, range(24)))
    assert codes.count(429) >= 12, codes
    assert set(codes) <= {401, 429}, codes
    with outside.client() as http:
        assert http.get("/api/health").status_code == 200


def test_password_login_over_ssh_is_refused() -> None:
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PubkeyAuthentication=no")
    flags = [flag for option in options for flag in ("-o", option)]
    done = outside.run("ssh", "-v", *flags, f"root@{outside.address()}", "true", check=False)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr
