#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup and its proof cost, as ratios in one run, on databases of some ten MiB of packed dump.

``dump`` is dump, hash and manifest beside the engine's own tool and packer into a file (goal: 1.15); ``full`` is its
verification beside ``sha256sum`` of the same file; ``quick`` beside ``sha256sum`` at 1 GiB (goal: 1.5). Rounds are
interleaved, of each the smallest counts. ``tools`` is what the engine's own tool and the packer take of ``full`` when
they decode into nothing. CPU is that of every process, those in containers included, but not of Docker's daemon and its
shims; where the disk takes its time the wall clock says more of the machine than of the code. Needs the images of
testbed/images/build --all.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / ".ansible" / "collections")]

from ansible_collections.mainstay.platform.plugins.module_utils import summary  # noqa: E402
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests  # noqa: E402
from ansible_collections.mainstay.platform.plugins.module_utils.backup import place  # noqa: E402
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import create  # noqa: E402

from testbed.images.catalogue import FERRETDB  # noqa: E402
from tests.integration.backup import conftest as bed  # noqa: E402
from tests.unit.plugins.module_utils.backup import faults  # noqa: E402

GIB = 1 << 30
# What the ladder of the anchors allows ``full``: CPU beside sha256sum.
LADDER = {"postgresql": 9, "mariadb": 16, "mysql": 16, "redis": 3, "mongodb": 7}
# The engine's own tool into a file on this host, packed as ours is.
EXEC = "docker exec $NAMES $BOX"
BARE = {
    "postgresql": f"{EXEC} pg_dump -Fc -Z0 -U shop shop | zstd -q --check -3 > $OUT",
    "mariadb": f"{EXEC} mariadb-dump $SQL | zstd -q --check -3 > $OUT",
    "mysql": f"{EXEC} mysqldump $SQL --set-gtid-purged=OFF | zstd -q --check -3 > $OUT",
    "redis": f"{EXEC} redis-cli save > /dev/null && docker exec $BOX cat /data/dump.rdb > $OUT",
    "mongodb": f"{EXEC} mongodump --archive --gzip --db=shop --username=shop --authenticationDatabase=admin"
    " --config=/tmp/config 2> /dev/null > $OUT",
}
# The same for reading it back.
DECODE = {
    "postgresql": f"zstd -dqc < $IN | {EXEC.replace('exec', 'exec -i')} pg_restore -f - > /dev/null",
    "mariadb": "zstd -dqc < $IN > /dev/null",
    "mysql": "zstd -dqc < $IN > /dev/null",
    "redis": f"{EXEC.replace('exec', 'exec -i')} redis-check-rdb /dev/stdin < $IN > /dev/null",
    "mongodb": "gzip -dc < $IN > /dev/null",
}
SQL = "--user=root --single-transaction --quick --hex-blob --routines --triggers --events shop"


@dataclass
class Cost:
    """Seconds of the clock and of processors, and the peak of the largest process of ours in MiB."""

    wall: float
    cpu: float
    peak: float = 0.0


@functools.cache
def account(container: str) -> Path:
    """Where the kernel says what a container has used."""
    number = bed.sh("docker", "inspect", "--format", "{{.Id}}", container).strip()
    old = Path("/sys/fs/cgroup/cpuacct")
    root, name = (old, "cpuacct.usage") if old.is_dir() else (Path("/sys/fs/cgroup"), "cpu.stat")
    (found,) = root.glob(f"**/*{number}*/{name}")
    return found


def used(file: Path) -> float:
    """The CPU seconds that an account says."""
    text = file.read_text()
    return int(text) / 1e9 if file.name == "cpuacct.usage" else int(text.split()[1]) / 1e6


def measured(work: Callable[[], Any], boxes: Sequence[str] = ()) -> Cost:
    """The cost of a piece of work, in a process of its own, so that its memory can be told from ours.

    With ``boxes``, containers of which the first is the one that works, its CPU counts as well, and that of all
    containers of the group that are there for a while and no more. That of the others does not.
    """
    accounts = [account(box) for box in boxes]

    def spent() -> float:
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = own.ru_utime + own.ru_stime
        if accounts:
            group = accounts[0].parent.parent / accounts[0].name
            seconds += used(group) - sum(map(used, accounts[1:]))
        return seconds

    before, begin = spent(), time.monotonic()
    number = os.fork()
    if not number:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _number, status, usage = os.wait4(number, 0)
    wall = time.monotonic() - begin
    if status:
        raise SystemExit("the work to be measured failed")
    return Cost(wall, spent() - before, usage.ru_maxrss / 1024)


def best(costs: list[Cost]) -> Cost:
    """The smallest of each, but for memory."""
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), max(c.peak for c in costs))


def fill_postgresql(database: bed.Database, size: float) -> None:
    """Rows of which a part packs well."""
    rows = int(1_000_000 * size)
    database.sql(
        "CREATE TABLE accounts AS SELECT i aid, i % 10 bid, 0 balance, ''::char(84) filler"
        f" FROM generate_series(1, {rows}) i;"
        "CREATE TABLE mixed AS SELECT i, jsonb_build_object('a', md5(i::text), 'b', md5((-i)::text)) j,"
        " decode((SELECT string_agg(md5(i || 'x' || n), '') FROM generate_series(1, 24) n), 'hex') b"
        f" FROM generate_series(1, {rows // 16}) i;"
    )


def fill_mysql(database: bed.Database, size: float) -> None:
    """Rows of which a part packs well."""
    rows = int(250_000 * size)
    series = (
        f"SET max_recursive_iterations = {rows + 1};" if database.engine == "mariadb"
        else f"SET cte_max_recursion_depth = {rows + 1};"
    )  # fmt: skip
    database.mysql(
        f"{series} CREATE TABLE t (i int, a varchar(64), b varchar(64), c varchar(120));"
        f" INSERT INTO t WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        " SELECT i, SHA2(i, 256), SHA2(i * 7, 256), CONCAT('it''s (', i, '), once more and ', i) FROM n;"
    )


def fill_redis(database: bed.Database, size: float) -> None:
    """Rows of which a part packs well."""
    script = "for i = 1, {} do redis.call('SET', 'key:' .. i, redis.sha1hex(i) .. redis.sha1hex(i * 7)) end"
    database.redis("EVAL", script.format(int(200_000 * size)), "0")


def fill_mongodb(database: bed.Database, size: float) -> None:
    """Rows of which a part packs well."""
    dice = random.Random(1)
    documents = (faults.bson(title=f"snippet {n}", code=dice.randbytes(400).hex()) for n in range(int(60_000 * size)))
    database.insert("a", b"".join(documents))


USERS = {"postgresql": "shop", "mariadb": "root", "mysql": "root", "redis": "", "mongodb": "shop"}
FILL = {
    "postgresql": fill_postgresql,
    "mariadb": fill_mysql,
    "mysql": fill_mysql,
    "redis": fill_redis,
    "mongodb": fill_mongodb,
}


def group() -> str:
    """The control group of all containers that are started here, as Docker wants it named."""
    driver = bed.sh("docker", "info", "--format", "{{.CgroupDriver}}").strip()
    return f"{'' if driver == 'systemd' else '/'}mainstaybenchmark{os.getpid()}.slice"


@contextmanager
def databases(out: Path, engines: Sequence[str]) -> Iterator[list[bed.Database]]:
    """A database of each of these engines."""
    postgres = {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": bed.PASSWORD, "POSTGRES_DB": "shop"}
    mongo = {"MONGO_INITDB_ROOT_USERNAME": "shop", "MONGO_INITDB_ROOT_PASSWORD": bed.PASSWORD}
    parent = f"--cgroup-parent={group()}"
    place.CONFINED = (*place.CONFINED, parent)  # type: ignore[assignment]

    def server(engine: str) -> Iterator[str]:
        env = {"postgresql": postgres, "mongodb": mongo}.get(engine, {})
        options = (parent, *(word for item in env.items() for word in ("--env", "=".join(item))))
        if engine in ("mariadb", "mysql"):
            return bed.mysql_server({"mariadb": "mariadb:11.8", "mysql": "mysql:9"}[engine], *options)
        if engine == "redis":
            return bed.server("redis:8.0", *options, command=("redis-server", "--requirepass", bed.PASSWORD))
        return bed.server("postgres:17" if engine == "postgresql" else f"mongo:{FERRETDB}", *options)

    rooms = [server(engine) for engine in engines]
    names = [next(room) for room in rooms]
    try:
        yield [
            bed.Database(kind, name, USERS[kind], bed.PASSWORD, "" if kind == "redis" else "shop", out / kind)
            for kind, name in zip(engines, names, strict=True)
        ]
    finally:
        for room in rooms:
            next(room, None)


def ready(database: bed.Database) -> None:
    """Wait until it answers, for good: while they initialise themselves some answer for a moment."""
    asks = {
        "postgresql": ("pg_isready", "-h", "127.0.0.1"),
        "mariadb": ("mariadb-admin", "--host=127.0.0.1", "--silent", "ping"),
        "mysql": ("mysqladmin", "--host=127.0.0.1", "--silent", "ping"),
    }
    ask = asks.get(database.engine)
    bed.wait(lambda: bed.sh("docker", "exec", database.container, *ask) if ask else database.connect().counts())


def compare(database: bed.Database, others: Sequence[str], folder: Path, rounds: int) -> dict[str, Any]:
    """One engine: the bare tool, ours, the proof, sha256sum. ``others`` are containers that have nothing to do."""
    secret = {"mariadb": "MYSQL_PWD", "mysql": "MYSQL_PWD", "redis": "REDISCLI_AUTH"}.get(database.engine, "PGPASSWORD")
    given = {"BOX": database.container, "OUT": str(folder / "bare"), "SQL": SQL, "NAMES": f"--env {secret}"}
    env = {**os.environ, **given, secret: bed.PASSWORD}
    seen: dict[str, list[Cost]] = {"bare": [], "dump": [], "full": [], "tools": [], "sha256sum": []}

    class Unproven(database.kind):  # type: ignore[misc,name-defined]
        """The verification is measured by itself."""

        def examine(self, path: Path) -> Any:
            return self.look(path)

    def dump() -> None:
        target = database.connect()._target  # type: ignore[attr-defined]
        create(database.job, Unproven, lambda _part: Unproven(target))

    def bare() -> None:
        subprocess.run(["bash", "-ec", BARE[database.engine]], check=True, env=env)

    def decode() -> None:
        subprocess.run(
            ["bash", "-o", "pipefail", "-ec", DECODE[database.engine]], check=True, env={**env, "IN": str(made.path)}
        )

    made = database.back_up()
    box = (database.container, *others)
    for _round in range(rounds):
        seen["bare"].append(measured(bare, box))
        seen["dump"].append(measured(dump, box))
        seen["full"].append(measured(lambda: database.connect().examine(made.path), box))
        seen["tools"].append(measured(decode, box))
        seen["sha256sum"].append(measured(lambda: subprocess.run(["sha256sum", made.path], check=True, stdout=-3)))
    costs = {name: best(found) for name, found in seen.items()}
    return {
        "engine": database.engine,
        "bytes": made.path.stat().st_size,
        "dump_wall": round(costs["dump"].wall / costs["bare"].wall, 2),
        "dump_cpu": round(costs["dump"].cpu / costs["bare"].cpu, 2),
        "full_cpu": round(costs["full"].cpu / costs["sha256sum"].cpu, 1),
        "tools_cpu": round(costs["tools"].cpu / costs["sha256sum"].cpu, 1),
        "ladder": LADDER[database.engine],
        "full_mib": round(costs["full"].peak),
        "seconds": {name: [round(cost.wall, 3), round(cost.cpu, 3)] for name, cost in costs.items()},
    }


QUICK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module, verify
made = verify.verify(Path(sys.argv[2]), module.tools("mariadb", None, 60), "quick", json.loads(sys.argv[3]), now=0)
sys.exit(made.verdict != "ok")
"""


def quick(folder: Path, rounds: int) -> dict[str, Any]:
    """The verification of 1 GiB of which there is a manifest, by a module's own way, Python's start included."""
    path = folder / "large.sql.zst"
    chunk = b"\x28\xb5\x2f\xfd" + random.Random(1).randbytes((1 << 20) - 4)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _number in range(1024):
            file.write(chunk)
            digest.update(chunk)
    birth = {"verdict": "ok", "level": "full", "checks": []}
    known = {"format": manifests.FORMAT, "set": "20261121-020000", "job": "j", "verification": birth}
    manifest = {**known, "size": GIB, "sha256": digest.hexdigest()}
    script = [sys.executable, "-c", QUICK, str(ROOT / ".ansible" / "collections"), str(path), json.dumps(manifest)]
    ours, theirs = [], []
    for _round in range(rounds):
        ours.append(measured(lambda: subprocess.run(script, check=True)))
        theirs.append(measured(lambda: subprocess.run(["sha256sum", path], check=True, stdout=-3)))
    mine, other = best(ours), best(theirs)
    path.unlink()
    return {"bytes": GIB, "wall": round(mine.wall / other.wall, 2), "cpu": round(mine.cpu / other.cpu, 2),
            "mib": round(mine.peak), "seconds": [round(mine.wall, 2), round(other.wall, 2)]}  # fmt: skip


def main() -> int:
    """Print the table and write benchmarks/results/backup_verify.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--size", type=float, default=1.0, help="how much data: 1 is 20 to 50 MiB of dump each")
    parser.add_argument("--engines", nargs="+", choices=USERS, default=list(USERS), help="only these")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, databases(Path(name), arguments.engines) as found:
        rows = []
        for database in found:
            ready(database)
            if database.engine == "mongodb":
                bed.sh("docker", "exec", "-i", database.container, "sh", "-c", "cat > /tmp/config",
                       stdin=f"password: {bed.PASSWORD!r}\n")  # fmt: skip
            FILL[database.engine](database, arguments.size)
            others = [one.container for one in found if one is not database]
            rows.append(compare(database, others, Path(name), arguments.rounds))
        at_rest = quick(Path(name), arguments.rounds)
    head = (
        "engine",
        "dump",
        "dump: wall / bare",
        "cpu / bare",
        "full: cpu / sha256sum",
        "its tools",
        "allowed",
        "peak",
    )
    table = [
        (row["engine"], summary.size(row["bytes"]), row["dump_wall"], row["dump_cpu"], row["full_cpu"],
         row["tools_cpu"], row["ladder"], f"{row['full_mib']} MiB")
        for row in rows
    ]  # fmt: skip
    print("\n".join(summary.table([head, *(tuple(map(str, row)) for row in table)], indent="")))
    took = f"{at_rest['wall']} x sha256sum by the clock, {at_rest['cpu']} x its CPU, peak {at_rest['mib']} MiB"
    print(f"quick at 1 GiB: {took}")
    print(f"mongodb: {FERRETDB} stands in for MongoDB; the tools are MongoDB's own")
    path = ROOT / "benchmarks" / "results" / "backup_verify.json"
    path.write_text(
        json.dumps({"engines": rows, "quick": at_rest, "stand_in": {"mongodb": FERRETDB}}, indent=1) + "\n",
        encoding="utf-8",
    )
    print(f"written to {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
