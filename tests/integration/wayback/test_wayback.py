# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a small app with every kind of data, by the playbooks: drills that pass and that must not, beside,
on another host, cut off in the middle. Needs the test bed; MongoDB is its stand-in there (FerretDB)."""

from __future__ import annotations

import json
import secrets
import struct
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from pyrage import x25519

from testbed.cloud.places import ACCOUNT, ADDRESSES, CONTAINER, SECRETS, STATE
from testbed.outside import ROOT, Machine, bed, run, wait_for

HERE = Path(__file__).parent
NAMES = ("t-wayback", "t-backup")
ROWS = 300_000
METRICS = "/var/lib/prometheus/node-exporter"
MONGO_CONFIG = 'printf "password: mongo-of-a-test-server" > /tmp/c'
PLAYBOOK = str(ROOT / ".venv/bin/ansible-playbook")


class Way:
    """Two servers with the app ``way``. What is asked of ``first`` and ``second`` is asked by the bed's back door."""

    def __init__(self) -> None:
        self.first, self.second = map(Machine, NAMES)
        key = x25519.Identity.generate()
        self.prefix = f"way-{secrets.token_hex(4)}"
        self.variables: dict[str, Any] = {
            "way_prefix": self.prefix,
            "backups_recipients": [str(key.to_public())],
            "backups_identity": str(key),
        }
        self.hosts = {"all": {"hosts": {name: {"ansible_host": Machine(name).address} for name in NAMES}}}

    def command(self, playbook: str, *options: str, limit: str = NAMES[0], **variables: Any) -> list[str]:
        addresses = self.folder / "addresses.json"
        addresses.write_text(json.dumps(self.hosts))
        inventory = ["-i", str(ROOT / "testbed/inventory"), "-i", str(HERE / "inventory.yml"), "-i", str(addresses)]
        extra = json.dumps({**self.variables, **variables})
        return [PLAYBOOK, playbook, *inventory, "--limit", limit, "-e", extra, *options]

    def play(self, playbook: str, *options: str, check: bool = True, limit: str = NAMES[0], **variables: Any) -> str:
        """Run a playbook; answers all that it says, on one line. Without ``check`` it has to fail."""
        done = run(*self.command(playbook, *options, limit=limit, **variables), check=check)
        assert check or done.returncode != 0, done.stdout
        return " ".join((done.stdout + done.stderr).replace("''", "'").split())

    def drill(self, **variables: Any) -> str:
        """A drill on the second server, which makes no backups yet."""
        return self.play("playbooks/drill.yml", app="way", drill_host=NAMES[1], **variables)

    def blobs(self) -> ContainerClient:
        credential: Any = {
            "account_name": ACCOUNT,
            "account_key": (SECRETS / "storage_account_key").read_text().strip(),
        }
        url = f"https://{ADDRESSES['azurite.test']}:10000/{ACCOUNT}"
        return ContainerClient(url, CONTAINER, credential=credential, connection_verify=str(STATE / "ca.pem"))

    def far(self) -> dict[str, Any]:
        """The stores of the first server without the near one."""
        sas = (SECRETS / "storage_writer_sas").read_text().strip()
        store = {"name": "far", "account_url": f"https://{ADDRESSES['azurite.test']}:10000/{ACCOUNT}"}
        where = {"container": CONTAINER, "prefix": f"{self.prefix}/{NAMES[0]}/{{app}}"}
        reader = {"kind": "sas", "sas": (SECRETS / "storage_reader_sas").read_text().strip()}
        stores = [{**store, **where, "credential": {"kind": "sas", "sas": sas}}]
        return {"backups_stores": stores, "backups_readers": {"far": reader}}

    @property
    def folder(self) -> Path:
        path = STATE / "t-wayback"
        path.mkdir(exist_ok=True)
        return path


def psql(machine: Machine, sql: str, database: str = "way") -> str:
    return machine.shell(f"docker exec -i way-data-postgres-1 psql -qtAU way {database}", stdin=sql).strip()


def redis(machine: Machine, words: str) -> str:
    return machine.shell(
        f"docker exec -e REDISCLI_AUTH=redis-of-a-test-server way-data-redis-1 redis-cli {words}"
    ).strip()


def mongo(machine: Machine, database: str) -> int:
    """How many documents are in the collection ``notes``."""
    said = machine.shell(
        f"docker exec way-data-mongo-1 sh -c '{MONGO_CONFIG}; mongodump --config=/tmp/c --username=way"
        f" --authenticationDatabase=admin --db={database} --archive=/dev/null' 2>&1"
    )
    counts = [int(line.split("(")[1].split()[0]) for line in said.splitlines() if f"{database}.notes (" in line]
    return counts[0] if counts else 0


def fill(machine: Machine) -> None:
    psql(machine, f"DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) i")
    redis(machine, "mset a 1 b 2 c 3")
    documents = b"".join(struct.pack("<i", 18) + b"\x01_id\0" + struct.pack("<d", i) + b"\0" for i in range(7))
    machine.shell(f"python3 -c \"open('/tmp/notes.bson','wb').write(bytes.fromhex('{documents.hex()}'))\"")
    machine.shell(
        f"docker exec -i way-data-mongo-1 sh -c 'cat > /tmp/n.bson; {MONGO_CONFIG};"
        " mongorestore --config=/tmp/c --username=way --authenticationDatabase=admin --drop --db=way --collection=notes"
        " /tmp/n.bson' < /tmp/notes.bson"
    )
    machine.shell(
        "cd /opt/app-data/way/uploads && mkdir -p deep && echo one > a.txt && echo two > deep/b.txt"
        " && chown -R 65532:65532 . && chmod 0640 a.txt"
    )


def held(machine: Machine) -> tuple[str, str, int, str]:
    files = machine.shell(
        "cd /opt/app-data/way/uploads && find . -type f | sort | xargs cat; stat -c %u:%a a.txt", check=False
    )
    return psql(machine, "SELECT count(*) FROM t"), redis(machine, "dbsize"), mongo(machine, "way"), files


@contextmanager
def spoilt(way: Way, suffix: str) -> Iterator[None]:
    """PostgreSQL's newest file with this suffix in the far store has another byte, or its manifest another count."""
    client = way.blobs()
    names = [blob.name for blob in client.list_blobs(name_starts_with=f"{way.prefix}/{NAMES[0]}/way/postgres/")]
    name = next(name for name in sorted(names) if name.endswith(suffix))
    blob = client.get_blob_client(name)
    good, metadata = blob.download_blob().readall(), blob.get_blob_properties().metadata
    middle = len(good) // 2
    bad, kept = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :], metadata
    if suffix == ".manifest.json":
        manifest = json.loads(good)
        manifest["counts"]["public.t"] += 1
        bad, kept = json.dumps(manifest).encode(), {}
    blob.upload_blob(bad, overwrite=True, metadata=kept)
    try:
        yield
    finally:
        blob.upload_blob(good, overwrite=True, metadata=metadata)


def drill_failed(way: Way) -> list[dict[str, Any]]:
    """The alert as Prometheus has it; empty while it does not fire."""
    answer = json.loads(way.first.shell("curl -fsS 127.0.0.1:9090/api/v1/alerts"))
    return [item for item in answer["data"]["alerts"] if item["labels"]["alertname"] == "DrillFailed"]


def at_alertmanager(way: Way) -> list[dict[str, Any]]:
    """The alert as Alertmanager has it; empty when it is over."""
    found: list[dict[str, Any]] = json.loads(way.first.shell("curl -fsS 127.0.0.1:9093/api/v2/alerts"))
    return [item for item in found if item["labels"]["alertname"] == "DrillFailed"]


def told(way: Way, status: str) -> list[dict[str, Any]]:
    """What Alertmanager's receiver was told of it."""
    lines = way.first.shell("cat /root/alerts.log", check=False).splitlines()
    alerts = [alert for line in lines for alert in json.loads(line)["alerts"]]
    return [item for item in alerts if item["labels"]["alertname"] == "DrillFailed" and item["status"] == status]


FULL = (str(ROWS), "3", 7, "one\ntwo\n65532:640")


def running(machine: Machine) -> bool:
    return "way-blue-backend-1" in machine.shell("docker ps --format '{{.Names}}'")


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: (bed("server", "down", name), bed("server", "up", name)), NAMES))
    found = Way()
    found.play(str(HERE / "way.yml"), limit=",".join(NAMES))
    fill(found.first)
    found.play("playbooks/backup.yml")
    yield found
    for name in NAMES:
        bed("server", "down", name)


def test_a_drill_that_passes(way: Way) -> None:
    way.drill()
    kept = json.loads(way.first.shell("cat /var/lib/mainstay/backups/drills/way.json"))
    assert kept["verdict"] == "ok", kept
    checks = {check["name"]: check["verdict"] for check in kept["checks"]}
    names = ["way-postgres: counts", "way-postgres: contents", "way-redis: counts", "way-mongo: counts"]
    names += [f"way-{name}: server" for name in ("postgres", "redis", "mongo")]
    for name in [*names, "way-uploads: files", "way-uploads: restored", "release"]:
        assert checks[name] == "ok", (name, kept)
    assert 'mainstay_drill_ok{app="way"} 1.0' in way.first.shell(f"cat {METRICS}/mainstay_drill_way.prom")
    for what in ("ps --all", "volume ls", "network ls"):
        assert "mainstay-drill" not in way.second.shell(f"docker {what}")
    said = way.play("playbooks/backups.yml")
    assert "way: drilled " in said and ": ok, back in " in said
    assert said.count(" drill: ok ") == 4


def test_a_drill_that_failed_raises_the_alarm_and_one_that_passed_ends_it(way: Way) -> None:
    """Our rules in a real Prometheus, on what drills really left there, as far as whoever is told."""
    way.first.shell("cat > /root/hook.py", (HERE / "hook.py").read_text())
    way.first.shell("systemd-run --quiet --unit way-hook python3 /root/hook.py")
    began = datetime.now(UTC)
    with spoilt(way, ".age"):
        way.drill(check=False, **way.far())
    (alert,) = wait_for("Prometheus fires", lambda: [a for a in drill_failed(way) if a["state"] == "firing"])
    assert datetime.fromisoformat(alert["activeAt"]) > began, "it is this drill that it fires for"
    assert (alert["labels"]["app"], alert["labels"]["severity"]) == ("way", "critical")
    assert alert["annotations"]["summary"] == "way could not be brought back from its backups"
    (held,) = wait_for("Alertmanager has it", lambda: at_alertmanager(way))
    assert held["status"]["state"] == "active"
    assert held["labels"] == {**alert["labels"], "server": NAMES[0]}
    wait_for("somebody is told", lambda: told(way, "firing"))
    way.drill()
    wait_for("Prometheus is silent", lambda: not drill_failed(way))
    # Groups of alerts are told of again after five minutes at the earliest (group_interval).
    wait_for("somebody is told of the end", lambda: told(way, "resolved"), timeout=420, pause=3)
    assert not at_alertmanager(way)


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        pytest.param(".age", ".dump.zst.age' in container 'backups' is not what it should be", id="a damaged byte"),
        pytest.param(".manifest.json", "public.t: 300001 expected, 300000", id="a manifest that promises more rows"),
    ],
)
def test_a_drill_that_must_fail(way: Way, suffix: str, reason: str) -> None:
    """The set in the far store is spoilt by somebody who may do everything there."""
    before = json.loads(way.first.shell("cat /var/lib/mainstay/backups/drills/way.json 2>/dev/null || echo {}"))
    with spoilt(way, suffix):
        way.drill(check=False, **way.far())
        kept = json.loads(way.first.shell("cat /var/lib/mainstay/backups/drills/way.json"))
        assert kept["verdict"] == "bad"
        assert reason in kept["reason"]
        assert kept["success"] == before.get("success"), "the one that was good is remembered"
        assert 'mainstay_drill_ok{app="way"} 0.0' in way.first.shell(f"cat {METRICS}/mainstay_drill_way.prom")
        said = way.play("playbooks/backups.yml")
        assert ": BAD: " in said


def test_what_a_manifest_tells_of_its_set(way: Way) -> None:
    paper = way.first.shell("cat $(ls /var/backups/mainstay/way/redis/*.manifest.json | tail -1)")
    manifest = json.loads(paper)
    assert (manifest["served"]["release"], manifest["served"]["rolled_back"]) == ("good-1", None)
    assert manifest["pieces"] == [manifest["file"]]


def test_what_a_killed_run_leaves_goes_with_the_next(way: Way) -> None:
    unit, folder = "mainstay-backup-way-redis.service", "/var/lib/mainstay/tmp"
    assert way.first.shell(f"ls -A {folder}", check=False) == ""
    way.first.shell(f"systemctl start --no-block {unit}")
    wait_for("it has begun", lambda: way.first.shell(f"ls -A {folder}", check=False))
    way.first.shell(f"systemctl kill --signal=KILL {unit}")
    wait_for("it is dead", lambda: "failed" in way.first.shell(f"systemctl is-active {unit}", check=False))
    assert way.first.shell(f"ls -A {folder}", check=False).startswith("ansible-local-")
    way.first.shell(f"systemctl start {unit}")
    assert way.first.shell(f"ls -A {folder}", check=False).startswith("ansible-local-"), "it may be somebody's still"
    way.first.shell(f"touch -d '13 hours ago' {folder}/*")
    way.first.shell(f"systemctl start {unit}")
    assert way.first.shell(f"ls -A {folder}", check=False) == ""


def test_beside(way: Way) -> None:
    said = way.play("playbooks/restore.yml", app="way", to="beside")
    assert "way-redis: left out" in said
    (name,) = [
        line for line in psql(way.first, "SELECT datname FROM pg_database").splitlines() if line.startswith("way_")
    ]
    assert psql(way.first, "SELECT count(*) FROM t", name) == str(ROWS)
    assert mongo(way.first, name) == 7
    folder = f"/var/backups/mainstay/way/uploads/beside/{name.replace('way', 'uploads', 1)}"
    assert way.first.shell(f"cat {folder}/opt/app-data/way/uploads/deep/b.txt") == "two"
    assert held(way.first) == FULL
    assert running(way.first)


def test_a_folder_with_a_disk_inside_is_left_alone(way: Way) -> None:
    way.first.shell("mkdir /opt/app-data/way/uploads/disk && mount -t tmpfs t /opt/app-data/way/uploads/disk")
    try:
        way.first.shell("echo precious > /opt/app-data/way/uploads/disk/c.txt")
        said = way.play("playbooks/restore.yml", check=False, app="way", database="uploads")
        assert "/opt/app-data/way/uploads/disk is mounted inside of what would be replaced" in said
        assert way.first.shell("cat /opt/app-data/way/uploads/disk/c.txt") == "precious"
        assert running(way.first)
    finally:
        way.first.shell("cd /opt/app-data/way/uploads; umount disk; rmdir disk")


def test_the_servers_own_state_is_not_put_over_it(way: Way) -> None:
    said = way.play("playbooks/restore.yml", check=False, app="server")
    assert "server-state: a server that runs is not put back over itself. Say to=beside" in said
    way.play("playbooks/restore.yml", app="server", to="beside")
    found = way.first.shell("ls -d /var/backups/mainstay/server/state/beside/state_*/srv/way/releases")
    assert found.startswith("/var/backups/") and "\n" not in found


def test_killed_in_the_middle_and_run_again(way: Way) -> None:
    psql(way.first, "DELETE FROM t WHERE i > 10")
    redis(way.first, "flushall")
    way.first.shell("rm -r /opt/app-data/way/uploads/deep")
    process = subprocess.Popen(
        way.command("playbooks/restore.yml", app="way"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 180
    find = "pgrep -o -f '^docker exec .*psql -X -q -w -o '"
    while not (found := way.first.shell(find, check=False).strip()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
    # The module, which is that one's parent: as the kernel does it where memory runs out.
    way.first.shell(f"kill -KILL $(ps -o ppid= -p {found})")
    said, _none = process.communicate(timeout=300)
    assert process.returncode != 0, said
    assert "stay stopped until a restore has succeeded" in " ".join(said.split()), said[-3000:]
    assert not running(way.first)
    # What a timer would do now: half a database must not become the newest proven backup.
    said = way.play("playbooks/backup.yml", check=False, backup_job="way-redis")
    assert "a restore of app 'way' is not over (way-" in said
    assert "These backups failed: way-redis" in said
    # Nor does the app start because another of its databases is right again.
    said = way.play("playbooks/restore.yml", check=False, app="way", database="redis")
    assert "app 'way' stays stopped: way-postgres half restored" in said
    assert not running(way.first)
    said = way.play("playbooks/restore.yml", app="way")
    assert "a restore of 'way-redis' is not over; it goes on with its set 20" in said
    assert way.first.shell("ls /var/lib/mainstay/backups/*.restoring", check=False) == ""
    assert held(way.first) == FULL
    assert running(way.first)
    assert "To have back what was there before" in said


def test_a_set_that_is_bad_is_restored_by_force_and_over_what_nobody_wants_to_keep(way: Way) -> None:
    psql(way.first, "DELETE FROM t WHERE i > 10")
    way.play("playbooks/backup.yml", check=False, backup_job="way-postgres")
    psql(way.first, "DROP TABLE t; CREATE TABLE later (i int); INSERT INTO later VALUES (1)")
    folder = "/var/backups/mainstay/way/postgres"
    newest = way.first.shell(f"ls -t {folder}/*.manifest.json | head -1").strip()
    manifest = json.loads(way.first.shell(f"cat {newest}"))
    assert manifest["verification"]["verdict"] == "bad"
    kept = way.first.shell(f"ls {folder}/before-restore")
    wanted = {"app": "way", "database": "postgres", "set": manifest["set"]}
    said = way.play("playbooks/restore.yml", check=False, **wanted)
    assert "it was bad when it was made: change: " in said and "-e force=true uses it all the same" in said
    assert psql(way.first, "SELECT count(*) FROM later") == "1"
    assert running(way.first)
    way.play("playbooks/restore.yml", force=True, safety=False, **wanted)
    assert psql(way.first, "SELECT count(*) FROM t") == "10"
    assert psql(way.first, "SELECT count(*) FROM pg_class WHERE relname = 'later'") == "0"
    assert way.first.shell(f"ls {folder}/before-restore") == kept
    # By what came before it, which is proven.
    way.play("playbooks/restore.yml", app="way", database="postgres")
    assert held(way.first) == FULL


def test_on_another_host(way: Way) -> None:
    assert psql(way.second, "SELECT count(*) FROM pg_class WHERE relname = 't'") == "0"
    both = ",".join(NAMES)
    plan = way.play("playbooks/restore.yml", "--check", limit=both, app="way", to=NAMES[1])
    assert f"restore {ROWS + 1} in " in plan or "restore 3000" in plan
    way.play("playbooks/restore.yml", limit=both, app="way", to=NAMES[1])
    assert held(way.second) == FULL
    assert running(way.second)
    assert held(way.first) == FULL
