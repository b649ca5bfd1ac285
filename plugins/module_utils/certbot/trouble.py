# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong when certbot fails, in words that name the suspect. Pure.

certbot prints one block of Domain, Type and Detail per failed challenge; everything else is free text, the types being
those of RFC 8555, section 6.7, with or without `urn:ietf:params:acme:error:`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CHALLENGE = re.compile(
    r"^\s*Domain:\s*(?P<domain>\S+)\s*\n\s*(?:Type|Identifier):\s*(?P<type>\S+)\s*\n\s*Detail:\s*(?P<detail>.+?)\s*$",
    re.MULTILINE,
)
_PROBLEM = re.compile(r"urn:ietf:params:acme:error:(?P<type>\w+)\s*::\s*(?P<detail>[^\n]+)")
_NOISE = re.compile(
    r"^(Saving debug log|Ask for help|See the logfile|Requesting a certificate|Renewing an existing|Account registered"
    r"|Some challenges|Plugins selected|An unexpected error occurred:|Registering without email|\s*$)"
)

_DNS = "its DNS record: its A and AAAA records must lead to this server"
_BY_TYPE = {
    "dns": _DNS,
    "connection": "port 80 closed on the way to this server (the provider's firewall?), "
    "or a DNS record, AAAA included, that leads elsewhere",
    "tls": "a redirect to HTTPS that does not answer",
    "unauthorized": "another server or proxy that answers for this name",
    "incorrectResponse": "another server or proxy that answers for this name",
    "caa": "a CAA record that forbids this authority",
    "rejectedIdentifier": "the name itself: this authority does not issue for it",
    "rateLimited": "the authority's rate limit: wait, and try with the staging directory meanwhile",
    "externalAccountRequired": "certbot_eab: this authority wants an external account",
    "badNonce": "a busy authority: run again",
    "accountDoesNotExist": "an authority that has forgotten the account",
    "userActionRequired": "terms of the authority that must be agreed to anew",
    "unsupportedContact": "certbot_email",
    "invalidContact": "certbot_email",
    "serverInternal": "the authority itself: run again later",
}
_EAB_TEXT = r"(?i)'kid' references a key|external ?account|\beab\b"
_EAB = "certbot_eab: the authority does not accept this key"
_BY_DNS = (
    (
        r"_acme-challenge|TXT record",
        "certbot_dns: the authority's resolver does not see the record that the plugin wrote (propagation_seconds?), "
        "or the zone is served elsewhere",
    ),
    (
        r"\b(REFUSED|NOTAUTH|BADKEY|BADSIG|TSIG)\b|peer didn't (like|know)|[Ii]nvalid access token|Unable to determine"
        r"|determining zone|AuthorizationFailed",
        "certbot_dns: its credentials, or a zone that they may not change",
    ),
)
# What plugins alone talk to does not answer. In Azure's words this is about a TXT record as well.
_UNREACHED = (
    r"(?s)(zone_id|api\.cloudflare\.com|microsoftonline\.com|management\.azure\.com).*"
    r"(Failed to establish a new connection|Connection refused|ConnectTimeout|[Tt]imed out|No route to host"
    r"|Network is unreachable|Name or service not known|Temporary failure in name resolution|Failed to resolve)",
    "certbot_dns: the provider's API cannot be reached from this server (a firewall for what goes out, or its own name "
    "resolution)",
)
_BY_TEXT = (
    *_BY_DNS[1:],
    (_EAB_TEXT, _EAB),
    (
        r"(?i)CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError",
        "certbot_ca_bundle: the server does not trust the authority's own certificate",
    ),
    (
        r"(?i)Name or service not known|Temporary failure in name resolution|NameResolutionError|No address associated",
        "certbot_directory, or the server's own name resolution",
    ),
    (
        r"(?i)Connection refused|ConnectTimeout|timed out|No route to host|Network is unreachable",
        "certbot_directory, or a firewall that keeps the server from reaching it",
    ),
    (r"(?i)Another instance of Certbot", "another run of certbot: wait until it ends"),
    (
        r"(?i)newNonce|newAccount|JSONDecodeError|Expecting value|404|not found",
        "certbot_directory: what answers there is no ACME directory",
    ),
    (r"(?i)No space left", "a full disk"),
)


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong; `domain` and `type` are empty where certbot does not say."""

    detail: str
    suspect: str
    domain: str = ""
    type: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.domain, self.type) if part)
        return f"{where + ': ' if where else ''}{self.detail.rstrip('.')}. Suspect: {self.suspect}."


def types(output: str) -> set[str]:
    """ACME problem types in certbot's output."""
    return {match["type"] for match in _PROBLEM.finditer(output)}


def explain(output: str) -> list[Trouble]:
    """What went wrong, from certbot's output; never empty."""
    troubles = [
        Trouble(match["detail"], _suspect(match["type"], match["detail"]), match["domain"], match["type"])
        for match in _CHALLENGE.finditer(output)
    ]
    if not troubles:
        found = {(match["type"], match["detail"].strip()) for match in _PROBLEM.finditer(output)}
        troubles = [Trouble(detail, _suspect(kind, detail), type=kind) for kind, detail in sorted(found)]
    if not troubles:
        lines = [line.strip() for line in output.splitlines() if not _NOISE.match(line)]
        detail = lines[-1] if lines else "certbot says nothing"
        troubles = [Trouble(detail, _suspect("", output))]
    return troubles


def _suspect(kind: str, text: str) -> str:
    if kind == "unauthorized" and re.search(_EAB_TEXT, text):
        return _EAB
    if re.search(_UNREACHED[0], text):
        return _UNREACHED[1]
    if re.search(_BY_DNS[0][0], text):
        return _BY_DNS[0][1]
    if kind == "connection" and re.search(r"(?i)could not resolve|no such host|NXDOMAIN", text):
        return _DNS
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    for pattern, suspect in _BY_TEXT:
        if re.search(pattern, text):
            return suspect
    return "none in particular: see /var/log/letsencrypt/letsencrypt.log"
