# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the store is and what opens it: account URLs, connection strings, shared access signatures."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import datetime
import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# What each kind must and may have beside `kind`.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "account_key": (("account_key",), ()),
    "sas": (("sas",), ()),
    "connection_string": (("connection_string",), ()),
    "managed_identity": ((), ("client_id",)),
    "service_principal": (("tenant_id", "client_id", "client_secret"), ("authority",)),
}
SECRETS = ("account_key", "sas", "sas_signature", "connection_string", "client_secret")
PERMISSIONS = {"r": "read", "c": "create", "w": "write", "d": "delete", "l": "list", "t": "tags"}


IN_CLEAR = "is not https: credentials and data could be read on the way (only this machine itself is reached by http)"


@dataclasses.dataclass(frozen=True)
class Sas:
    """A shared access signature (the query part of a URL) and what can be read from it without its key."""

    token: str = dataclasses.field(repr=False)
    permissions: str | None
    starts: datetime.datetime | None
    expires: datetime.datetime | None
    protocol: str | None
    policy: str | None
    resource_types: str | None

    def allows(self, permission: str) -> bool | None:
        """Whether it grants ``permission`` (one letter); None where a stored access policy decides."""
        return None if self.permissions is None else permission in self.permissions


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An account that can be talked to. ``options`` holds the credential's fields; secrets stay out of ``repr``."""

    url: str
    account: str
    kind: str
    options: Mapping[str, str] = dataclasses.field(repr=False)
    sas: Sas | None = None

    @property
    def host(self) -> str:
        """The host's name."""
        return urlsplit(self.url).hostname or ""

    @property
    def secrets(self) -> list[str]:
        """Every literal that must not be shown."""
        return [value for key, value in self.options.items() if key in SECRETS and value]

    def allows(self, permission: str) -> bool | None:
        """Whether the credential may do this, as far as it can be seen from here. Keys may do all, roles are unknown
        and taken as sufficient: the service's refusal names what is missing."""
        return self.sas.allows(permission) if self.sas else True


def parse_sas(text: str) -> Sas:
    """Read a SAS given as ``?sv=…&sig=…``, with or without the question mark.

    Raises ValueError, without the text, when it is not one.
    """
    token = text.strip().lstrip("?")
    if "://" in token:
        raise ValueError("this is a URL; give the part behind the question mark")
    fields = {key: values[0] for key, values in parse_qs(token, keep_blank_values=True).items()}
    missing = [field for field in ("sv", "sig") if not fields.get(field)]
    if missing:
        raise ValueError(f"not a shared access signature: {' and '.join(missing)} missing")
    return Sas(
        token=token,
        permissions=fields.get("sp"),
        starts=_time(fields.get("st")),
        expires=_time(fields.get("se")),
        protocol=fields.get("spr"),
        policy=fields.get("si"),
        resource_types=fields.get("srt"),
    )


def _time(text: str | None) -> datetime.datetime | None:
    # The service takes a date, minutes, seconds and fractions, always in UTC.
    found = re.match(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d))?)?", text or "")
    if not found:
        return None
    try:
        moment = datetime.datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}:{found[3] or '00'}")
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.timezone.utc)


def parse_connection_string(text: str) -> dict[str, str]:
    """The fields of a connection string as Azure's portal gives it, keys in lower case.

    Raises ValueError, without the text, when it is not one.
    """
    fields = {}
    for item in filter(None, (item.strip() for item in text.strip().split(";"))):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError("not a connection string: it is made of KEY=VALUE, separated by semicolons")
        fields[key.strip().lower()] = value.strip()
    if "blobendpoint" not in fields and "accountname" not in fields:
        raise ValueError("the connection string names neither AccountName nor BlobEndpoint")
    if "accountkey" not in fields and "sharedaccesssignature" not in fields:
        raise ValueError("the connection string has neither AccountKey nor SharedAccessSignature")
    return fields


def account_of(url: str) -> str:
    """The account's name: the host's first label, or the first path segment (emulators, private endpoints)."""
    parts = urlsplit(url)
    segment = parts.path.strip("/")
    return segment.split("/")[0] if segment else (parts.hostname or "").split(".")[0]


def resolve(
    account_url: str | None, credential: Mapping[str, Any] | None, connection_string: str | None = None
) -> Endpoint:
    """Bring the three ways to name an account to one.

    Raises ValueError with every error, one per line, each naming the option by path. No error shows a secret.
    """
    given = {key: str(value) for key, value in (credential or {}).items() if value not in (None, "")}
    errors = []
    kind = given.pop("kind", "")
    if connection_string:
        if given or kind not in ("", "connection_string"):
            errors.append("connection_string: give it or credential, not both")
        kind, given = "connection_string", {"connection_string": connection_string}
    if not kind:
        errors.append(f"credential.kind: missing (one of {', '.join(KINDS)})")
    elif kind not in KINDS:
        errors.append(f"credential.kind: {kind!r} is not one of {', '.join(KINDS)}")
    else:
        required, optional = KINDS[kind]
        errors += [f"credential.{name}: missing; kind {kind} needs it" for name in required if name not in given]
        errors += [
            f"credential.{name}: does not go with kind {kind}" for name in given if name not in required + optional
        ]
    if errors:
        raise ValueError("\n".join(errors))
    if kind == "connection_string":
        return _of_connection_string(account_url, given["connection_string"])
    return _endpoint(_checked_url(account_url), kind, given)


def in_clear(url: str) -> bool:
    """Whether requests to a URL would cross a network without TLS; what stays on this machine does not."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    with contextlib.suppress(ValueError):
        return not ipaddress.ip_address(host).is_loopback
    return True


def _checked_url(url: str | None) -> str:
    if not url:
        raise ValueError("account_url: missing (https://ACCOUNT.blob.core.windows.net)")
    parts = urlsplit(url)
    if parts.query or parts.username or parts.password:
        raise ValueError("account_url: holds a credential; give the address alone, and the SAS as credential.sas")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"account_url: {url!r} is not a URL (https://ACCOUNT.blob.core.windows.net)")
    if in_clear(url):
        raise ValueError(f"account_url: {url!r} {IN_CLEAR}")
    if len(parts.path.strip("/").split("/")) > 1:
        raise ValueError(f"account_url: {url!r} goes beyond the account; the container is an option of its own")
    return url.rstrip("/")


def _of_connection_string(account_url: str | None, text: str) -> Endpoint:
    try:
        fields = parse_connection_string(text)
    except ValueError as error:
        raise ValueError(f"connection_string: {error}") from None
    url = account_url or fields.get("blobendpoint")
    if not url:
        suffix = fields.get("endpointsuffix", "core.windows.net")
        url = f"{fields.get('defaultendpointsprotocol', 'https')}://{fields['accountname']}.blob.{suffix}"
    options = {"connection_string": text}
    if "accountkey" in fields:
        endpoint = _endpoint(_checked_url(url), "account_key", options | {"account_key": fields["accountkey"]})
        return dataclasses.replace(endpoint, account=fields.get("accountname", endpoint.account))
    return _endpoint(_checked_url(url), "sas", options | {"sas": fields["sharedaccesssignature"]})


def _endpoint(url: str, kind: str, options: dict[str, str]) -> Endpoint:
    sas = None
    if kind == "sas":
        try:
            sas = parse_sas(options["sas"])
        except ValueError as error:
            raise ValueError(f"credential.sas: {error}") from None
        signature = parse_qs(sas.token)["sig"][0]
        options = options | {"sas": sas.token, "sas_signature": signature}
    if kind == "account_key":
        try:
            base64.b64decode(options["account_key"], validate=True)
        except binascii.Error:
            raise ValueError("credential.account_key: not a key (keys are base64)") from None
    return Endpoint(url=url, account=unquote(account_of(url)), kind=kind, options=options, sas=sas)
