# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.certbot.trouble import explain, types

# What certbot 4.0 and 2.1 print, shortened.
CHALLENGE = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
Renewing an existing certificate for a.example and nowhere.example

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: nowhere.example
  Type:   {type}
  Detail: {detail}

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
UNEXPECTED = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
An unexpected error occurred:
{text}
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""
# As the plugins of Debian 13 say it.
CLOUDFLARE = (
    "Unable to determine zone_id for renew.example using zone names: ['renew.example', 'example']. The error from "
    "Cloudflare was: 0 network request connection error: HTTPSConnectionPool(host='api.cloudflare.com', port=443): Max "
    "retries exceeded with url: /client/v4/zones?name=example&per_page=1 (Caused by NewConnectionError(': Failed to "
    "establish a new connection: [Errno 111] Connection refused'))"
)
AZURE = (
    "Failed to check TXT record for domain renew.example, error: Authentication failed: HTTPSConnection("
    "host='login.microsoftonline.com', port=443): Failed to establish a new connection: [Errno 111] Connection refused"
)
UNREACHABLE = (
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='acme.test', port=14000): Max retries exceeded with "
    "url: /dir (Caused by NewConnectionError('<object>: {cause}'))"
)
UNKNOWN_KEY = (
    "Unable to register an account with ACME server. Error returned by the ACME server: "
    "the field 'kid' references a key that is not known to the ACME server"
)
TROUBLES = {
    "name does not resolve (Pebble)": (
        CHALLENGE.format(type="connection", detail='Get "http://x": could not resolve URL "http://x"'),
        'nowhere.example: connection: Get "http://x": could not resolve URL "http://x". '
        "Suspect: its DNS record: its A and AAAA records must lead to this server.",
    ),
    "name does not resolve (Let's Encrypt)": (
        CHALLENGE.format(type="dns", detail="DNS problem: NXDOMAIN looking up A for nowhere.example"),
        "nowhere.example: dns: DNS problem: NXDOMAIN looking up A for nowhere.example. "
        "Suspect: its DNS record: its A and AAAA records must lead to this server.",
    ),
    "record not seen": (
        CHALLENGE.format(type="dns", detail="DNS problem: NXDOMAIN looking up TXT for _acme-challenge.nowhere.example"),
        "nowhere.example: dns: DNS problem: NXDOMAIN looking up TXT for _acme-challenge.nowhere.example. Suspect: "
        "certbot_dns: the authority's resolver does not see the record that the plugin wrote (propagation_seconds?), "
        "or the zone is served elsewhere.",
    ),
    "key refused by the name server": (
        "Received response from server: NOTAUTH\n",
        "Received response from server: NOTAUTH. Suspect: certbot_dns: its credentials, or a zone that they may not "
        "change.",
    ),
    "key refused by the name server, in dnspython's words (Debian 12)": (
        "Encountered error when making query: The peer didn't like the signature we sent\nAsk for help\n",
        "Encountered error when making query: The peer didn't like the signature we sent. Suspect: certbot_dns: its "
        "credentials, or a zone that they may not change.",
    ),
    "port 80 closed": (
        CHALLENGE.format(type="connection", detail="1.2.3.4: Fetching http://x: Timeout during connect."),
        "nowhere.example: connection: 1.2.3.4: Fetching http://x: Timeout during connect. Suspect: port 80 closed on "
        "the way to this server (the provider's firewall?), or a DNS record, AAAA included, that leads elsewhere.",
    ),
    "somebody else answers": (
        CHALLENGE.format(type="unauthorized", detail="Invalid response from http://x: 404"),
        "nowhere.example: unauthorized: Invalid response from http://x: 404. "
        "Suspect: another server or proxy that answers for this name.",
    ),
    "rate limit": (
        UNEXPECTED.format(
            text="Error creating new order :: urn:ietf:params:acme:error:rateLimited :: too many certificates"
        ),
        "rateLimited: too many certificates. "
        "Suspect: the authority's rate limit: wait, and try with the staging directory meanwhile.",
    ),
    "external account wanted": (
        UNEXPECTED.format(text="urn:ietf:params:acme:error:externalAccountRequired :: needs EAB"),
        "externalAccountRequired: needs EAB. Suspect: certbot_eab: this authority wants an external account.",
    ),
    "external account not known (Pebble)": (
        f"{UNKNOWN_KEY}\n",
        f"{UNKNOWN_KEY}. Suspect: certbot_eab: the authority does not accept this key.",
    ),
    "authority not trusted": (
        UNEXPECTED.format(
            text="requests.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"
        ),
        "requests.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate. "
        "Suspect: certbot_ca_bundle: the server does not trust the authority's own certificate.",
    ),
    "nobody at Azure": (
        UNEXPECTED.format(text=AZURE),
        f"{AZURE}. Suspect: certbot_dns: the provider's API cannot be reached from this server (a firewall for "
        "what goes out, or its own name resolution).",
    ),
    "nobody at Cloudflare": (
        UNEXPECTED.format(text=CLOUDFLARE),
        f"{CLOUDFLARE}. Suspect: certbot_dns: the provider's API cannot be reached from this server (a firewall for "
        "what goes out, or its own name resolution).",
    ),
    "nobody there": (
        UNEXPECTED.format(text=UNREACHABLE.format(cause="[Errno 111] Connection refused")),
        UNREACHABLE.format(cause="[Errno 111] Connection refused")
        + ". Suspect: certbot_directory, or a firewall that keeps the server from reaching it.",
    ),
    "no such host": (
        UNEXPECTED.format(text=UNREACHABLE.format(cause="[Errno -2] Name or service not known")),
        UNREACHABLE.format(cause="[Errno -2] Name or service not known")
        + ". Suspect: certbot_directory, or the server's own name resolution.",
    ),
    "silence": (
        "\n",
        "certbot says nothing. Suspect: none in particular: see /var/log/letsencrypt/letsencrypt.log.",
    ),
}


@pytest.mark.parametrize(("output", "message"), TROUBLES.values(), ids=TROUBLES)
def test_explain(output: str, message: str) -> None:
    assert [str(trouble) for trouble in explain(output)] == [message]


def test_every_domain_is_told() -> None:
    block = "  Domain: {}.example\n  Type:   dns\n  Detail: NXDOMAIN\n\n"
    assert [trouble.domain for trouble in explain(block.format("a") + block.format("b"))] == ["a.example", "b.example"]


def test_types() -> None:
    assert types("urn:ietf:params:acme:error:badNonce :: JWS has an invalid anti-replay nonce") == {"badNonce"}
