# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certbot holds for a certificate, and whether another one must be issued. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

_NAMES = re.compile(r"DNS:([^,\s]+)")
_END = re.compile(r"^notAfter=(.+)$", re.MULTILINE)
_CURVE = re.compile(r"^\s*ASN1 OID: (\S+)$", re.MULTILINE)
_OPENSSL_CURVES = {"secp256r1": "prime256v1", "secp384r1": "secp384r1"}
_PARAMETER = re.compile(r"^(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Certificate:
    """What `openssl x509 -noout -text -enddate` says of a certificate; `curve` is OpenSSL's name, empty for RSA."""

    domains: tuple[str, ...]
    not_after: datetime
    curve: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a certificate shall be: from one of `directories`, by `authenticator`, on `curve`, as certbot names them."""

    domains: Sequence[str]
    directories: Sequence[str]
    authenticator: str
    curve: str


def parse_certificate(text: str) -> Certificate:
    """Read openssl's words; raises ValueError when they are none."""
    end = _END.search(text)
    if not end:
        raise ValueError("openssl names no end of validity")
    moment = datetime.strptime(end.group(1).strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=timezone.utc)
    curve = _CURVE.search(text)
    return Certificate(tuple(_NAMES.findall(text)), moment, curve.group(1) if curve else "")


def parse_renewal(text: str) -> dict[str, str]:
    """Parameters of certbot's `renewal/<name>.conf`, such as `server` and `authenticator`."""
    return dict(_PARAMETER.findall(text))


def authenticator(domains: Sequence[str], challenge: str | None, plugin: str | None) -> str:
    """How certbot proves that domains are ours: by DNS where asked for or where one is a wildcard, else by HTTP.

    Raises ValueError where DNS is needed and no plugin is set up.
    """
    wildcards = [domain for domain in domains if domain.startswith("*.")]
    if challenge != "dns" and not wildcards:
        return "webroot"
    if wildcards and challenge == "http":
        raise ValueError(f"{wildcards[0]} is a wildcard, which only the challenge 'dns' can prove")
    if not plugin:
        need = f"{wildcards[0]} is a wildcard" if wildcards else "its challenge is 'dns'"
        raise ValueError(f"{need}, and certbot_dns names no plugin")
    return f"dns-{plugin}"


def reason(wanted: Wanted, held: Certificate | None, renewal: Mapping[str, str], now: datetime) -> str | None:
    """Why a certificate must be issued, or None when the one that certbot holds and renews will do."""
    if held is None or not renewal:
        return "there is none yet"
    if set(held.domains) != set(wanted.domains):
        return f"the one there is for {', '.join(held.domains)}"
    if renewal.get("server") not in wanted.directories:
        return f"the one there comes from {renewal.get('server')}"
    if renewal.get("authenticator") != wanted.authenticator:
        return f"the one there is renewed by {renewal.get('authenticator')}, not by {wanted.authenticator}"
    if held.curve != _OPENSSL_CURVES[wanted.curve]:
        return f"the one there is on {held.curve or 'no curve'}, not on {wanted.curve}"
    if held.not_after <= now:
        return f"the one there ended on {held.not_after:%Y-%m-%d}"
    return None


def command(
    name: str, wanted: Wanted, config: str, dns: Mapping[str, Any] | None = None, program: str = "certbot"
) -> list[str]:
    """The call of certbot that issues a certificate, whatever is there under its name, by the settings in `config`.

    `dns` is ``{plugin, credentials, propagation_seconds}``, `credentials` being a path.
    """
    arguments = [
        *(program, "certonly", "--config", config, "--cert-name", name, "--domains", ",".join(wanted.domains)),
        *("--renew-with-new-domains", "--force-renewal", "--authenticator", wanted.authenticator),
    ]
    if dns and wanted.authenticator != "webroot":
        option = f"--{wanted.authenticator}"
        arguments += [f"{option}-credentials", dns["credentials"]]
        arguments += [f"{option}-propagation-seconds", str(dns["propagation_seconds"])]
    return arguments
