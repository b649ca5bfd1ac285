# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import socket
import ssl
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import (
    Attempt,
    Failure,
    explain,
    failure_of,
    scrub,
    suspect,
)

URL = "https://snipback.blob.core.windows.net"
NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)


def key(**options: Any) -> Attempt:
    endpoint = resolve(URL, {"kind": "account_key", "account_key": "c2VjcmV0a2V5"})
    return Attempt(endpoint, "backups", "upload /x as 'x'", name="x", **options)


def sas(fields: str, url: str = URL, needs: str = "w") -> Attempt:
    endpoint = resolve(url, {"kind": "sas", "sas": f"sv=1&sig=geheim&{fields}"})
    return Attempt(endpoint, "backups", "upload /x as 'x'", name="x", needs=needs)


def role(kind: str, needs: str) -> Attempt:
    fields = {"tenant_id": "t", "client_id": "c", "client_secret": "s"} if kind == "service_principal" else {}
    return Attempt(resolve(URL, {"kind": kind, **fields}), "backups", "upload", needs=needs)


def answer(status: int, code: str | None, **facts: Any) -> Failure:
    return Failure("answer", status=status, code=code, date=facts.pop("date", NOW), **facts)


def test_a_message_names_what_where_why_and_code() -> None:
    assert (
        explain(answer(404, "ContainerNotFound"), key(), NOW)
        == "Cannot upload /x as 'x' in container 'backups' of account 'snipback'"
        " (https://snipback.blob.core.windows.net): there is no such container; create it, or correct the name [404"
        " ContainerNotFound]"
    )


@pytest.mark.parametrize(
    ("failure", "attempt", "expected"),
    [
        pytest.param(
            answer(403, "AuthenticationFailed"),
            key(),
            "the key is not accepted: it is wrong or was rotated, or is not that of account 'snipback'",
            id="wrong key (Azure)",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            key(),
            "the key is not accepted: it is wrong or was rotated, or is not that of account 'snipback'",
            id="wrong key (Azurite)",
        ),
        pytest.param(
            answer(403, "AuthenticationFailed", date=NOW - HOUR),
            key(),
            "this machine's clock is 60 minutes ahead of the service's; is time synchronised?",
            id="clock ahead",
        ),
        pytest.param(
            answer(403, "AuthenticationFailed", date=NOW + HOUR),
            key(),
            "this machine's clock is 60 minutes behind the service's; is time synchronised?",
            id="clock behind",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            sas("sp=c&se=2026-11-20"),
            "the SAS expired at 2026-11-20T00:00:00Z (it is 2026-11-21T12:00:00Z there); make a new one",
            id="expired",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure", date=NOW + HOUR),
            sas("sp=c&se=2026-11-21T12:30Z"),
            "the SAS expired at 2026-11-21T12:30:00Z (it is 2026-11-21T13:00:00Z there); make a new one",
            id="expired by the service's clock",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            sas("sp=c&st=2026-11-22"),
            "the SAS becomes valid only at 2026-11-22T00:00:00Z (it is 2026-11-21T12:00:00Z there)",
            id="not yet valid",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            sas("sp=c"),
            "the SAS is not accepted: it is damaged, made for another account or container, or its key was rotated",
            id="wrong signature",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            sas("si=writers"),
            "the SAS is not accepted: its stored access policy 'writers' is gone or expired, or its signature is wrong",
            id="policy removed",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            sas("sp=c&spr=https", url="http://127.0.0.1/snipback"),
            "the SAS allows https only, and account_url is http",
            id="https only",
        ),
        pytest.param(
            answer(403, "AuthorizationProtocolMismatch"),
            sas("sp=c"),
            "the SAS allows https only, and account_url is http",
            id="https only (named)",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            sas("sp=c"),
            "the SAS is too narrow: it has sp=c, this needs 'w' (write)",
            id="too narrow",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            sas("sp=rc", needs="wt"),
            "the SAS is too narrow: it has sp=rc, this needs 'w' (write), 't' (tags)",
            id="too narrow twice",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            sas("sp=c", needs="c"),
            "a blob of this name exists already, which a create-only SAS may not replace; or the SAS (sp=c) was made"
            " for another container",
            id="create only, taken (Azurite)",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            sas("sp=rw"),
            "the SAS (sp=rw) does not allow this; was it made for another container?",
            id="another container",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            sas("si=readers"),
            "the SAS is too narrow: its stored access policy 'readers' lacks 'w' (write)",
            id="policy too narrow",
        ),
        pytest.param(
            answer(403, "AuthorizationResourceTypeMismatch"),
            sas("sp=rw&srt=c"),
            "the SAS is for other resource types (srt=c); it needs 'o', and 'c' for lists",
            id="account SAS without objects",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            role("service_principal", "w"),
            "the credential's role is too narrow; it needs Storage Blob Data Contributor on the container",
            id="role for writing",
        ),
        pytest.param(
            answer(403, "AuthorizationPermissionMismatch"),
            role("managed_identity", "r"),
            "the credential's role is too narrow; it needs Storage Blob Data Reader on the container",
            id="role for reading",
        ),
        pytest.param(
            answer(403, "AuthorizationFailure"),
            role("managed_identity", "w"),
            "the credential is not accepted; or the account's network rules shut this machine out",
            id="network rules",
        ),
        pytest.param(
            answer(403, "UnauthorizedBlobOverwrite"),
            sas("sp=c"),
            "a blob of this name exists already",
            id="create only, taken (Azure)",
        ),
        pytest.param(answer(409, "BlobAlreadyExists"), key(), "a blob of this name exists already", id="taken"),
        pytest.param(
            answer(409, "BlobImmutableDueToPolicy"),
            key(),
            "a blob of this name exists already and is immutable",
            id="immutable",
        ),
        pytest.param(
            answer(412, "ConditionNotMet"),
            key(),
            "the blob was changed by somebody else meanwhile",
            id="changed meanwhile",
        ),
        pytest.param(
            answer(400, "Md5Mismatch"),
            key(),
            "the service received other bytes than were hashed: the file changes while it is read, or the network"
            " damages data",
            id="MD5 (Azure)",
        ),
        pytest.param(
            answer(400, "InvalidOperation", text="Provided contentMD5 doesn't match."),
            key(),
            "the service received other bytes than were hashed: the file changes while it is read, or the network"
            " damages data",
            id="MD5 (Azurite)",
        ),
        pytest.param(
            answer(400, "InvalidBlockList"),
            key(),
            "blocks that were sent are gone: somebody else wrote this blob meanwhile",
            id="blocks gone",
        ),
        pytest.param(answer(404, "BlobNotFound"), key(), "there is no such blob", id="no blob"),
        pytest.param(answer(404, None), key(), "there is no such account, container or blob", id="404 without a word"),
        pytest.param(
            answer(409, "BlobArchived"), key(), "the blob is in the archive tier; rehydrate it first", id="archived"
        ),
        pytest.param(
            answer(503, "ServerBusy", text="slow down"),
            key(),
            "the service is busy or ill, and stayed so (slow down)",
            id="busy",
        ),
        pytest.param(answer(409, "SomethingNew", text="who knows"), key(), "who knows", id="unknown code"),
        pytest.param(
            Failure("dns"),
            key(),
            "the name snipback.blob.core.windows.net does not resolve; is the account's name right, and does DNS work"
            " here?",
            id="dns",
        ),
        pytest.param(
            Failure("refused"),
            key(),
            "snipback.blob.core.windows.net refuses connections; is the address right, and does a firewall or proxy"
            " stand between?",
            id="refused",
        ),
        pytest.param(
            Failure("timeout"),
            key(),
            "snipback.blob.core.windows.net does not answer in time; is the address right, and does a firewall or proxy"
            " stand between?",
            id="timeout",
        ),
        pytest.param(
            Failure("dropped", text="reset"),
            key(),
            "the connection to snipback.blob.core.windows.net broke off (reset)",
            id="dropped",
        ),
        pytest.param(
            Failure("tls", text="self-signed"),
            key(),
            "the certificate of snipback.blob.core.windows.net is not trusted (self-signed); give its authority as"
            " ca_bundle or REQUESTS_CA_BUNDLE",
            id="not trusted",
        ),
        pytest.param(
            Failure("tls", text="self-signed"),
            key(ca_bundle="/ca.pem"),
            "the certificate of snipback.blob.core.windows.net is not trusted (self-signed); ca_bundle is /ca.pem",
            id="not trusted with a bundle",
        ),
        pytest.param(
            Failure("tls_protocol", text="wrong version"),
            key(),
            "snipback.blob.core.windows.net does not speak TLS as expected (wrong version); is it http instead of"
            " https?",
            id="http on https",
        ),
        pytest.param(
            Failure("identity", text="no IMDS"),
            role("managed_identity", "w"),
            "no token for the managed identity of this machine: no IMDS",
            id="identity",
        ),
        pytest.param(
            Failure("identity", text="AADSTS7000215"),
            role("service_principal", "w"),
            "no token for the service principal: AADSTS7000215",
            id="principal",
        ),
    ],
)
def test_suspect(failure: Failure, attempt: Attempt, expected: str) -> None:
    assert suspect(failure, attempt, NOW) == expected


class Response:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HttpResponseError(Exception):
    def __init__(self, status: int, code: str | None, response: Response) -> None:
        super().__init__("first line\nTime: then")
        self.status_code, self.error_code, self.response = status, code, response


class ServiceRequestError(Exception):
    def __init__(self, inner: BaseException) -> None:
        super().__init__(str(inner))
        self.inner_exception = inner


class ClientAuthenticationError(Exception):
    status_code = 401


def wrapped(cause: BaseException) -> ServiceRequestError:
    """As urllib3 and requests do it: as an argument, as a reason, as a cause."""
    middle = RuntimeError("Max retries exceeded")
    middle.reason = OSError(cause)  # type: ignore[attr-defined]
    return ServiceRequestError(ConnectionError(middle))


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        pytest.param(wrapped(socket.gaierror(-2, "Name or service not known")), "dns", True, id="dns"),
        pytest.param(wrapped(ConnectionRefusedError(111, "refused")), "refused", True, id="refused"),
        pytest.param(wrapped(TimeoutError("timed out")), "timeout", True, id="timeout"),
        pytest.param(
            wrapped(ssl.SSLCertVerificationError(1, "self-signed certificate")), "tls", False, id="certificate"
        ),
        pytest.param(wrapped(ssl.SSLError(1, "wrong version number")), "tls_protocol", False, id="not TLS"),
        pytest.param(wrapped(ssl.SSLEOFError(8, "EOF occurred")), "dropped", True, id="cut within TLS"),
        pytest.param(wrapped(ConnectionResetError(104, "reset")), "dropped", True, id="reset"),
        pytest.param(ClientAuthenticationError("no token"), "identity", False, id="no token"),
        pytest.param(HttpResponseError(503, "ServerBusy", Response()), "answer", True, id="busy"),
        pytest.param(HttpResponseError(403, "AuthorizationFailure", Response()), "answer", False, id="refusal"),
        pytest.param(HttpResponseError(500, "FeatureNotSupported", Response()), "answer", False, id="not supported"),
        pytest.param(ZeroDivisionError("x"), "other", False, id="a bug"),
    ],
)
def test_failure_of(error: BaseException, kind: str, retryable: bool) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_facts_of_an_answer() -> None:
    response = Response(Date="Sat, 21 Nov 2026 12:00:00 GMT", Retry_After="7")
    failure = failure_of(HttpResponseError(503, "ServerBusy", response))
    assert failure == Failure("answer", 503, "ServerBusy", "first line", NOW, 7.0)


def test_the_code_of_a_head_is_in_its_header() -> None:
    assert failure_of(HttpResponseError(404, None, Response(x_ms_error_code="BlobNotFound"))).code == "BlobNotFound"


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        pytest.param(
            "https://x/c/b?sv=1&sig=AbC%2Fd%3D&sp=r", [], "https://x/c/b?sv=1&sig=(hidden)&sp=r", id="signature"
        ),
        pytest.param("sig=AbC", [], "sig=(hidden)", id="bare signature"),
        pytest.param(
            "AccountName=a;AccountKey=Zm9v==;X=y", [], "AccountName=a;AccountKey=(hidden);X=y", id="connection string"
        ),
        pytest.param(
            "SharedAccessSignature=sv=1&x=2;B=c",
            [],
            "SharedAccessSignature=(hidden);B=c",
            id="SAS in a connection string",
        ),
        pytest.param("Authorization: Bearer ey.J0-_x", [], "Authorization: Bearer (hidden)", id="token"),
        pytest.param("Authorization: SharedKey a:Zm9v=", [], "Authorization: SharedKey (hidden)", id="shared key"),
        pytest.param(
            "the client said hunter22, hunter22!", ["hunter22"], "the client said (hidden), (hidden)!", id="literal"
        ),
        pytest.param("design=new&assigned=2", [], "design=new&assigned=2", id="other words stay"),
        pytest.param("abc", ["a"], "abc", id="too short to be a secret"),
    ],
)
def test_scrub(text: str, secrets: list[str], expected: str) -> None:
    assert scrub(text, secrets) == expected
