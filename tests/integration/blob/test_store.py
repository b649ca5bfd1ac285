# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  one case a line
from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import Client, open_client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.download import download
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store import Store
from ansible_collections.mainstay.platform.plugins.module_utils.blob.upload import Options, Upload, upload

from .conftest import MIB, ROOT, Proxy, Service, now

Credential = Callable[[Service], dict[str, str]]
KINDS: dict[str, Credential] = {
    "account key": lambda s: s.account_key(),
    "connection string": lambda s: s.connection_string(),
    "SAS rcwl": lambda s: s.sas("rcwl"),
    "SAS cw": lambda s: s.sas("cw"),
    "SAS c": lambda s: s.sas("c"),
    "account SAS rwcl": lambda s: s.account_sas("rwcl", "co"),
    "account SAS c": lambda s: s.account_sas("c", "o"),
}


def store(
    service: Service, credential: dict[str, str] | None = None, port: int | None = None, **settings: Any
) -> Store:
    url = service.url.replace(str(service.port), str(port or service.port))
    given = {"account_url": url, "container": "box", "credential": credential or service.account_key()}
    return Store(given | settings)


@contextlib.contextmanager
def client(service: Service, credential: dict[str, str] | None = None, port: int | None = None) -> Iterator[Client]:
    url = service.url.replace(str(service.port), str(port or service.port))
    with open_client(resolve(url, credential or service.account_key()), "box") as found:
        yield found


def send(
    service: Service, path: Path, name: str, port: int | None = None, credential: Any = None, **options: Any
) -> Upload:
    with client(service, credential, port) as found:
        return upload(found, path, name, Options(**options))


def content(service: Service, name: str, place: Path) -> bytes:
    dest = place / "fetched"
    with store(service) as reader:
        reader.get(name, dest)
    return dest.read_bytes()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("label", ["empty", "tiny", "small", "middle", "large"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_credential_stores_every_size(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, kind: str, label: str
) -> None:
    with store(service, KINDS[kind](service)) as writer:
        done = writer.put(files[label], name, {"engine": "test"})
    assert done.changed and done.size == files[label].stat().st_size
    parts = 3 if label == "large" and kind in ("SAS c", "account SAS c") else 0
    assert done.parts == parts
    assert done.verified.startswith("Content-MD5 of ")
    assert content(service, name, tmp_path) == files[label].read_bytes()
    with store(service) as reader:
        [found] = reader.list(name)
    assert (found.name, found.size, found.parts, dict(found.metadata)) == (name, done.size, parts, {"engine": "test"})


@pytest.mark.parametrize(
    ("credential", "options", "message"),
    [
        pytest.param(lambda s: {"kind": "account_key", "account_key": "d3Jvbmc="}, {}, "the key is not accepted: it is wrong or was rotated, or is not that of account 'snipback' [403 AuthorizationFailure]", id="wrong key"),
        pytest.param(lambda s: s.sas("rcwl", expiry=-timedelta(hours=1)), {}, "the SAS expired at ", id="expired"),
        pytest.param(lambda s: s.sas("rcwl", start=None, key="d3Jvbmc="), {}, "the SAS is not accepted: it is damaged, made for another account or container, or its key was rotated [403 AuthorizationFailure]", id="wrong signature"),
        pytest.param(lambda s: s.sas("rcwl", container="other"), {}, "the SAS is not accepted: it is damaged, made for another account or container, or its key was rotated [403 AuthorizationFailure]", id="another container"),
        pytest.param(lambda s: s.sas("rl"), {}, "the SAS is too narrow: it has sp=rl, this needs '", id="read only"),
        pytest.param(lambda s: s.account_sas("rcwl", "c"), {}, "the SAS is for other resource types (srt=c); it needs 'o', and 'c' for lists", id="account SAS without objects"),
        pytest.param(lambda s: s.account_key(), {"container": "nosuch"}, "there is no such container; create it, or correct the name [404 ContainerNotFound]", id="no container"),
        pytest.param(lambda s: s.sas("c", container="nosuch"), {"container": "nosuch"}, "there is no such container; create it, or correct the name [404 ContainerNotFound]", id="no container, create only"),
        pytest.param(lambda s: s.account_key(), {"account_url": "https://snipback.invalid"}, "the name snipback.invalid does not resolve; is the account's name right, and does DNS work here?", id="no such host"),
        pytest.param(lambda s: s.account_key(), {"account_url": "http://127.0.0.1:9/snipback"}, "127.0.0.1 refuses connections; is the address right, and does a firewall or proxy stand between?", id="refused"),
        pytest.param(lambda s: s.account_key(), {"account_url": "https"}, "127.0.0.1 does not speak TLS as expected (", id="https to http"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("label", ["small", "large"])
def test_errors_name_the_suspect(
    service: Service, files: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch,
    credential: Credential, options: dict[str, Any], message: str, label: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("ansible_collections.mainstay.platform.plugins.module_utils.blob.client.FIRST_ANSWER", 0.5)
    given = credential(service)
    if options.get("account_url") == "https":
        options = {"account_url": service.url.replace("http:", "https:")}
    with store(service, given, **options) as writer, pytest.raises(BlobError) as caught:
        writer.put(files[label], name)
    text = str(caught.value)
    container = options.get("container", "box")
    assert text.startswith(
        f"Cannot upload {files[label]} as '{name}' in container '{container}' of account 'snipback' (http"
    )
    assert message in text
    for secret in (service.key, given.get("sas", "sig=nothing").split("sig=")[-1]):
        assert secret not in text


def test_an_unchanged_file_costs_one_request(service: Service, files: dict[str, Path], name: str, proxy: Proxy) -> None:
    send(service, files["middle"], name)
    done = send(service, files["middle"], name, port=proxy.port)
    assert (done.changed, done.reason) == (False, "unchanged: same size and modification time")
    assert proxy.requests == 1 and proxy.up < 2000


@pytest.mark.parametrize("checksum", [None, "sha256", "md5"])
def test_a_touched_file_is_compared_by_content(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, proxy: Proxy, checksum: str | None
) -> None:
    path = Path(shutil.copy(files["middle"], tmp_path / "x"))
    first = send(service, path, name, checksum=checksum)
    assert first.sha256 == (sha256(path) if checksum == "sha256" else None)
    os.utime(path, (1, 1))
    done = send(service, path, name, port=proxy.port)
    assert (done.changed, done.reason, done.transferred_bytes) == (False, "unchanged: same content", 0)
    assert proxy.up < 2000


def test_what_another_client_uploaded_is_compared_by_its_md5(
    service: Service, files: dict[str, Path], name: str
) -> None:
    service.sdk.get_blob_client("box", name).upload_blob(files["small"].read_bytes())
    assert send(service, files["small"], name).reason == "unchanged: same content"


@pytest.mark.parametrize("kind", ["account key", "SAS rcwl", "SAS cw"])
def test_another_content_is_not_replaced_unasked(
    service: Service, files: dict[str, Path], name: str, proxy: Proxy, tmp_path: Path, kind: str
) -> None:
    credential = KINDS[kind](service)
    send(service, files["middle"], name)
    with pytest.raises(
        BlobError, match=f"^'{name}' exists already in container 'box' of account 'snipback'.*nothing was sent"
    ):
        send(service, files["large"], name, port=proxy.port, credential=credential)
    assert proxy.up < 5000
    assert content(service, name, tmp_path) == files["middle"].read_bytes()
    done = send(service, files["large"], name, credential=credential, overwrite=True)
    assert done.changed
    assert content(service, name, tmp_path) == files["large"].read_bytes()


def test_create_only_may_not_replace(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    with store(service, service.sas("c")) as writer:
        writer.put(files["small"], name)
        with pytest.raises(
            BlobError, match="a blob of this name exists already, which a create-only SAS may not replace"
        ):
            writer.put(files["tiny"], name)
    assert content(service, name, tmp_path) == files["small"].read_bytes()


@pytest.mark.parametrize("first", ["small", "large"])
def test_what_a_thief_adds_later_replaces_nothing(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, first: str
) -> None:
    with store(service, service.sas("c")) as writer:
        writer.put(files[first], name)
        time.sleep(1.1)
        with contextlib.suppress(BlobError):
            writer.put(files["tiny"], name)
        forged = tmp_path / "forged"
        forged.write_bytes(os.urandom(40 * MIB))
        writer.put(forged, name)
    assert content(service, name, tmp_path) == files[first].read_bytes()


def test_check_mode_sends_nothing(service: Service, files: dict[str, Path], name: str, proxy: Proxy) -> None:
    with client(service, port=proxy.port) as found:
        done = upload(found, files["large"], name, check_mode=True)
        assert done.changed and done.verified == "check mode: nothing was sent"
        assert proxy.requests == 1
        upload(found, files["large"], name)
        assert not upload(found, files["large"], name, check_mode=True).changed


UPLOAD = """
import sys; sys.path.insert(0, sys.argv[1])
import json
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store import Store
with Store(json.loads(sys.argv[2])) as store:
    done = store.put(Path(sys.argv[3]), sys.argv[4])
    if len(sys.argv) > 5:
        store.get(sys.argv[4], Path(sys.argv[5]))
status = Path("/proc/self/status").read_text()  # ru_maxrss would include the parent's memory
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def process(service: Service, path: Path, name: str, *more: str, port: int | None = None, **settings: Any) -> list[str]:
    url = service.url.replace(str(service.port), str(port or service.port))
    given = {"account_url": url, "container": "box", "credential": service.account_key()} | settings
    return [sys.executable, "-c", UPLOAD, str(ROOT / ".ansible/collections"), json.dumps(given), str(path), name, *more]


def test_memory_does_not_grow_with_the_file(service: Service, name: str, tmp_path: Path) -> None:
    peaks = []
    for size in (32, 300):
        path = tmp_path / f"{size}"
        with path.open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(MIB))
        command = process(service, path, f"{name}.{size}")
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    small, large = peaks
    assert large <= 72, peaks
    assert large - small <= 6, peaks


def test_a_killed_upload_goes_on_where_it_ended(
    service: Service, files: dict[str, Path], name: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = files["large"]
    size = path.stat().st_size
    proxy.limit = 60 * MIB
    running = subprocess.Popen(process(service, path, name, port=proxy.port, block_size=MIB))
    deadline = time.monotonic() + 60
    while proxy.up < size / 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    running.wait()
    with store(service) as reader:
        assert reader.list(name) == []
    done = send(service, path, name, block_size=MIB)
    assert done.transferred_bytes + done.resumed_bytes == size
    assert done.transferred_bytes <= 0.58 * size
    assert content(service, name, tmp_path) == path.read_bytes()


@pytest.mark.parametrize("kind", ["SAS rcwl", "SAS cw"])
def test_leftovers_do_not_make_a_name_look_taken(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, kind: str
) -> None:
    service.sdk.get_blob_client("box", name).stage_block("0" * 48, b"left")
    assert send(service, files["tiny"], name, credential=KINDS[kind](service)).changed
    assert content(service, name, tmp_path) == files["tiny"].read_bytes()


LEFTOVERS = {
    "azure-storage-blob": b"0" * 48,
    "azcopy": b"0" * 36,
    "rclone": bytes(range(128, 144)) + b"\0\1",
    "azure-cli": b"\xff" * 9,
    "something odd": b"x" * 33,
}


@pytest.mark.parametrize("writer", LEFTOVERS)
@pytest.mark.parametrize("kind", ["SAS rcwl", "SAS cw"])
def test_leftovers_of_others_do_no_harm(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, writer: str, kind: str
) -> None:
    blob = service.sdk.get_blob_client("box", name)
    # Below the public method, which takes text only.
    blob._client.block_blob.stage_block(
        block_id=base64.b64encode(LEFTOVERS[writer]).decode(), content_length=4, body=b"left"
    )
    done = send(service, files["middle"], name, credential=KINDS[kind](service), block_size=MIB)
    assert done.changed
    assert content(service, name, tmp_path) == files["middle"].read_bytes()


@pytest.mark.parametrize("kind", ["account key", "SAS cw", "SAS c"])
def test_a_cut_line_is_waited_for(
    service: Service, files: dict[str, Path], name: str, proxy: Proxy, tmp_path: Path, kind: str
) -> None:
    proxy.limit = 60 * MIB
    size = files["large"].stat().st_size

    def cut() -> None:
        while proxy.up < size / 3:
            time.sleep(0.005)
        proxy.cut(2)

    threading.Thread(target=cut, daemon=True).start()
    done = send(service, files["large"], name, port=proxy.port, credential=KINDS[kind](service), block_size=2 * MIB)
    assert done.transferred_bytes == size
    assert content(service, name, tmp_path) == files["large"].read_bytes()
    sent_again = proxy.up - size
    assert sent_again < (4 * 2 * MIB if kind != "SAS c" else 33 * MIB) + MIB


@pytest.mark.parametrize("kind", ["SAS rcwl", "SAS c"])
def test_a_cut_line_is_waited_for_on_the_way_back(
    service: Service, files: dict[str, Path], name: str, proxy: Proxy, tmp_path: Path, kind: str
) -> None:
    send(service, files["large"], name, credential=KINDS[kind](service))
    proxy.limit_down = 60 * MIB
    size = files["large"].stat().st_size

    def cut() -> None:
        while proxy.down < size / 3:
            time.sleep(0.005)
        proxy.cut(2)

    threading.Thread(target=cut, daemon=True).start()
    with client(service, port=proxy.port) as found:
        done = download(found, name, tmp_path / "dest")
    assert (done.transferred_bytes, done.resumed_bytes) == (size, 0)
    assert (tmp_path / "dest").read_bytes() == files["large"].read_bytes()
    assert proxy.down - size < 4 * (8 if kind != "SAS c" else 32) * MIB + MIB


@pytest.mark.parametrize("kind", ["SAS cw", "SAS c"])
def test_a_credential_that_may_not_read_says_that_it_starts_over(
    service: Service, files: dict[str, Path], name: str, kind: str
) -> None:
    done = send(service, files["middle"], name, credential=KINDS[kind](service))
    assert done.reason.startswith("sent from the start, without a look: the credential may not read")
    assert done.transferred_bytes == files["middle"].stat().st_size


@pytest.mark.parametrize(
    ("kind", "label", "mark"),
    [
        pytest.param("account key", "middle", b"comp=blocklist", id="of the commit"),
        pytest.param("account key", "middle", b"comp=block&", id="of a block"),
        pytest.param("account key", "small", b"x-ms-blob-type", id="of a small blob"),
        pytest.param("SAS c", "large", b"part-00002", id="of a part"),
        pytest.param("SAS c", "large", b"parts.json", id="of the list of parts"),
        pytest.param("SAS c", "small", b"x-ms-blob-type", id="of a small blob, create only"),
    ],
)
def test_a_lost_answer(
    service: Service,
    files: dict[str, Path],
    name: str,
    proxy: Proxy,
    tmp_path: Path,
    kind: str,
    label: str,
    mark: bytes,
) -> None:
    credential = KINDS[kind](service)
    with client(service, credential, proxy.port) as found:
        proxy.lose.append(mark)
        done = upload(found, files[label], name)
    assert proxy.lost == 1
    assert done.changed
    assert content(service, name, tmp_path) == files[label].read_bytes()


def test_a_lost_answer_to_a_commit_that_cannot_be_read_is_told(
    service: Service, files: dict[str, Path], name: str, proxy: Proxy
) -> None:
    proxy.lose += [b"<Latest>MDAwMD"]
    with pytest.raises(BlobError, match="the service's answer was lost, and now the name is taken"):
        send(service, files["middle"], name, port=proxy.port, credential=service.sas("cw"))


@pytest.mark.parametrize("kind", ["account key", "SAS c"])
def test_a_file_that_changes_while_it_is_read_is_not_stored(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, kind: str
) -> None:
    path = Path(shutil.copy(files["large"], tmp_path / "x"))

    def change(sent: int, total: int) -> None:
        with path.open("r+b") as file:
            file.write(os.urandom(16))

    with client(service, KINDS[kind](service)) as found, pytest.raises(BlobError, match="changed while it was read"):
        upload(found, path, name, progress=change)
    with store(service) as reader:
        assert reader.list(name) == []
        assert len(reader.unfinished(name)) == (1 if kind == "SAS c" else 0)


def test_a_file_that_is_cut_while_it_is_read_is_not_stored(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    path = Path(shutil.copy(files["large"], tmp_path / "x"))
    with client(service) as found, pytest.raises(BlobError, match="changed while it was read: it ends at byte"):
        upload(found, path, name, progress=lambda sent, total: os.truncate(path, 20 * MIB))
    with store(service) as reader:
        assert reader.list(name) == []


@pytest.mark.parametrize(("label", "changed"), [("small", None), ("large", True)])
def test_another_writer_at_the_same_time(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, label: str, changed: bool | None
) -> None:
    """The first to commit wins; the second is told, unless it is the same content."""
    once: list[int] = []

    def interfere(sent: int, total: int) -> None:
        if not once:
            once.append(sent)
            send(service, files[label], name)

    with client(service) as found:
        if changed:
            assert upload(found, files["large"], name, progress=interfere).changed
        else:
            with pytest.raises(BlobError, match=r"a blob of this name exists already \[409 BlobAlreadyExists\]"):
                upload(found, files["large"], name, progress=interfere)
    assert content(service, name, tmp_path) == files[label].read_bytes()


def test_a_killed_download_goes_on_where_it_ended(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    send(service, files["large"], name, block_size=MIB)
    dest = tmp_path / "dest"
    dest.write_bytes(b"old")

    class HalfWay(Exception):  # noqa: N818
        pass

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise HalfWay

    with client(service) as found:
        with pytest.raises(HalfWay):
            download(found, name, dest, progress=stop)
        assert dest.read_bytes() == b"old"
        found.restart()
        done = download(found, name, dest)
    assert done.resumed_bytes >= 0.45 * done.found.size
    assert done.transferred_bytes + done.resumed_bytes == done.found.size
    assert dest.read_bytes() == files["large"].read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"dest"}
    with client(service) as found:
        assert not download(found, name, dest).changed


@pytest.mark.parametrize("kind", ["SAS rcwl", "SAS c"])
def test_a_damaged_object_is_not_taken(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, kind: str
) -> None:
    done = send(service, files["large"], name, credential=KINDS[kind](service))
    victim = service.sdk.get_blob_client("box", done.parts[1]["name"] if done.parts else name)
    metadata: Any = victim.get_blob_properties().metadata
    data = bytearray(victim.download_blob().readall())
    data[1000] ^= 1
    victim.upload_blob(bytes(data), overwrite=True, metadata=metadata)
    dest = tmp_path / "dest"
    dest.write_bytes(b"old")
    with store(service) as reader, pytest.raises(BlobError, match=r"is not what it should be|is damaged"):
        reader.get(name, dest)
    assert dest.read_bytes() == b"old"


def test_a_missing_part_is_told(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    done = send(service, files["large"], name, credential=service.sas("c"))
    service.sdk.get_blob_client("box", done.parts[1]["name"]).delete_blob()
    with store(service) as reader, pytest.raises(BlobError, match="there is no such blob"):
        reader.get(name, tmp_path / "dest")


def test_another_hash_than_expected(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    with store(service) as both:
        both.put(files["middle"], name)
        good = both.get(name, tmp_path / "good", sha256=sha256(files["middle"]).upper())
        assert good.verified == "digest over its blocks and SHA-256"
        with pytest.raises(BlobError, match=r"its SHA-256 is .*; the destination is unchanged"):
            both.get(name, tmp_path / "bad", sha256=64 * "0")
    assert not (tmp_path / "bad").exists()


def test_no_room_for_a_download(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    send(service, files["large"], name)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * MIB, limits[1]))
    try:
        with client(service) as found, pytest.raises(BlobError, match="no room for 73400321 bytes"):
            download(found, name, tmp_path / "dest")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_tags_tier_and_metadata_are_kept(service: Service, files: dict[str, Path], name: str) -> None:
    send(service, files["middle"], name, tags={"app": "snippetly"}, tier="cool", metadata={"a": "1"}, checksum="md5")
    blob = service.sdk.get_blob_client("box", name)
    found = blob.get_blob_properties()
    assert blob.get_blob_tags() == {"app": "snippetly"}
    assert str(found.blob_tier) == "Cool"
    md5: Any = found.content_settings.content_md5
    assert bytes(md5) == hashlib.md5(files["middle"].read_bytes()).digest()


def test_prefix_and_read(service: Service, files: dict[str, Path], name: str) -> None:
    with store(service, prefix="prod/snippetly") as both:
        both.put(files["tiny"], name)
        assert both.read(name) == files["tiny"].read_bytes()
        assert [found.name for found in both.list("t/")].count(name) == 1
    with store(service) as whole:
        assert [found.name for found in whole.list(f"prod/snippetly/{name}")] == [f"prod/snippetly/{name}"]


def test_pruning_needs_more_than_the_writer_has(service: Service, files: dict[str, Path], name: str) -> None:
    with store(service, service.sas("c")) as writer:
        writer.put(files["tiny"], name)
        writer.put(files["large"], name + "2")
        assert writer.may_remove().verdict == "ok"
        assert [found.verdict for found in writer.protection()] == ["not_verified"]
        for stored in (name, name + "2"):
            with pytest.raises(BlobError):
                writer.remove(stored)
    with store(service, service.sas("rld")) as pruner:
        assert pruner.may_remove().verdict == "bad"
        for stored in (name, name + "2", name):
            pruner.remove(stored)
    assert [blob.name for blob in service.sdk.get_container_client("box").list_blobs(name_starts_with=name)] == []


def test_leftovers_of_uploads_are_removed_when_they_are_old(service: Service, name: str) -> None:
    box = service.sdk.get_container_client("box")
    box.upload_blob(f"{name}.0a0a0a0a.part-00001-of-00002", b"x")
    moment = now()
    with store(service, service.sas("rld")) as pruner:
        assert name not in pruner.remove_unfinished(moment - timedelta(hours=1))
        assert name in pruner.remove_unfinished(moment + timedelta(hours=1))
    assert [blob.name for blob in box.list_blobs(name_starts_with=name)] == []


@pytest.mark.parametrize(("kind", "verdict"), [("account_key", "bad"), ("cw", "bad"), ("c", "ok"), ("rl", "ok")])
def test_what_a_credential_could_do_is_said(service: Service, kind: str, verdict: str) -> None:
    credential = service.account_key() if kind == "account_key" else service.sas(kind)
    with store(service, credential) as found:
        assert found.may_remove().verdict == verdict
