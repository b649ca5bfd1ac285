# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of stores, and what a refusal of S3 means."""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan, s3, stores
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.source import open_source
from botocore.exceptions import ClientError, ConnectionClosedError

KEY = {"access_key_id": "AKIAX", "secret_access_key": "xyzzy"}
S3 = {"name": "near", "bucket": "b", "endpoint_url": "https://s3.test", "credential": KEY}
SAS = {"kind": "sas", "sas": "sv=1&sig=xyzzy&sp=c"}
AZURE = {"name": "far", "account_url": "https://x.blob.core.windows.net", "container": "c", "credential": SAS}
NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ([S3, AZURE], []),
        ([], []),
        ([{**S3, "name": ""}], ["stores[0]: name: missing (try 'near')"]),
        ([S3, {**AZURE, "name": "near"}], ["stores[1] 'near': name: another store has it already"]),
        ([{**S3, "kind": "ftp"}], ["stores[0] 'near': kind: 'ftp' is not one of azure, s3"]),
        ([{**S3, "container": "c"}], ["stores[0] 'near': container: does not go with kind s3"]),
        ([{**AZURE, "region": "x"}], ["stores[0] 'far': region: does not go with kind azure"]),
        ([{**S3, "kind": "s3", "bucket": ""}], ["stores[0] 'near': bucket: missing"]),
        (
            [{**S3, "credential": {"access_key_id": "x"}}],
            ["stores[0] 'near': credential.secret_access_key: missing; kind access_key needs it"],
        ),
        ([{**S3, "credential": {"kind": "instance"}}], []),
        (
            [{**S3, "credential": {"kind": "instance", "session_token": "xyzzy"}}],
            ["stores[0] 'near': credential.session_token: does not go with kind instance"],
        ),
        (
            [{**S3, "credential": SAS}],
            ["stores[0] 'near': credential.kind: 'sas' is not one of access_key, instance for a store of kind s3"],
        ),
        (
            [{**S3, "endpoint_url": "https://AKIAX:xyzzy@s3.test"}],
            ["stores[0] 'near': endpoint_url: holds a credential; give the address alone"],
        ),
        (
            [{**S3, "endpoint_url": "s3.test"}],
            ["stores[0] 'near': endpoint_url: 's3.test' is not a URL (https://s3.eu-central-1.example.com)"],
        ),
        ([{**S3, "addressing": "x"}], ["stores[0] 'near': addressing: 'x' is not one of path, virtual"]),
        ([{**AZURE, "container": ""}], ["stores[0] 'far': container: missing"]),
        (
            [{**S3, "bucket": "", "kind": "s3", "addressing": "x"}, {**AZURE, "credential": {}}],
            [
                "stores[0] 'near': bucket: missing",
                "stores[0] 'near': addressing: 'x' is not one of path, virtual",
                "stores[1] 'far': credential.kind: missing (one of account_key, sas, connection_string, "
                "managed_identity, service_principal)",
            ],
        ),
    ],
)
def test_settings(given: list[dict[str, Any]], errors: list[str]) -> None:
    found = stores.problems(given)
    assert found == errors
    assert "xyzzy" not in "".join(found)


def test_the_kind_is_seen_by_what_is_given() -> None:
    assert [stores.kind_of(store) for store in (S3, AZURE, {"kind": "s3"})] == ["s3", "azure", "s3"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "InvalidAccessKeyId",
            "the access key 'AKIAX' is unknown to the service; it was removed, or belongs to another",
        ),
        ("SignatureDoesNotMatch", "the secret of access key 'AKIAX' is wrong"),
        ("ExpiredToken", "the credential has expired; make a new one"),
        ("InvalidToken", "the session token is not accepted; it has expired, or is of another service"),
        ("RequestTimeTooSkewed", "this machine's clock is off by 20 minutes; is time synchronised?"),
        ("NoSuchBucket", "there is no such bucket; create it, or correct the name"),
        ("PermanentRedirect", "the bucket is in another region; set region (said)"),
        ("BadDigest", "the service received other bytes than were hashed: the network damages data"),
        ("SlowDown", "the service is busy or ill, and stayed so (said)"),
        ("AccessDenied", "access denied, and this machine's clock differs from the service's"),
        ("Strange", "said"),
    ],
)
def test_refusals_are_explained(code: str, reason: str) -> None:
    failure = Failure("answer", status=400, code=code, text="said", date=NOW - datetime.timedelta(minutes=20))
    assert s3.refusal(failure, "AKIAX", NOW).startswith(reason)


def test_an_expired_credential_is_said_without_its_token() -> None:
    """What AWS answers to a session token whose time is up."""
    token = "FwoGZXIvYXdzEXYZ"
    answer = {
        "Error": {"Code": "ExpiredToken", "Message": f"The provided token {token} has expired."},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}},
    }

    def refused(**_: Any) -> None:
        raise ClientError(answer, "PutObject")

    with s3.S3Store({**S3, "credential": {**KEY, "session_token": token}}) as store:
        with pytest.raises(
            BlobError, match=r"Cannot upload x in bucket 'b' at https://s3.test: the credential has ex"
        ) as e:
            store._call("upload x", refused)
        odd = ClientError({**answer, "Error": {"Code": "Odd", "Message": f"{token} and xyzzy"}}, "PutObject")
        assert token not in str(store._error(odd, "upload")) and "xyzzy" not in str(store._error(odd, "upload"))
    assert token not in str(e.value)


def answer(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


class Service:
    """Takes a body as the real one does, after a few failures."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.bodies: list[bytes] = []

    def put(self, Body: Any, **_: Any) -> dict[str, str]:  # noqa: N803
        half = bytes(Body.read(4))
        if self.failures:
            raise self.failures.pop(0)
        self.bodies.append(half + Body.read())
        return {"ETag": "x"}


BROKEN = ConnectionClosedError(endpoint_url="https://s3.test")


@pytest.mark.parametrize(
    "failures",
    [[], [BROKEN], [BROKEN, answer(503, "SlowDown"), answer(400, "RequestTimeout"), BROKEN]],
    ids=["at once", "the line broke", "several things"],
)
def test_what_may_help_is_tried_again_from_the_start(
    tmp_path: Path, failures: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "pause", lambda *_: 0.0)
    (tmp_path / "f").write_bytes(b"0123456789")
    service = Service(*failures)
    with s3.S3Store(S3) as store, open_source(tmp_path / "f") as source:
        store._call("put", service.put, Body=s3._Slice(source, plan.Block(0, 2, 8), store._check))
    assert service.bodies == [b"23456789"]


@pytest.mark.parametrize(
    ("failures", "repeated"),
    [([answer(412, "PreconditionFailed")], False), ([BROKEN, answer(412, "PreconditionFailed")], True),
     ([answer(503, "SlowDown"), answer(412, "PreconditionFailed")], False)],
    ids=["somebody else's", "most likely ours: an answer was lost", "refused before"],
)  # fmt: skip
def test_a_name_that_is_taken(
    tmp_path: Path, failures: list[Exception], repeated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "pause", lambda *_: 0.0)
    (tmp_path / "f").write_bytes(b"0123456789")
    with s3.S3Store(S3) as store, open_source(tmp_path / "f") as source, pytest.raises(s3._TakenError) as taken:
        store._call("put", Service(*failures).put, Body=s3._Slice(source, plan.Block(0, 0, 10), store._check))
    assert taken.value.repeated is repeated


@pytest.mark.parametrize("ask", [pytest.param(1, id="less than a piece"), pytest.param(99, id="more than a piece")])
def test_a_body_is_read_in_pieces_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: int) -> None:
    monkeypatch.setattr(s3, "READ", 3)
    (tmp_path / "f").write_bytes(b"0123456789")
    with open_source(tmp_path / "f") as source:
        body = s3._Slice(source, plan.Block(0, 1, 8), lambda: None)
        for _again in range(2):
            pieces = [bytes(piece) for piece in iter(lambda: body.read(ask), b"")]
            assert (pieces, body.tell()) == ([b"123", b"456", b"78"], 8)
            body.seek(0)


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        pytest.param(b"9876543210", r"f changed while it was read \(another modification time\)", id="the file is"),
        pytest.param(None, "the service received other bytes than were hashed: the network", id="the network is"),
    ],
)
def test_what_is_to_blame_for_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bytes | None, said: str
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    os.utime(path, (1, 1))

    def put_object(**_: Any) -> None:
        if meanwhile:
            path.write_bytes(meanwhile)
        raise answer(400, "BadDigest")

    with s3.S3Store(S3) as store:
        monkeypatch.setattr(store._sdk, "put_object", put_object)
        with pytest.raises(BlobError, match=said):
            store.put(path, "x")


class Parts:
    """As much of boto3 as an upload needs; keeps what it is given, by the name of the call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.metadata: dict[str, str] = {}
        self.bodies: dict[int, bytes] = {}
        self.meta = SimpleNamespace(endpoint_url="https://s3.test")

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> dict[str, str]:
            if "Metadata" in given:
                self.metadata = given["Metadata"]
            if "Body" in given:
                self.bodies[given.get("PartNumber", 0)] = given["Body"].read()
            self.calls.append(name)
            return {"UploadId": "1", "ETag": "x"}

        return call


@pytest.mark.parametrize("mebibytes", [pytest.param(1, id="in one request"), pytest.param(2.5, id="in parts")])
@pytest.mark.parametrize(
    "known", [pytest.param(None, id="not known"), pytest.param(0, id="known"), pytest.param(1, id="known as another")]
)
def test_what_a_file_is_known_to_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: float, known: int | None
) -> None:
    """Nothing is completed where the file has rotted since its manifest was written."""
    monkeypatch.setattr(s3, "PART", plan.MIB)
    content = os.urandom(int(mebibytes * plan.MIB))
    (tmp_path / "f").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with s3.S3Store(S3) as store:
        fake = Parts()
        monkeypatch.setattr(store, "_sdk", fake)
        if known:
            with pytest.raises(BlobError, match=f"f is not what it should be: its SHA-256 is {digest}, expected 0"):
                store.put(tmp_path / "f", "x", sha256="0" * 64)
            assert {"complete_multipart_upload", "put_object"}.isdisjoint(fake.calls)
            assert fake.calls[-1:] == (["abort_multipart_upload"] if mebibytes > 1 else [])
            return
        done = store.put(tmp_path / "f", "x", sha256=None if known is None else digest.upper())
    assert (done.sha256, fake.metadata["mainstay_sha256"]) == (digest, digest)
    assert b"".join(fake.bodies[number] for number in sorted(fake.bodies)) == content
    assert fake.calls[-1] == ("complete_multipart_upload" if mebibytes > 1 else "put_object")


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a service that answered before the settings decide, with one that never did a few seconds."""
    monkeypatch.setattr(s3, "FIRST_ANSWER", 0.2)

    def down(**_: Any) -> None:
        raise ConnectionRefusedError

    for known, limit in ((False, 0.2), (True, 1.0)):
        with s3.S3Store({**S3, "outage": 1}) as store, pytest.raises(BlobError, match="refuses connections"):
            store._answered = known
            began = time.monotonic()
            store._call("put", down)
        assert time.monotonic() - began <= limit + 0.1


def test_refusals_are_final() -> None:
    service = Service(answer(403, "AccessDenied"), BROKEN)
    with s3.S3Store(S3) as store, pytest.raises(BlobError, match="does not allow it"):
        store._call("put", service.put, Body=io.BytesIO(b"x"))
    assert len(service.failures) == 1
