# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real dumps, damaged in every way: with a manifest all damage is seen; without one, what decoding can see.

The letters are those of the anchors on verification. BACKUP_TRIALS sets the number of trials a cell, 20 by default;
what came of them is printed as a table, and written to benchmarks/results/trials-N.json.
"""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create, source_check
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Source, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.tree_files import Files
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import Report, verify

from tests.integration.backup.conftest import PASSWORD, Database, server, sh, wait
from tests.unit.plugins.module_utils.backup import faults

TRIALS = int(os.environ.get("BACKUP_TRIALS", "20"))
PAGE = 4096
DAY = 86400


def fill_postgres(database: Database) -> None:
    database.sql(
        "CREATE TABLE t AS SELECT n, md5(n::text) a, md5((n * 7)::text) b FROM generate_series(1, 20000) n;"
        "CREATE TABLE j AS SELECT jsonb_build_object('n', n, 'x', md5(n::text)) x FROM generate_series(1, 5000) n;"
    )


def fill_mysql(database: Database) -> None:
    numbers = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n"
    database.mysql(
        f"CREATE TABLE n AS {numbers};"
        "CREATE TABLE t AS SELECT a.i, SHA2(a.i * 7 + b.i, 224) x, CONCAT('it''s (', b.i, '),\\n') y FROM n a, n b"
        " LIMIT 12000; CREATE TABLE j AS SELECT JSON_OBJECT('n', i, 'x', SHA2(i, 224)) x FROM n;"
    )


def fill_redis(database: Database) -> None:
    script = "for i = 1, 5000 do redis.call('SET', 'key:' .. i, redis.sha1hex(i) .. redis.sha1hex(i * 7)) end"
    database.redis("EVAL", script, "0")
    database.redis("EVAL", "for i = 1, 3000 do redis.call('HSET', 'h', redis.sha1hex(i), i) end", "0")


def fill_mongo(database: Database) -> None:
    dice = random.Random(1)
    database.insert(
        "a", b"".join(faults.bson(title=f"snippet {n}", code=dice.randbytes(40).hex()) for n in range(3000))
    )
    database.insert("b", b"".join(faults.bson(n=n, x=dice.randbytes(20).hex()) for n in range(1000)))


def fill_folder(folder: Path) -> None:
    dice = random.Random(1)
    for number in range(60):
        path = folder / f"album {number % 7}" / f"photo-{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dice.randbytes(dice.randrange(200, 9000)) + b"text " * 200)


@dataclasses.dataclass
class Subject:
    """A backup of one format. ``missed`` names the shares of damage that ``full`` may miss without a manifest."""

    format: str
    database: Database
    made: Made
    missed: dict[str, float] = dataclasses.field(default_factory=dict)

    def look(self, path: Path, level: str, manifest: Manifest | None) -> Report:
        return verify(path, self.database.connect(), level, manifest, now=time.time())


class Folder(Database):
    """What a database is to the tests, for files."""

    def __init__(self, folder: Path, compression: str, out: Path) -> None:
        self.engine, self.kind, self.compression = "files", Files, compression
        self.folder = folder
        self.job = Job("j-files", "app", "up", "files", (), out / "out", "up-backup", out / "locks")

    def connect(self, database: str | None = None, timeout: float = 120) -> Files:
        return Files(Target(Place(), paths=(str(self.folder),), compression=self.compression, timeout=timeout))


# pg_restore ignores what is behind the end. The table of contents of its archives has no checksum.
FORMATS: dict[str, dict[str, float]] = {
    "postgresql zstd": {},
    "postgresql gzip": {"append": 1, "append zeros": 1, "append itself": 1, "flip": 0.05, "flip toc": 1},
    "mariadb zstd": {},
    "mariadb gzip": {},
    "mysql zstd": {},
    "redis": {},
    "redis unchecked": {"flip": 1},
    "mongodb": {},
    "files zstd": {},
    "files gzip": {},
}


@pytest.fixture(scope="module")
def unchecked_redis() -> Iterator[str]:
    command = ("redis-server", "--requirepass", PASSWORD, "--rdbchecksum", "no")
    yield from server("redis:8.0", "--read-only", "--tmpfs", "/tmp", "--volume", "/data", command=command)


@pytest.fixture(params=FORMATS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    engine, _space, how = request.param.partition(" ")
    database: Database
    if engine == "postgresql":
        database = request.getfixturevalue("postgres")
        fill_postgres(database)
    elif engine in ("mariadb", "mysql"):
        container = request.getfixturevalue("mariadb_server" if engine == "mariadb" else "oracle_server")
        database = Database(engine, container, "root", PASSWORD, "shop", tmp_path)
        wait(lambda: database.mysql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;", ""))
        fill_mysql(database)
    elif engine == "redis":
        container = request.getfixturevalue("unchecked_redis" if how else "plain_redis")
        database = Database(engine, container, "", PASSWORD, "", tmp_path)
        wait(lambda: database.redis("FLUSHALL"))
        fill_redis(database)
    elif engine == "mongodb":
        database = request.getfixturevalue("mongo")
        fill_mongo(database)
    else:
        fill_folder(tmp_path / "up")
        database = Folder(tmp_path / "up", how, tmp_path)
    database.compression = how if how in packing.SUFFIX else ""
    made = database.back_up()
    expected = "not_verified" if how == "unchecked" else "ok"
    assert made.manifest["verification"]["verdict"] == expected, made.manifest["verification"]
    return Subject(request.param, database, made, FORMATS[request.param])


def flip_toc(data: bytes, dice: random.Random) -> bytes:
    return faults.flip(data[:PAGE], dice) + data[PAGE:]


def append_itself(data: bytes, dice: random.Random) -> bytes:
    return data + data


# Whether a flip there can be told from none at all: some bits mean nothing, such as gzip's time and operating system.
BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": faults.flip,
    "flip toc": flip_toc,
    **{name: partial(faults.FAULTS[name], block=PAGE) for name in ("zero", "drop", "swap", "append", "append zeros")},
    "truncate": faults.truncate,
    "append itself": append_itself,
}
LETTERS = {
    "flip": "a", "flip toc": "a'", "zero": "b", "truncate": "c", "drop": "d", "append": "e", "append zeros": "e",
    "append itself": "e'", "swap": "f", "killed": "i", "flip before": "j",
}  # fmt: skip
HEAD = ("flip toc",)


def test_bytes_that_change(subject: Subject, tmp_path: Path, trials: list[dict[str, object]]) -> None:
    """Faults a to f: a manifest tells all of them, and without one nothing is called good."""
    good = subject.made.path.read_bytes()
    assert len(good) > 20 * PAGE, "too small to be damaged by pages"
    content = subject.look(subject.made.path, "full", None).findings
    path = tmp_path / "damaged"
    wrong = []
    for fault, damage in BYTES.items():
        if fault in HEAD and not subject.format.startswith("postgresql"):
            continue
        count = 1 if fault == "append itself" else TRIALS
        dice = random.Random(f"{subject.format} {fault}")
        quick = full = harmless = passed = 0
        for _ in range(count):
            path.write_bytes(damage(good, dice))
            quick += subject.look(path, "quick", subject.made.manifest).verdict == "bad"
            report = subject.look(path, "full", None)
            full += report.verdict == "bad"
            passed += report.verdict == "ok"
            found = report.findings
            harmless += report.verdict != "bad" and (found.counts, found.tables) == (content.counts, content.tables)
        trials.append({
            "format": subject.format, "letter": LETTERS[fault], "fault": fault, "trials": count, "quick": quick,
            "full": full, "harmless": harmless,
        })  # fmt: skip
        # A harmless one changes nothing that the backup would bring back.
        if quick != count or passed or full + harmless < count * (1 - subject.missed.get(fault, 0)):
            wrong.append(trials[-1])
    assert not wrong


def repacked(data: bytes, like: Path, to: Path) -> None:
    """The same in a file that was packed in good order."""
    kind = packing.kind_of_file(like)
    assert kind
    with to.open("wb") as file, packing.packing(kind, file.write, 60) as feed:
        feed(data)


def packed(subject: Subject) -> bytes:
    if subject.format in ("postgresql gzip", "redis", "redis unchecked"):
        pytest.skip("the engine's own tool packs: what it was killed at is a file that is cut short, fault c")
    return b"".join(packing.unpack(subject.made.path, 60))


def test_a_producer_that_died(subject: Subject, tmp_path: Path, trials: list[dict[str, object]]) -> None:
    """Fault i, where nobody has looked at the exit status."""
    data = packed(subject)
    dice = random.Random(f"{subject.format} killed")
    seen = 0
    for _ in range(TRIALS):
        repacked(data[: dice.randrange(len(data) - 10240)], subject.made.path, tmp_path / "x")
        seen += subject.look(tmp_path / "x", "full", None).verdict == "bad"
    row = {"format": subject.format, "letter": "i", "fault": "killed", "trials": TRIALS, "full": seen, "birth": seen}
    trials.append(row)
    assert seen == TRIALS


# What a flip between the server and the packer leaves to be seen: MongoDB's archive has a checksum of its own.
SEEN_BEFORE = {"mongodb": 1.0}


def test_a_flip_before_it_was_packed(subject: Subject, tmp_path: Path, trials: list[dict[str, object]]) -> None:
    """Fault j, at birth: what decoding and the server's own counts can tell. The rest is named, not promised."""
    data = packed(subject)
    counts = subject.made.manifest["counts"]
    source = Source("", "", counts, same_snapshot=True, note="")
    dice = random.Random(f"{subject.format} j")
    full = birth = 0
    for _ in range(TRIALS):
        repacked(faults.flip(data, dice), subject.made.path, tmp_path / "x")
        report = subject.look(tmp_path / "x", "full", None)
        full += report.verdict == "bad"
        birth += report.verdict == "bad" or source_check(source, report.findings).verdict == "bad"
    row = {
        "format": subject.format,
        "letter": "j",
        "fault": "flip before",
        "trials": TRIALS,
        "full": full,
        "birth": birth,
    }
    trials.append(row)
    # FerretDB's headers hold fields that nobody reads.
    assert birth >= TRIALS * SEEN_BEFORE.get(subject.format, 0) * 0.95


def test_a_dump_that_is_suddenly_empty(subject: Subject) -> None:
    """Fault g: whole, sound, and of nothing."""
    database = subject.database
    engine = subject.format.partition(" ")[0]
    if engine == "postgresql":
        database.sql("TRUNCATE t, j;")
    elif engine in ("mariadb", "mysql"):
        database.mysql("TRUNCATE t; TRUNCATE j; TRUNCATE n;")
    elif engine == "redis":
        database.redis("FLUSHALL")
    elif engine == "mongodb":
        database.insert("c", faults.bson(a=1))
        database.drop("a", "b")
    else:
        sh("find", str(database.folder), "-type", "f", "-delete")  # type: ignore[attr-defined]
    if engine == "redis" and "unchecked" in subject.format:
        pytest.skip("without a checksum none of its backups is proven, so there is none to compare with")
    job = dataclasses.replace(database.job, max_drop=50)
    made = create(job, database.kind, database.connect)[0]
    checks = {check["name"]: check for check in made.manifest["verification"]["checks"]}
    assert checks["change"]["verdict"] == "bad", checks
    assert subject.look(made.path, "quick", made.manifest).verdict == "bad"


def test_a_dump_that_is_stale(subject: Subject) -> None:
    """Fault h."""
    for age, verdict in ((DAY / 2, "ok"), (2 * DAY, "bad"), (-DAY, "bad")):
        report = verify(
            subject.made.path, subject.database.connect(), "quick", subject.made.manifest,
            now=time.time() + age, max_age=DAY,
        )  # fmt: skip
        assert next(check for check in report.checks if check.name == "age").verdict == verdict


def test_a_dump_of_which_the_manifest_promises_more(postgres: Database) -> None:
    fill_postgres(postgres)
    made = postgres.back_up()
    promised = made.manifest | {"counts": made.manifest["counts"] | {"public.t": 20001}}
    report = verify(made.path, postgres.connect(), "full", promised, now=time.time())
    assert report.verdict == "bad"
    assert report.reasons == "counts: public.t: 20001 expected, 20000 found"


def test_memory_is_bounded(mariadb_server: str, tmp_path: Path) -> None:
    """A dump that unpacks to 600 MB, with a row of 60 MB, is verified within 64 MB, all in one process."""
    path = tmp_path / "big.sql.zst"
    row = b"(1,'" + b"it\\'s (a) row;\\n" * 4000 + b"'),"
    with path.open("wb") as file, packing.packing(packing.best(), file.write, 600) as feed:
        feed(b"-- MariaDB dump 10.19\n\n-- Dumping data for table `t`\n\nINSERT INTO `t` VALUES ")
        for _ in range(9000):
            feed(row)
        feed(b"(1,'" + b"x" * (60 << 20) + b"');\nUNLOCK TABLES;\n-- Dump completed\n")
    script = (
        "import sys; sys.path[:0] = sys.argv[1:2]\n"
        "from pathlib import Path\n"
        "from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target\n"
        "from ansible_collections.mainstay.platform.plugins.module_utils.backup.mysql import MariaDB\n"
        "from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place\n"
        "findings = MariaDB(Target(Place(), timeout=600)).examine(Path(sys.argv[2]))\n"
        # Of this program alone: what getrusage tells began with the process that started it.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(findings.counts, int(peak.split()[1]) // 1024)\n"
    )
    collections = Path(packing.__file__).parents[6]
    done = subprocess.run(
        ["python3", "-c", script, collections, path], capture_output=True, text=True, check=True, timeout=300
    )
    counts, _space, peak = done.stdout.strip().rpartition(" ")
    assert counts == "{'t': 9001}"
    assert int(peak) < 64, done.stdout
