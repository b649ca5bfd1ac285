# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import credential
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import parse_sas, resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import wrong

URL = "https://snipback.blob.core.windows.net"
KEY = "c2VjcmV0a2V5"
SAS = "?sv=2025-11-05&sp=rcwl&st=2026-11-01T00:00:00Z&se=2026-12-01&sr=c&spr=https&sig=geheim%2Bgeheim%3D"
UTC = datetime.timezone.utc


def test_sas_is_read() -> None:
    sas = parse_sas(SAS)
    assert (sas.permissions, sas.protocol, sas.policy) == ("rcwl", "https", None)
    assert sas.starts == datetime.datetime(2026, 11, 1, tzinfo=UTC)
    assert sas.expires == datetime.datetime(2026, 12, 1, tzinfo=UTC)
    assert sas.token == SAS[1:]
    assert "geheim" not in repr(sas)


@pytest.mark.parametrize(
    ("sas", "permission", "expected"),
    [
        pytest.param("sv=1&sp=c&sig=x", "c", True, id="create"),
        pytest.param("sv=1&sp=c&sig=x", "r", False, id="not read"),
        pytest.param("sv=1&si=writers&sig=x", "r", None, id="a stored policy decides"),
    ],
)
def test_sas_allows(sas: str, permission: str, expected: bool | None) -> None:
    assert parse_sas(sas).allows(permission) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-12-01T10:20:30Z", datetime.datetime(2026, 12, 1, 10, 20, 30, tzinfo=UTC), id="seconds"),
        pytest.param("2026-12-01T10:20Z", datetime.datetime(2026, 12, 1, 10, 20, tzinfo=UTC), id="minutes"),
        pytest.param(
            "2026-12-01T10:20:30.1234567Z", datetime.datetime(2026, 12, 1, 10, 20, 30, tzinfo=UTC), id="fractions"
        ),
        pytest.param("2026-13-01", None, id="no such month"),
        pytest.param("soon", None, id="nonsense"),
    ],
)
def test_sas_times(text: str, expected: datetime.datetime | None) -> None:
    assert parse_sas(f"sv=1&sig=x&se={text}").expires == expected


@pytest.mark.parametrize(
    ("account_url", "given", "connection_string", "url", "account", "kind"),
    [
        pytest.param(
            URL + "/", {"kind": "account_key", "account_key": KEY}, None, URL, "snipback", "account_key", id="key"
        ),
        pytest.param(
            "https://azurite.test:10000/snipback",
            {"kind": "sas", "sas": SAS},
            None,
            "https://azurite.test:10000/snipback",
            "snipback",
            "sas",
            id="account in the path",
        ),
        pytest.param(
            None,
            None,
            f"AccountName=a;AccountKey={KEY}",
            "https://a.blob.core.windows.net",
            "a",
            "account_key",
            id="portal's string",
        ),
        pytest.param(
            None,
            {
                "kind": "connection_string",
                "connection_string": f"BlobEndpoint=https://h:1/a/;AccountName=a;AccountKey={KEY}",
            },
            None,
            "https://h:1/a",
            "a",
            "account_key",
            id="endpoint in the string",
        ),
        pytest.param(
            None,
            None,
            f"BlobEndpoint={URL};SharedAccessSignature={SAS[1:]}",
            URL,
            "snipback",
            "sas",
            id="SAS in the string",
        ),
        pytest.param(
            None,
            None,
            f"DefaultEndpointsProtocol=https;AccountName=a;EndpointSuffix=core.chinacloudapi.cn;AccountKey={KEY}",
            "https://a.blob.core.chinacloudapi.cn",
            "a",
            "account_key",
            id="another cloud",
        ),
        pytest.param(URL, {"kind": "managed_identity"}, None, URL, "snipback", "managed_identity", id="identity"),
        pytest.param(
            URL,
            {"kind": "service_principal", "tenant_id": "t", "client_id": "c", "client_secret": "geheim", "sas": None},
            None,
            URL,
            "snipback",
            "service_principal",
            id="principal, other fields empty",
        ),
    ],
)
def test_resolve(
    account_url: str | None,
    given: dict[str, Any] | None,
    connection_string: str | None,
    url: str,
    account: str,
    kind: str,
) -> None:
    found = resolve(account_url, given, connection_string)
    assert (found.url, found.account, found.kind) == (url, account, kind)
    for secret in found.secrets:
        assert secret not in repr(found)


@pytest.mark.parametrize(
    ("account_url", "given", "connection_string", "message"),
    [
        pytest.param(
            URL,
            None,
            None,
            "credential.kind: missing (one of account_key, sas, connection_string, managed_identity,"
            " service_principal)",
            id="nothing",
        ),
        pytest.param(
            URL,
            {"kind": "password"},
            None,
            "credential.kind: 'password' is not one of account_key, sas, connection_string, managed_identity,"
            " service_principal",
            id="unknown kind",
        ),
        pytest.param(
            URL,
            {"kind": "account_key"},
            None,
            "credential.account_key: missing; kind account_key needs it",
            id="no key",
        ),
        pytest.param(
            URL,
            {"kind": "service_principal", "client_id": "c", "sas": "x"},
            None,
            "credential.tenant_id: missing; kind service_principal needs it\n"
            "credential.client_secret: missing; kind service_principal needs it\n"
            "credential.sas: does not go with kind service_principal",
            id="all at once",
        ),
        pytest.param(
            None,
            {"kind": "managed_identity"},
            None,
            "account_url: missing (https://ACCOUNT.blob.core.windows.net)",
            id="no address",
        ),
        pytest.param(
            URL + SAS,
            {"kind": "managed_identity"},
            None,
            "account_url: holds a credential; give the address alone, and the SAS as credential.sas",
            id="SAS in the address",
        ),
        pytest.param(
            "snipback",
            {"kind": "managed_identity"},
            None,
            "account_url: 'snipback' is not a URL (https://ACCOUNT.blob.core.windows.net)",
            id="a name",
        ),
        pytest.param(
            URL + "/a/b",
            {"kind": "managed_identity"},
            None,
            f"account_url: '{URL}/a/b' goes beyond the account; the container is an option of its own",
            id="with container",
        ),
        pytest.param(
            URL,
            {"kind": "sas", "sas": "sp=c"},
            None,
            "credential.sas: not a shared access signature: sv and sig missing",
            id="half a SAS",
        ),
        pytest.param(
            URL,
            {"kind": "sas", "sas": URL + SAS},
            None,
            "credential.sas: this is a URL; give the part behind the question mark",
            id="a URL as SAS",
        ),
        pytest.param(
            URL,
            {"kind": "account_key", "account_key": "geheim!"},
            None,
            "credential.account_key: not a key (keys are base64)",
            id="not base64",
        ),
        pytest.param(
            None,
            None,
            "geheim",
            "connection_string: not a connection string: it is made of KEY=VALUE, separated by semicolons",
            id="not a string",
        ),
        pytest.param(
            None,
            None,
            "AccountName=a",
            "connection_string: the connection string has neither AccountKey nor SharedAccessSignature",
            id="string without key",
        ),
        pytest.param(
            None,
            None,
            "AccountKey=geheim",
            "connection_string: the connection string names neither AccountName nor BlobEndpoint",
            id="string without account",
        ),
        pytest.param(
            URL,
            {"kind": "sas", "sas": SAS},
            "AccountName=a;AccountKey=b",
            "connection_string: give it or credential, not both",
            id="both",
        ),
    ],
)
def test_resolve_refuses(
    account_url: str | None, given: dict[str, Any] | None, connection_string: str | None, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        resolve(account_url, given, connection_string)
    assert str(caught.value) == message
    assert "geheim" not in str(caught.value)


def test_every_secret_of_a_kind_is_known_as_one() -> None:
    fields = {name for required, optional in credential.KINDS.values() for name in required + optional}
    assert fields - set(credential.SECRETS) == {"client_id", "tenant_id", "authority"}


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("https://a.blob.core.windows.net", False),
        ("http://a.blob.core.windows.net", True),
        ("http://10.0.0.7:10000/a", True),
        ("http://azurite:10000/a", True),
        ("http://localhost.evil.example/a", True),
        ("http://127.0.0.1:10000/a", False),
        ("http://[::1]:10000/a", False),
        ("http://localhost:10000/a", False),
        ("http://store.localhost:10000/a", False),
    ],
)
def test_http_is_for_this_machine_alone(url: str, clear: bool) -> None:
    if clear:
        with pytest.raises(ValueError, match=r"^account_url: .* is not https: credentials and data could be read"):
            resolve(url, {"kind": "account_key", "account_key": KEY})
    else:
        assert resolve(url, {"kind": "account_key", "account_key": KEY}).url == url
    settings = {"bucket": "b", "endpoint_url": url, "credential": {"access_key_id": "a", "secret_access_key": "b"}}
    assert bool(wrong(settings)) is clear
