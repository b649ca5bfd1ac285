# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certbot holds for a certificate, and whether another one must be issued. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

_NAMES = re.compile(r"DNS:([^,\s]+)")
_END = re.compile(r"^notAfter=(.+)$", re.MULTILINE)
_PARAMETER = re.compile(r"^(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Certificate:
    """What `openssl x509 -noout -ext subjectAltName -enddate` says of a certificate."""

    domains: tuple[str, ...]
    not_after: datetime


def parse_certificate(text: str) -> Certificate:
    """Read openssl's words; raises ValueError when they are none."""
    end = _END.search(text)
    if not end:
        raise ValueError("openssl names no end of validity")
    moment = datetime.strptime(end.group(1).strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=timezone.utc)
    return Certificate(tuple(_NAMES.findall(text)), moment)


def parse_renewal(text: str) -> dict[str, str]:
    """Parameters of certbot's `renewal/<name>.conf`, such as `server` and `authenticator`."""
    return dict(_PARAMETER.findall(text))


def reason(
    domains: Sequence[str],
    directory: str,
    held: Certificate | None,
    renewal: Mapping[str, str],
    now: datetime,
) -> str | None:
    """Why a certificate must be issued, or None when the one that certbot holds and renews will do."""
    if held is None or not renewal:
        return "there is none yet"
    if set(held.domains) != set(domains):
        return f"the one there is for {', '.join(held.domains)}"
    if renewal.get("server") != directory:
        return f"the one there comes from {renewal.get('server')}"
    if renewal.get("authenticator") != "webroot":
        return f"the one there is renewed by {renewal.get('authenticator')}, not by webroot"
    if held.not_after <= now:
        return f"the one there ended on {held.not_after:%Y-%m-%d}"
    return None


def command(name: str, domains: Sequence[str], config: str) -> list[str]:
    """The call of certbot that issues a certificate, whatever is there under its name, by the settings in `config`."""
    return [
        "certbot",
        "certonly",
        "--config",
        config,
        "--cert-name",
        name,
        "--domains",
        ",".join(domains),
        "--renew-with-new-domains",
        "--force-renewal",
    ]
