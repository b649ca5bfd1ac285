# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.certbot import lineage

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)
# openssl 3.0 and 3.5 print the same
OPENSSL = "X509v3 Subject Alternative Name: \n    DNS:a.example, DNS:www.a.example\nnotAfter=Feb 19 05:00:01 2027 GMT\n"
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
HELD = lineage.Certificate(("a.example", "www.a.example"), datetime(2027, 2, 19, 5, 0, 1, tzinfo=timezone.utc))


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
    "directory": "https://acme.test:14000/dir",
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
    "other directory": ({"directory": "https://ca/dir"}, "the one there comes from https://acme.test:14000/dir"),
    "by another way": (
        {"renewal": {"server": "https://acme.test:14000/dir", "authenticator": "standalone"}},
        "the one there is renewed by standalone, not by webroot",
    ),
    "near its end, which is the timer's part": ({"now": datetime(2027, 2, 18, tzinfo=timezone.utc)}, None),
    "past its end": ({"now": datetime(2027, 2, 20, tzinfo=timezone.utc)}, "the one there ended on 2027-02-19"),
}


@pytest.mark.parametrize(("other", "reason"), REASONS.values(), ids=REASONS)
def test_reason(other: dict[str, Any], reason: str | None) -> None:
    assert lineage.reason(**{**USUAL, **other}) == reason


def test_command() -> None:
    assert lineage.command("a", ["a.example", "www.a.example"], "/etc/mainstay/certbot.ini") == [
        *("certbot", "certonly", "--config", "/etc/mainstay/certbot.ini", "--cert-name", "a"),
        *("--domains", "a.example,www.a.example", "--renew-with-new-domains", "--force-renewal"),
    ]
