# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of stores, and what a refusal of S3 means."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import s3, stores
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from botocore.exceptions import ClientError

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
