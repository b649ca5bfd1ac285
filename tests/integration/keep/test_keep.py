# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a dump into two stores, encrypted, and back, by the playbooks, on a server of its own. Needs the test bed."""

from __future__ import annotations

import datetime
import json
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from testbed.cloud import services
from testbed.cloud.places import ACCOUNT, ADDRESSES, BUCKET, CONTAINER, GATEWAYS, SECRETS, STATE
from testbed.outside import Server, bed

HERE = Path(__file__).parent
NAME = "t-keep"
FOLDER = "/var/backups/mainstay/shop/db"
OLD, NEW = x25519.Identity.generate(), x25519.Identity.generate()


def plain(said: str) -> str:
    """What a playbook said, without the line breaks and doubled quotes of YAML."""
    return " ".join(said.replace("''", "'").split())


def secret(name: str) -> str:
    return (SECRETS / name).read_text().strip()


class Kept(Server):
    """A server with a database, its stores near and far, and the operator's keys."""

    def __init__(self) -> None:
        self.password = secrets.token_hex(12)
        self.prefix = f"keep-{secrets.token_hex(4)}"
        job = {
            "name": "shop-db", "app": "shop", "database": "db", "engine": "postgresql", "host": "127.0.0.1",
            "user": "shop", "password": self.password, "databases": ["shop"], "schedule": "*-*-* 02:00:00 UTC",
        }  # fmt: skip
        super().__init__(
            NAME,
            keep_password=self.password,
            backups_jobs=[job],
            backups_stores=[self.near(), self.far()],
            backups_recipients=[str(OLD.to_public())],
            backups_identity=str(OLD),
            backups_readers={"near": self.key("reader"), "far": self.sas("reader")},
            backups_pruners={"near": self.key("pruner"), "far": self.sas("pruner")},
            backups_controller_ca_bundle=str(STATE / "ca.pem"),
        )

    def key(self, who: str) -> dict[str, str]:
        return {"access_key_id": who, "secret_access_key": secret(f"s3_{who}")}

    def sas(self, who: str) -> dict[str, str]:
        return {"kind": "sas", "sas": secret(f"storage_{who}_sas")}

    def near(self, **changes: Any) -> dict[str, Any]:
        url = f"https://{ADDRESSES['s3.test']}:8333"
        store = {"name": "near", "endpoint_url": url, "bucket": BUCKET, "prefix": f"{self.prefix}/{{app}}"}
        return {**store, "credential": self.key("writer"), "keep": {"days": 7}, **changes}

    def far(self, **changes: Any) -> dict[str, Any]:
        url = f"https://{ADDRESSES['azurite.test']}:10000/{ACCOUNT}"
        store = {"name": "far", "account_url": url, "container": CONTAINER, "prefix": f"{self.prefix}/{{app}}"}
        return {**store, "credential": self.sas("writer"), "keep": {"days": 7}, **changes}

    def sql(self, text: str, database: str = "shop") -> str:
        return self.shell(f"su postgres -c 'psql -qtA {database}'", stdin=text)

    def backup(self, check: bool = True, **variables: Any) -> str:
        return self.play("playbooks/backup.yml", check=check, **variables)

    def restore(self, *options: str, check: bool = True, **variables: Any) -> str:
        return self.play("playbooks/restore.yml", *options, check=check, app="shop", **variables)

    @property
    def files(self) -> list[str]:
        return self.shell(f"cd {FOLDER} && ls").split()

    @property
    def sets(self) -> list[str]:
        found = (re.search(r"^pg-backup-(\d{8}-\d{6})", name) for name in self.files)
        return [match[1] for match in found if match]

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads(self.shell(f"cat $(ls {FOLDER}/*.manifest.json | tail -1)")))

    @property
    def metrics(self) -> str:
        return self.shell("cat /var/lib/prometheus/node-exporter/mainstay_backup_shop-db.prom")

    def objects(self, store: str) -> list[str]:
        if store == "near":
            found = services_client().list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", [])
            return [item["Key"] for item in found]
        return [blob.name for blob in container().list_blobs(name_starts_with=self.prefix)]


def services_client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=f"https://{ADDRESSES['s3.test']}:8333", region_name="us-east-1",
        aws_access_key_id="owner", aws_secret_access_key=secret("s3_owner"), verify=str(STATE / "ca.pem"),
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip


def container() -> Any:
    from azure.storage.blob import ContainerClient

    credential: Any = {"account_name": ACCOUNT, "account_key": secret("storage_account_key")}
    url = f"https://{ADDRESSES['azurite.test']}:10000/{ACCOUNT}"
    return ContainerClient(url, CONTAINER, credential=credential, connection_verify=str(STATE / "ca.pem"))


@pytest.fixture(scope="module")
def server() -> Iterator[Kept]:
    bed("server", "down", NAME)
    bed("server", "up", NAME)
    found = Kept()
    found.play(HERE / "keep.yml")
    found.sql("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 1000);")
    yield found
    bed("server", "down", NAME)


def test_a_backup_goes_encrypted_into_both_stores(server: Kept) -> None:
    said = server.backup()
    assert "near*, far*" in plain(said)
    manifest = server.manifest
    assert manifest["file"].endswith(".dump.zst.age")
    assert manifest["encryption"]["recipients"] == [str(OLD.to_public())]
    assert manifest["verification"]["verdict"] == "ok"
    for store in ("near", "far"):
        names = sorted(name.rpartition("/")[2] for name in server.objects(store))
        assert names == [manifest["file"] + end for end in ("", ".manifest.json", ".restore.sh")]
        assert (
            f'mainstay_backup_sent_timestamp_seconds{{backup="shop-db",app="shop",engine="postgresql",store="{store}"}}'
            in server.metrics
        )


def test_the_server_can_neither_read_nor_remove_what_it_wrote(server: Kept) -> None:
    private = "grep -rlE 'AGE-SECRET-KEY-1[0-9A-Z]{50}' /etc /root /home /tmp /run /var /opt/mainstay || true"
    assert server.shell(private) == ""
    everything = server.shell("cat /etc/mainstay/inventory.yml")
    for name in ("s3_reader", "s3_pruner", "storage_reader_sas", "storage_pruner_sas"):
        assert secret(name) not in everything
    name = server.objects("near")[0]
    environment = "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"
    arguments = f"'{json.dumps(server.near())}' {name}"
    said = server.shell(
        f"{environment} /opt/mainstay/venv/bin/python - {arguments}", stdin=(HERE / "thief.py").read_text()
    ).split()
    # The last one makes another version, which counts for nothing: the bucket is locked.
    assert said == ["403", "403", "412", "done"]


def test_the_list_tells_what_is_where_and_what_protects_it(server: Kept) -> None:
    apps = [{"name": "shop-db", "app": "shop", "max_age": 26 * 3600}]
    said = plain(server.play("playbooks/backups.yml", backups_promises=apps))
    assert "full: ok server, near, far held, of 26 h" in said
    assert "lock ok (governance for 1 days)" in said
    assert "store far: container 'backups' of account 'snipback'; lock not_verified" in said
    seen = server.shell("cat /var/lib/prometheus/node-exporter/mainstay_stored.prom")
    assert seen.count('mainstay_backup_stored_timestamp_seconds{backup="shop-db",app="shop",store="') == 2
    assert " 0.0" not in seen
    # Something that was promised and is nowhere.
    apps.append({"name": "shop-cache", "app": "shop", "max_age": 26 * 3600})
    said = plain(server.play("playbooks/backups.yml", check=False, backups_promises=apps))
    assert "shop-cache: BROKEN, of 26 h: no set of it is proven and stored" in said
    assert "Too old, or not there: shop-cache" in said


def test_restored_with_the_private_key_on_the_controller_alone(server: Kept) -> None:
    server.sql("DELETE FROM t")
    plan = server.restore("--check")
    assert "restore 1000 in 1" in plain(plan)
    assert server.sql("SELECT count(*) FROM t") == "0"
    said = server.restore("-vvv")
    assert server.sql("SELECT count(*) FROM t") == "1000"
    server.restore("-e", "set=2026", "-e", "at=2099")
    for hidden in (str(OLD), secret("s3_reader"), secret("storage_reader_sas").partition("sig=")[2], server.password):
        assert hidden not in said
    assert "AGE-SECRET-KEY-1" not in said
    assert server.shell("find /var/backups -name '*from-store*' -type f") == ""


@pytest.mark.parametrize(
    ("identity", "error"),
    [("", "set backups_identity to one of their private keys"), (str(NEW), "cannot be opened with this identity")],
    ids=["no key", "another key"],
)
def test_without_the_right_key_nothing_is_touched(server: Kept, identity: str, error: str) -> None:
    server.sql("INSERT INTO t VALUES (0)")
    said = server.restore(check=False, backups_identity=identity)
    assert error in plain(said)
    assert identity == "" or identity not in said
    assert server.sql("SELECT count(*) FROM t WHERE i = 0") != "0"
    server.sql("DELETE FROM t WHERE i = 0")


def test_by_hand_with_age_and_the_engines_own_tools(server: Kept) -> None:
    server.shell("apt-get install -y -qq age >/dev/null")
    newest = f"$(ls {FOLDER}/*.age | tail -1)"
    listed = server.shell(f"age -d -i /dev/stdin {newest} | zstd -dc | pg_restore --list", stdin=f"{OLD}\n")
    assert "TABLE DATA public t " in listed


def test_keys_are_rotated(server: Kept) -> None:
    """Both while one follows the other; then the new one. Old sets need the old key, which the controller keeps."""
    both = [str(OLD.to_public()), str(NEW.to_public())]
    server.backup(backups_recipients=both)
    server.sql("DELETE FROM t")
    server.restore(backups_identity=str(NEW))
    server.backup(backups_recipients=both[1:])
    server.restore(backups_identity=str(NEW))
    assert "cannot be opened" in server.restore(check=False, backups_identity=str(OLD))
    server.restore(backups_identity=f"{OLD}\n{NEW}\n")
    first = min(server.sets)
    server.restore(backups_identity=f"{OLD}\n{NEW}\n", set=first)
    assert server.sql("SELECT count(*) FROM t") == "1000"


def expired() -> str:
    return services.sas("c", days=-1)


@pytest.mark.parametrize(
    ("store", "changes", "error"),
    [
        ("far", {"credential": {"kind": "sas", "sas": "EXPIRED"}}, "the SAS expired at 20"),
        ("far", {"container": "nowhere"}, "made for another account or container"),
        ("far", {"account_url": "https://172.30.77.11:9/snipback", "timeout": 20}, "refuses connections"),
        (
            "near",
            {"credential": {"access_key_id": "gone", "secret_access_key": "x"}},
            "the access key 'gone' is unknown",
        ),
        ("near", {"endpoint_url": "https://172.30.77.16:9"}, "refuses connections"),
    ],
    ids=["expired SAS", "no container", "Azure down", "key that was removed", "S3 down"],
)
def test_one_store_fails_the_other_gets_it_and_it_is_seen(
    server: Kept, store: str, changes: dict[str, Any], error: str
) -> None:
    if changes.get("credential", {}).get("sas"):
        changes = {"credential": {"kind": "sas", "sas": expired()}}
    stores = [server.near(), server.far()]
    stores[0 if store == "near" else 1] |= changes
    other = "far" if store == "near" else "near"
    lacking = len(server.objects(store))
    said = plain(server.backup(check=False, backups_stores=stores))
    file = server.manifest["file"]
    assert f"not in store '{store}': " in said and error in said
    assert f"(it is in '{other}')" in said
    assert any(name.endswith(file + ".manifest.json") for name in server.objects(other))
    assert len(server.objects(store)) == lacking
    state = json.loads(server.shell("cat /var/lib/mainstay/backups/shop-db.json"))
    assert state["failing"] and state["last_failure"] > state["last_success"]
    # It is made up for.
    server.backup()
    assert any(name.endswith(file + ".manifest.json") for name in server.objects(store))


def test_a_slow_line_is_endured(server: Kept) -> None:
    """A proxy on the machine under the bed lets 200 KiB a second through."""
    server.sql("CREATE TABLE big AS SELECT md5(i::text) || md5((-i)::text) AS x FROM generate_series(1, 20000) i")
    with socket.create_server((GATEWAYS[0], 0)) as listener:
        threading.Thread(target=slowly, args=(listener, 200 * 1024), daemon=True).start()
        port = listener.getsockname()[1]
        # The certificate is for the service's address, so the server reaches the proxy by it.
        rule = f"OUTPUT -t nat -p tcp -d {ADDRESSES['azurite.test']} --dport 10000 -j DNAT --to {GATEWAYS[0]}:{port}"
        server.shell(
            f"command -v iptables >/dev/null || apt-get install -y -qq iptables >/dev/null; iptables -A {rule}"
        )
        try:
            server.backup()
        finally:
            server.shell(f"iptables -D {rule}")
    assert any(name.endswith(server.manifest["file"] + ".manifest.json") for name in server.objects("far"))


def slowly(listener: socket.socket, rate: int) -> None:
    import time

    def pump(source: socket.socket, sink: socket.socket, limited: bool) -> None:
        with source, sink:
            try:
                while data := source.recv(16384):
                    if limited:
                        time.sleep(len(data) / rate)
                    sink.sendall(data)
            except OSError:
                return

    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.create_connection((ADDRESSES["azurite.test"], 10000))
        threading.Thread(target=pump, args=(client, upstream, True), daemon=True).start()
        threading.Thread(target=pump, args=(upstream, client, False), daemon=True).start()


def test_pruning_says_what_would_go_and_then_does_it(server: Kept) -> None:
    stores = [server.near(keep={}), server.far(keep={"days": 0})]
    before = server.objects("far")
    said = plain(server.play("playbooks/prune.yml", "--check", backups_stores=stores))
    assert "would go" in said and "stays the newest that is proven" in said
    assert server.objects("far") == before
    said = server.play("playbooks/prune.yml", backups_stores=stores)
    newest = server.manifest["file"]
    kept = sorted(name.rpartition("/")[2] for name in server.objects("far"))
    assert kept == [newest + end for end in ("", ".manifest.json", ".restore.sh")]
    assert " removed " in said
    # What is locked stays, and is said.
    stores = [server.near(keep={"days": 0})]
    said = plain(
        server.play(
            "playbooks/prune.yml", check=False, backups_stores=stores, backups_pruners={"near": server.key("pruner")}
        )
    )
    assert "LOCKED" in said and "is locked until" in said


def test_the_far_store_alone_brings_it_back(server: Kept) -> None:
    """The server's copies are gone, the near store cannot be reached."""
    server.shell(f"rm -rf {FOLDER}")
    server.sql("DELETE FROM t")
    stores = [server.near(endpoint_url="https://172.30.77.16:9"), server.far()]
    said = plain(server.restore(backups_stores=stores, backups_identity=f"{OLD}\n{NEW}\n"))
    assert "store 'near': " in said
    assert server.sql("SELECT count(*) FROM t") == "1000"


def test_the_timers_run_it(server: Kept) -> None:
    server.shell("systemctl start mainstay-backup-shop-db.service")
    assert server.shell("systemctl show -P Result mainstay-backup-shop-db.service") == "success"
    when = datetime.datetime.strptime(server.manifest["set"], "%Y%m%d-%H%M%S").replace(tzinfo=datetime.timezone.utc)
    assert abs((datetime.datetime.now(datetime.timezone.utc) - when).total_seconds()) < 300
    log = server.shell("journalctl -u mainstay-backup-shop-db.service --no-pager")
    for hidden in (secret("s3_writer"), secret("storage_writer_sas").partition("sig=")[2], server.password):
        assert hidden not in log
