# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong, in words: from an exception to plain facts, from the facts to a message that names the suspect."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import http.client
import re
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import PERMISSIONS, Endpoint

HIDDEN = "(hidden)"
_SECRET_PATTERNS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<=[?&;]sig=)[^&\s\"'<>]+",
        r"(?<=\bsig=)[^&\s\"'<>]+",
        r"(?<=AccountKey=)[^;\s\"'<>]+",
        r"(?<=SharedAccessSignature=)[^;\s\"'<>]+",
        r"(?<=Bearer )[A-Za-z0-9._~+/=-]+",
        r"(?<=SharedKey )[^\s\"'<>]+",
    )
]
# Codes of the service. Azurite answers AuthorizationFailure where Azure says AuthenticationFailed.
_UNAUTHENTIC = (
    "AuthenticationFailed",
    "AuthorizationFailure",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
)
_FORBIDDEN = (
    "AuthorizationPermissionMismatch",
    "InsufficientAccountPermissions",
    "AuthorizationServiceMismatch",
    "AuthorizationResourceTypeMismatch",
)
OVERWRITE_REFUSED = "UnauthorizedBlobOverwrite"
_RETRY_STATUS = (408, 429, 500, 502, 503, 504)
# What azure-core and botocore call a line that broke.
_DROPPED = {
    "ServiceRequestError",
    "ServiceResponseError",
    "IncompleteReadError",
    "ConnectionClosedError",
    "HTTPClientError",
    "ResponseStreamingError",
}
SKEW = datetime.timedelta(minutes=5)


class BlobError(Exception):
    """A failure with a message fit for people. ``code`` is the service's, where it answered; ``failure`` has the
    facts."""

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure

    @property
    def code(self) -> str | None:
        """The service's error code, where it answered."""
        return self.failure.code if self.failure else None


class StoppedError(BlobError):
    """Another thread of the same transfer has failed, and that failure is the one to report."""

    def __init__(self) -> None:
        super().__init__("stopped")


@dataclasses.dataclass(frozen=True)
class Failure:
    """The facts of a failed request.

    ``kind`` is ``answer`` (the service answered with ``status`` and ``code``), ``dns``, ``refused``, ``timeout``,
    ``dropped``, ``tls`` (not trusted), ``tls_protocol``, ``identity`` (no token) or ``other``. ``date`` is the
    service's clock.
    """

    kind: str
    status: int | None = None
    code: str | None = None
    text: str = ""
    date: datetime.datetime | None = None
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        if self.kind == "answer":
            return self.status in _RETRY_STATUS and self.code not in ("FeatureNotSupported", "NotImplemented")
        return self.kind in ("dns", "refused", "timeout", "dropped")

    @property
    def forbidden(self) -> bool:
        """Whether the service knows the credential and refuses this action."""
        return self.status == 403 and self.code in (*_FORBIDDEN, OVERWRITE_REFUSED)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What was tried: ``action`` is the verb phrase of a message (``upload /srv/x as 'x'``), ``needs`` the SAS
    permissions."""

    endpoint: Endpoint
    container: str
    action: str
    name: str | None = None
    needs: str = ""
    ca_bundle: str | None = None


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without signatures, keys and tokens: known literals first, then whatever looks like one."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, HIDDEN)
    for pattern in _SECRET_PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and all that caused it, however the libraries between have wrapped it."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, BaseException) or item in found:
            continue
        found.append(item)
        waiting += [
            item.__cause__,
            item.__context__,
            getattr(item, "inner_exception", None),
            getattr(item, "reason", None),
        ]
        waiting += list(item.args)
    return found


def failure_of(error: BaseException) -> Failure:
    """The facts in an exception of azure-storage-blob, azure-identity or whatever lies below them."""
    status = getattr(error, "status_code", None)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    names = {type(item).__name__ for item in _chain(error)}
    text = (str(error) or type(error).__name__).splitlines()[0]
    if "CredentialUnavailableError" in names or (
        "ClientAuthenticationError" in names and not hasattr(error, "error_code")
    ):
        return Failure("identity", text=text)
    if isinstance(status, int):
        code = getattr(error, "error_code", None) or headers.get("x-ms-error-code")
        return Failure(
            "answer",
            status=status,
            code=str(getattr(code, "value", code)) if code else None,
            text=text,
            date=_date(headers.get("Date")),
            retry_after=_seconds(headers),
        )
    for item in _chain(error):
        if isinstance(item, ssl.SSLCertVerificationError):
            return Failure("tls", text=getattr(item, "verify_message", "") or str(item))
        if isinstance(item, socket.gaierror):
            return Failure("dns", text=text)
        if isinstance(item, ConnectionRefusedError):
            return Failure("refused", text=text)
    for item in _chain(error):
        if isinstance(item, ssl.SSLError) and not isinstance(item, ssl.SSLEOFError):
            return Failure("tls_protocol", text=str(item))
        if isinstance(item, TimeoutError) or "Timeout" in type(item).__name__:
            return Failure("timeout", text=text)
    if isinstance(error, OSError | http.client.HTTPException) or names & _DROPPED:
        return Failure("dropped", text=text)
    return Failure("other", text=f"{type(error).__name__}: {text}")


def _date(text: str | None) -> datetime.datetime | None:
    with contextlib.suppress(TypeError, ValueError):
        return email.utils.parsedate_to_datetime(text or "")
    return None


def _seconds(headers: Any) -> float | None:
    for key, factor in (("x-ms-retry-after-ms", 0.001), ("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with contextlib.suppress(TypeError, ValueError):
            return max(0.0, float(headers.get(key)) * factor)
    moment = _date(headers.get("Retry-After"))
    return max(0.0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) if moment else None


def explain(failure: Failure, attempt: Attempt, now: datetime.datetime) -> str:
    """The message: what was tried, where, what came back, who is the suspect and what to do."""
    place = f"container '{attempt.container}' of account '{attempt.endpoint.account}' ({attempt.endpoint.url})"
    code = " ".join(str(part) for part in (failure.status, failure.code) if part)
    return f"Cannot {attempt.action} in {place}: {suspect(failure, attempt, now)}" + (f" [{code}]" if code else "")


def suspect(failure: Failure, attempt: Attempt, now: datetime.datetime) -> str:
    """Why it failed, as well as can be told from here. ``now`` is this machine's clock (aware)."""
    if failure.kind == "answer":
        return _refusal(failure, attempt, now)
    if failure.kind == "identity":
        kind = attempt.endpoint.kind
        who = "the managed identity of this machine" if kind == "managed_identity" else "the service principal"
        return f"no token for {who}: {failure.text}"
    return unanswered(failure, attempt.endpoint.host, attempt.ca_bundle)


def unanswered(failure: Failure, host: str, ca_bundle: str | None) -> str:
    """Why a service gave no answer at all."""
    if failure.kind == "dns":
        return f"the name {host} does not resolve; is the account's name right, and does DNS work here?"
    if failure.kind == "refused":
        return f"{host} refuses connections; is the address right, and does a firewall or proxy stand between?"
    if failure.kind == "timeout":
        return f"{host} does not answer in time; is the address right, and does a firewall or proxy stand between?"
    if failure.kind == "dropped":
        return f"the connection to {host} broke off ({failure.text})"
    if failure.kind == "tls":
        trust = f"ca_bundle is {ca_bundle}" if ca_bundle else "give its authority as ca_bundle or REQUESTS_CA_BUNDLE"
        return f"the certificate of {host} is not trusted ({failure.text}); {trust}"
    if failure.kind == "tls_protocol":
        return f"{host} does not speak TLS as expected ({failure.text}); is it http instead of https?"
    return failure.text


def _refusal(failure: Failure, attempt: Attempt, now: datetime.datetime) -> str:
    code, sas = failure.code or "", attempt.endpoint.sas
    if code == "ContainerNotFound":
        return "there is no such container; create it, or correct the name"
    if code == "ContainerBeingDeleted":
        return "the container is being deleted"
    if code in ("BlobNotFound", "ResourceNotFound") or (failure.status == 404 and not code):
        return "there is no such blob" if code == "BlobNotFound" else "there is no such account, container or blob"
    if code in (OVERWRITE_REFUSED, "BlobAlreadyExists", "BlobImmutableDueToPolicy"):
        return "a blob of this name exists already" + (" and is immutable" if "Immutable" in code else "")
    if code == "ConditionNotMet":
        return "the blob was changed by somebody else meanwhile"
    if code in ("Md5Mismatch", "InvalidMd5") or (code == "InvalidOperation" and "md5" in failure.text.lower()):
        return (
            "the service received other bytes than were hashed: "
            "the file changes while it is read, or the network damages data"
        )
    if code == "InvalidBlobOrBlock":
        return "unfinished blocks of another client lie under this name; another name helps, or waiting a week"
    if code == "InvalidBlockList":
        return "blocks that were sent are gone: somebody else wrote this blob meanwhile"
    if code == "BlobArchived":
        return "the blob is in the archive tier; rehydrate it first"
    if code == "LeaseIdMissing":
        return "the blob is leased by somebody"
    if code == "AuthorizationProtocolMismatch":
        return "the SAS allows https only, and account_url is http"
    if code == "AuthorizationSourceIPMismatch":
        return "the SAS does not allow this machine's address"
    if code == "KeyBasedAuthenticationNotPermitted":
        return "the account does not allow keys; use managed_identity or service_principal"
    if code in _FORBIDDEN:
        return _missing_right(code, attempt)
    if code in _UNAUTHENTIC or failure.status in (401, 403):
        return _unauthentic(failure, attempt, now, sas is not None)
    if failure.status in _RETRY_STATUS:
        return f"the service is busy or ill, and stayed so ({failure.text})"
    return failure.text


def _missing_right(code: str, attempt: Attempt) -> str:
    sas = attempt.endpoint.sas
    if sas is None:
        role = "Storage Blob Data Contributor" if set(attempt.needs) & set("cwdt") else "Storage Blob Data Reader"
        return f"the credential's role is too narrow; it needs {role} on the container"
    if code == "AuthorizationResourceTypeMismatch":
        return f"the SAS is for other resource types (srt={sas.resource_types}); it needs 'o', and 'c' for lists"
    missing = [p for p in attempt.needs if sas.allows(p) is not True]
    wanted = ", ".join(f"'{p}' ({PERMISSIONS.get(p, '?')})" for p in (missing or attempt.needs))
    if sas.permissions is None:
        return f"the SAS is too narrow: its stored access policy '{sas.policy}' lacks {wanted}"
    if missing:
        return f"the SAS is too narrow: it has sp={sas.permissions}, this needs {wanted}"
    if "c" in attempt.needs and sas.allows("w") is False:
        return (
            "a blob of this name exists already, which a create-only SAS may not replace; "
            f"or the SAS (sp={sas.permissions}) was made for another container"
        )
    return f"the SAS (sp={sas.permissions}) does not allow this; was it made for another container?"


def _unauthentic(failure: Failure, attempt: Attempt, now: datetime.datetime, signed: bool) -> str:
    # For dates within the credential the service's clock counts, not ours.
    there = failure.date or now
    sas = attempt.endpoint.sas
    if sas and sas.expires and sas.expires <= there:
        return f"the SAS expired at {_stamp(sas.expires)} (it is {_stamp(there)} there); make a new one"
    if sas and sas.starts and sas.starts > there:
        return f"the SAS becomes valid only at {_stamp(sas.starts)} (it is {_stamp(there)} there)"
    if not signed and failure.date and abs(now - failure.date) > SKEW:
        seconds = int((now - failure.date).total_seconds())
        side = "ahead of" if seconds > 0 else "behind"
        return f"this machine's clock is {abs(seconds) // 60} minutes {side} the service's; is time synchronised?"
    if sas and sas.protocol == "https" and attempt.endpoint.url.startswith("http://"):
        return "the SAS allows https only, and account_url is http"
    if sas and sas.policy:
        policy = f"its stored access policy '{sas.policy}' is gone or expired"
        return f"the SAS is not accepted: {policy}, or its signature is wrong"
    if sas:
        return "the SAS is not accepted: it is damaged, made for another account or container, or its key was rotated"
    if attempt.endpoint.kind == "account_key":
        account = attempt.endpoint.account
        return f"the key is not accepted: it is wrong or was rotated, or is not that of account '{account}'"
    return "the credential is not accepted; or the account's network rules shut this machine out"


def _stamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
