# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on a real S3 service."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import s3 as subject
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import S3Store

from tests.integration.stores.conftest import MIB, Proxy, Weed


def through(proxy: Proxy, settings: dict[str, Any], **options: Any) -> S3Store:
    return S3Store({**settings, "endpoint_url": f"http://127.0.0.1:{proxy.port}", **options})


def bytes_of(weed: Weed, key: str, bucket: str = "plain") -> bytes:
    return bytes(weed.sdk.get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize("size", ["empty", "tiny", "small", "large"])
@pytest.mark.parametrize("bucket", ["plain", "locked"])
def test_there_and_back(weed: Weed, files: dict[str, Path], name: str, tmp_path: Path, size: str, bucket: str) -> None:
    """The large one goes in parts. Who writes can neither look nor list."""
    with S3Store(weed.store("writer", bucket, prefix="a/b")) as writer:
        done = writer.put(files[size], name, {"set": "1"})
    assert done.changed and done.verified.startswith("Content-MD5 of each request")
    assert bytes_of(weed, f"a/b/{name}", bucket) == files[size].read_bytes()
    with S3Store(weed.store("reader", bucket, prefix="a/b")) as reader:
        (found,) = reader.list(name)
        assert (found.name, found.size, bool(found.version)) == (name, files[size].stat().st_size, bucket == "locked")
        back = reader.get(name, tmp_path / "back")
        assert back.verified == "SHA-256"
        assert reader.read(name) == files[size].read_bytes() if size != "large" else True
    assert (tmp_path / "back").read_bytes() == files[size].read_bytes()
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("who", ["writer", "admin"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_nothing_is_replaced(weed: Weed, files: dict[str, Path], name: str, who: str, size: str) -> None:
    with S3Store(weed.store("writer")) as store:
        store.put(files["tiny"], name)
    knows = "with another content" if who == "admin" else "the credential may not read it, so it cannot be compared"
    with (
        S3Store(weed.store(who)) as store,
        pytest.raises(BlobError, match=f"exists already in bucket 'plain'.*{knows}"),
    ):
        store.put(files[size], name)
    assert bytes_of(weed, name) == files["tiny"].read_bytes()


def test_the_same_again_does_nothing(weed: Weed, files: dict[str, Path], name: str) -> None:
    with S3Store(weed.store("admin")) as store:
        assert store.put(files["small"], name).changed
        assert not store.put(files["small"], name).changed


def test_the_writer_can_neither_read_list_nor_delete(
    weed: Weed, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    with S3Store(weed.store("writer")) as store:
        store.put(files["tiny"], name)
        for attempt in (
            lambda: store.list(),
            lambda: store.read(name),
            lambda: store.get(name, tmp_path / "x"),
            lambda: store.remove(name),
            lambda: store._call("remove", store._sdk.delete_object, Bucket="plain", Key=name),
        ):
            with pytest.raises(
                BlobError, match=r"the policy of access key 'writer' does not allow it.* \[403 AccessDenied"
            ):
                attempt()
        assert store.may_remove().verdict == "ok"
    assert bytes_of(weed, name) == files["tiny"].read_bytes()


def test_what_is_overwritten_or_hidden_is_still_what_counts(
    weed: Weed, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    """A thief with the writer's key leaves out the condition, one with more rights deletes: the oldest counts."""
    with S3Store(weed.store("writer", "locked")) as store:
        store.put(files["tiny"], name)
        store._sdk.put_object(Bucket="locked", Key=name, Body=b"ransom")
    weed.sdk.delete_object(Bucket="locked", Key=name)
    with S3Store(weed.store("reader", "locked")) as reader:
        assert [found.size for found in reader.list(name)] == [5]
        reader.get(name, tmp_path / "back")
        assert reader.read(name) == files["tiny"].read_bytes()
    assert (tmp_path / "back").read_bytes() == files["tiny"].read_bytes()
    with S3Store(weed.store("pruner", "locked")) as pruner, pytest.raises(BlobError, match="is locked until 20"):
        pruner.remove(name)


def test_what_is_overwritten_where_no_versions_are_kept(
    weed: Weed, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    """Nothing protects there, which is said, and what was put there is not taken for the backup."""
    with S3Store(weed.store("writer")) as store:
        store.put(files["tiny"], name)
        store._sdk.put_object(Bucket="plain", Key=name, Body=b"12345")
    with S3Store(weed.store("reader")) as reader:
        assert [(found.name, found.verdict) for found in reader.protection()] == [
            ("versions", "bad"),
            ("lock", "bad"),
            ("encryption", "bad"),
        ]
        with pytest.raises(BlobError, match="is not what it should be: its SHA-256 is"):
            reader.get(name, tmp_path / "back", hashlib.sha256(files["tiny"].read_bytes()).hexdigest())
    assert not (tmp_path / "back").exists()


def test_protection_is_seen(weed: Weed) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    weed.sdk.put_bucket_encryption(Bucket="locked", ServerSideEncryptionConfiguration={"Rules": [rule]})
    try:
        with S3Store(weed.store("reader", "locked")) as store:
            seen = {found.name: (found.verdict, found.reason) for found in store.protection()}
    finally:
        weed.sdk.delete_bucket_encryption(Bucket="locked")
    assert seen["encryption"] == ("ok", "at rest by AES256")
    assert seen["versions"][0] == "ok"
    assert seen["lock"] == ("ok", "governance for 1 days")
    with S3Store(weed.store("blind", "locked")) as store:
        assert {found.verdict for found in store.protection()} == {"not_verified"}
    with S3Store(weed.store("admin")) as store:
        assert store.may_remove().verdict == "bad"


def test_the_attempt_to_remove_leaves_nothing(weed: Weed) -> None:
    with S3Store(weed.store("admin", "locked")) as store:
        assert store.may_remove().verdict == "bad"
    found = weed.sdk.list_object_versions(Bucket="locked", Prefix="mainstay-probe-")
    assert found.get("DeleteMarkers", []) == []


def test_pruning_needs_another_key(weed: Weed, files: dict[str, Path], name: str) -> None:
    with S3Store(weed.store("writer")) as store:
        store.put(files["tiny"], name)
    with S3Store(weed.store("pruner")) as store:
        store.remove(name)
        store.remove(name)
        assert list(store.list(name)) == []
        with pytest.raises(BlobError, match="does not allow it"):
            store.put(files["tiny"], name)


def test_a_reader_that_may_not_see_versions(weed: Weed, files: dict[str, Path], name: str) -> None:
    with S3Store(weed.store("writer", "locked")) as store:
        store.put(files["tiny"], name)
    with S3Store(weed.store("blind", "locked")) as store:
        assert [found.name for found in store.list(name)] == [name]
        assert store.read(name) == files["tiny"].read_bytes()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"credential": {"access_key_id": "nobody", "secret_access_key": "xyzzy"}},
            "the access key 'nobody' is unknown",
        ),
        (
            {"credential": {"access_key_id": "writer", "secret_access_key": "xyzzy"}},
            "secret of access key 'writer' is wrong",
        ),
        ({"bucket": "nowhere"}, "the policy of access key 'writer' does not allow it, or the bucket is another's"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "127.0.0.1 refuses connections"),
        ({"endpoint_url": "https://nowhere.invalid"}, "nowhere.invalid does not resolve"),
    ],
    ids=["unknown key", "wrong secret", "missing bucket", "nobody there", "no such name"],
)
def test_errors_name_the_suspect(
    weed: Weed, files: dict[str, Path], name: str, change: dict[str, Any], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "FIRST_ANSWER", 1)
    with S3Store({**weed.store("writer"), **change}) as store, pytest.raises(BlobError, match=error) as raised:
        store.put(files["tiny"], name)
    assert "xyzzy" not in str(raised.value)
    assert weed.keys["writer"] not in str(raised.value)


def test_a_bucket_that_is_not_there_is_named(weed: Weed, files: dict[str, Path], name: str) -> None:
    with S3Store(weed.store("admin", "nowhere")) as store, pytest.raises(BlobError, match="there is no such bucket"):
        store.put(files["tiny"], name)


def test_bytes_that_change_on_the_way_are_refused_by_the_service(weed: Weed, files: dict[str, Path], name: str) -> None:
    def damage(request: Any, **_: Any) -> None:
        body = bytearray(request.body.read())
        body[-1] ^= 1
        request.body = bytes(body)

    for size, call in (("small", "PutObject"), ("large", "UploadPart")):
        with S3Store(weed.store("writer")) as store:
            store._sdk.meta.events.register(f"before-send.s3.{call}", damage)
            with pytest.raises(BlobError, match="the service received other bytes than were hashed"):
                store.put(files[size], name)
    with S3Store(weed.store("reader")) as reader:
        assert list(reader.list(name)) == []


def test_down_at_the_start_and_back_in_time(weed: Weed, proxy: Proxy, files: dict[str, Path], name: str) -> None:
    proxy.cut(2)
    with through(proxy, weed.store("writer")) as store:
        assert store.put(files["small"], name).changed
    assert bytes_of(weed, name) == files["small"].read_bytes()


@pytest.mark.parametrize("seconds", [1.0, 9e9], ids=["and back", "for good"])
def test_down_midway(
    weed: Weed, proxy: Proxy, files: dict[str, Path], name: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "PART", 8 * MIB)

    def cut() -> None:
        while proxy.up < 20 * MIB:
            time.sleep(0.005)
        proxy.cut(seconds)

    threading.Thread(target=cut, daemon=True).start()
    with through(proxy, weed.store("writer"), outage=30 if seconds < 9 else 2) as store:
        if seconds < 9:
            assert store.put(files["large"], name).changed
            assert bytes_of(weed, name) == files["large"].read_bytes()
        else:
            with pytest.raises(BlobError, match=r"Cannot upload .* in bucket 'plain' at .*: "):
                store.put(files["large"], name)
            with S3Store(weed.store("reader")) as reader:
                assert list(reader.list(name)) == []
                assert [begun.name for begun in reader.unfinished(name)] == [name]


@pytest.mark.parametrize(("who", "told"), [("writer", "not compared: the answer was lost"), ("admin", "its SHA-256")])
@pytest.mark.parametrize("size", ["small", "large"])
def test_the_answer_to_the_commit_is_lost(
    weed: Weed, proxy: Proxy, files: dict[str, Path], name: str, size: str, who: str, told: str
) -> None:
    # The end of the body: there is an answer before it, which says that it may come.
    proxy.lose.append(files[size].read_bytes()[-16:] if size == "small" else b"<CompleteMultipartUpload")
    with through(proxy, weed.store(who)) as store:
        assert store.put(files[size], name).verified.startswith(told)
    assert proxy.lost == 1
    assert bytes_of(weed, name) == files[size].read_bytes()


def test_what_another_wrote_while_an_answer_was_lost_is_not_taken_for_ours(
    weed: Weed, proxy: Proxy, files: dict[str, Path], name: str
) -> None:
    """The line breaks before the request has arrived, and another writer is quicker than the second try."""
    with through(proxy, weed.store("admin")) as store:
        store.list(name)
        proxy.cut(1.0)
        weed.sdk.put_object(Bucket="plain", Key=name, Body=b"another")
        with pytest.raises(BlobError, match=r"exists already in bucket 'plain'.* with another content"):
            store.put(files["small"], name)
    assert bytes_of(weed, name) == b"another"


def test_a_slow_line(weed: Weed, proxy: Proxy, files: dict[str, Path], name: str) -> None:
    proxy.limit = 400 * 1024
    with through(proxy, weed.store("writer")) as store:
        store.put(files["small"], name)
    with through(proxy, weed.store("writer"), timeout=1) as store, pytest.raises(BlobError, match="Gave up after 1 s"):
        store.put(files["middle"], name + "x")
    assert bytes_of(weed, name) == files["small"].read_bytes()


def test_a_download_goes_on_where_it_ended(
    weed: Weed, proxy: Proxy, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    with S3Store(weed.store("writer")) as store:
        store.put(files["middle"], name)
    with through(proxy, weed.store("reader"), timeout=1) as reader:
        proxy.limit_down = 6 * MIB
        with pytest.raises(BlobError, match="Gave up after 1 s"):
            reader.get(name, tmp_path / "back")
    (partial,) = tmp_path.iterdir()
    have = partial.stat().st_size
    assert 0 < have < 20 * MIB
    proxy.limit_down, before = None, proxy.down
    with through(proxy, weed.store("reader")) as reader:
        threading.Timer(0.05, proxy.cut, [0.5]).start()
        reader.get(name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == files["middle"].read_bytes()
    assert proxy.down - before < 20 * MIB + 3 - have + 4 * MIB


def test_what_was_begun_is_removed_when_it_is_old(weed: Weed, files: dict[str, Path], name: str) -> None:
    weed.sdk.create_multipart_upload(Bucket="plain", Key=name)
    now = datetime.datetime.now(datetime.timezone.utc)
    with S3Store(weed.store("pruner")) as store:
        store.remove_unfinished(now - datetime.timedelta(hours=1))
        assert [begun.name for begun in store.unfinished(name)] == [name]
        assert name in store.remove_unfinished(now + datetime.timedelta(hours=1))
        assert list(store.unfinished(name)) == []


def test_memory_stays_small(weed: Weed, name: str, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(300 * MIB)
    code = """
import json, resource, sys
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import S3Store
with S3Store(json.loads(sys.argv[1])) as store:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.put(sys.argv[2], sys.argv[3])
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    arguments = [json.dumps(weed.store("writer")), str(big), name]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32
