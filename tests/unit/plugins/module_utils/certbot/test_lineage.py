# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.certbot import lineage

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)
# openssl 3.0 and 3.5 print the same
OPENSSL = """Certificate:
        Subject Public Key Info:
            Public Key Algorithm: id-ecPublicKey
                Public-Key: (256 bit)
                ASN1 OID: prime256v1
                NIST CURVE: P-256
        X509v3 extensions:
            X509v3 Subject Alternative Name:
                DNS:a.example, DNS:www.a.example
            Authority Information Access:
                CA Issuers - URI:http://ca.example/
notAfter=Feb 19 05:00:01 2027 GMT
"""
RENEWAL = """# renew_before_expiry = 30 days
version = 4.0.0
archive_dir = /etc/letsencrypt/archive/edge
[renewalparams]
account = 4d1
authenticator = webroot
webroot_path = /var/www/acme,
server = https://acme.test:14000/dir
[[webroot_map]]
a.example = /var/www/acme
"""
HELD = lineage.Certificate(
    ("a.example", "www.a.example"), datetime(2027, 2, 19, 5, 0, 1, tzinfo=timezone.utc), "prime256v1"
)


def test_parse_certificate() -> None:
    assert lineage.parse_certificate(OPENSSL) == HELD


def test_parse_no_certificate() -> None:
    with pytest.raises(ValueError, match="no end of validity"):
        lineage.parse_certificate("Could not read certificate")


def test_parse_renewal() -> None:
    parameters = lineage.parse_renewal(RENEWAL)
    assert (parameters["server"], parameters["authenticator"]) == ("https://acme.test:14000/dir", "webroot")


USUAL: dict[str, Any] = {
    "domains": ["a.example", "www.a.example"],
    "directories": ["https://acme.test:14000/dir"],
    "authenticator": "webroot",
    "curve": "secp256r1",
    "held": HELD,
    "renewal": lineage.parse_renewal(RENEWAL),
    "now": NOW,
}
REASONS = {
    "fine": ({}, None),
    "other order": ({"domains": ["www.a.example", "a.example"]}, None),
    "none": ({"held": None}, "there is none yet"),
    "not certbot's": ({"renewal": {}}, "there is none yet"),
    "more domains": ({"domains": ["a.example", "b.example"]}, "the one there is for a.example, www.a.example"),
    "fewer domains": ({"domains": ["a.example"]}, "the one there is for a.example, www.a.example"),
    "other directory": ({"directories": ["https://ca/dir"]}, "the one there comes from https://acme.test:14000/dir"),
    "the other directory": ({"directories": ["https://ca/dir", "https://acme.test:14000/dir"]}, None),
    "other curve": ({"curve": "secp384r1"}, "the one there is on prime256v1, not on secp384r1"),
    "no curve": (
        {"held": lineage.Certificate(HELD.domains, HELD.not_after)},
        "the one there is on no curve, not on secp256r1",
    ),
    "by DNS from now on": (
        {"authenticator": "dns-rfc2136"},
        "the one there is renewed by webroot, not by dns-rfc2136",
    ),
    "by another way": (
        {"renewal": {"server": "https://acme.test:14000/dir", "authenticator": "standalone"}},
        "the one there is renewed by standalone, not by webroot",
    ),
    "near its end, which is the timer's part": ({"now": datetime(2027, 2, 18, tzinfo=timezone.utc)}, None),
    "past its end": ({"now": datetime(2027, 2, 20, tzinfo=timezone.utc)}, "the one there ended on 2027-02-19"),
}


@pytest.mark.parametrize(("other", "reason"), REASONS.values(), ids=REASONS)
def test_reason(other: dict[str, Any], reason: str | None) -> None:
    asked = {**USUAL, **other}
    wanted = lineage.Wanted(*(asked.pop(name) for name in ("domains", "directories", "authenticator", "curve")))
    assert lineage.reason(wanted, **asked) == reason


CERTONLY = [
    *("certonly", "--config", "/etc/mainstay/certbot.ini", "--cert-name", "a", "--domains", "a.example,www.a.example"),
    *("--renew-with-new-domains", "--force-renewal", "--authenticator"),
]
DNS = {"plugin": "rfc2136", "credentials": "/etc/mainstay/certbot-dns.ini", "propagation_seconds": 5}


@pytest.mark.parametrize(
    ("authenticator", "end"),
    [
        pytest.param("webroot", ["webroot"], id="by HTTP"),
        pytest.param(
            "dns-rfc2136",
            [
                *("dns-rfc2136", "--dns-rfc2136-credentials", "/etc/mainstay/certbot-dns.ini"),
                *("--dns-rfc2136-propagation-seconds", "5"),
            ],
            id="by DNS",
        ),
    ],
)
def test_command(authenticator: str, end: list[str]) -> None:
    wanted = lineage.Wanted(["a.example", "www.a.example"], ["https://ca/dir"], authenticator, "secp256r1")
    assert lineage.command("a", wanted, "/etc/mainstay/certbot.ini", DNS) == ["certbot", *CERTONLY, *end]


WILD = ["a.example", "*.a.example"]


@pytest.mark.parametrize(
    ("domains", "challenge", "plugin", "authenticator"),
    [
        pytest.param(["a.example"], None, None, "webroot", id="plain"),
        pytest.param(["a.example"], None, "rfc2136", "webroot", id="plain, though DNS is set up"),
        pytest.param(["a.example"], "dns", "rfc2136", "dns-rfc2136", id="asked for"),
        pytest.param(WILD, None, "cloudflare", "dns-cloudflare", id="wildcard"),
    ],
)
def test_authenticator(domains: list[str], challenge: str | None, plugin: str | None, authenticator: str) -> None:
    assert lineage.authenticator(domains, challenge, plugin) == authenticator


@pytest.mark.parametrize(
    ("domains", "challenge", "plugin", "message"),
    [
        pytest.param(WILD, None, None, "*.a.example is a wildcard, and certbot_dns names no plugin", id="wildcard"),
        pytest.param(
            ["a.example"], "dns", None, "its challenge is 'dns', and certbot_dns names no plugin", id="asked for"
        ),
        pytest.param(
            WILD, "http", "x", "*.a.example is a wildcard, which only the challenge 'dns' can prove", id="by HTTP"
        ),
    ],
)
def test_what_cannot_be_proven(domains: list[str], challenge: str | None, plugin: str | None, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        lineage.authenticator(domains, challenge, plugin)
    assert str(caught.value) == message
