# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump many times larger than the memory: BACKUP_GIB of rows (1 by default, 5 at night), 512 MiB for either side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from pyrage import x25519

from tests.integration.backup.conftest import PASSWORD, server, sh, wait

SIZE = int(float(os.environ.get("BACKUP_GIB", "1")) * (1 << 30))
LIMIT = 512 << 20
PEAK = 64
ROW = 8000
COLLECTIONS = Path(packing.__file__).parents[6]
RUN = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify
given = json.load(sys.stdin)
out = Path(given["out"])
job = Job("j", "app", "db", "postgresql", ("shop",), out / "out", "x", out / "locks", recipients=(given["recipient"],))
connect = lambda part: PostgreSQL(Target(Place(given["container"]), "shop", given["password"], part, timeout=1800))
made = create(job, PostgreSQL, connect)[0]
with opened(made.path, given["identity"]) as content:
    report = verify(made.path, connect("shop"), "full", made.manifest, now=time.time(), content=content)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
said = [made.manifest["counts"], made.manifest["verification"]["verdict"], report.verdict, peak, made.manifest["size"]]
print(json.dumps(said))
"""


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group with little memory; whoever writes his number into ``cgroup.procs`` is in it."""
    old = Path("/sys/fs/cgroup/memory")
    group = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"mainstay-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    group.rmdir()


@pytest.fixture
def container() -> Iterator[str]:
    env = ("POSTGRES_USER=shop", f"POSTGRES_PASSWORD={PASSWORD}", "POSTGRES_DB=shop")
    options = ("--memory=512m", "--memory-swap=512m", *(word for item in env for word in ("--env", item)))
    yield from server("postgres:17", *options)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"repeat(md5(i::text), {ROW // 32})", id="that packs to nothing"),
        pytest.param(
            f"(SELECT string_agg(md5(i || 'x' || n), '') FROM generate_series(1, {ROW // 32}) n)", id="that packs badly"
        ),
    ],
)
def test_a_dump_that_is_larger_than_the_memory(container: str, limited: Path, tmp_path: Path, value: str) -> None:
    wait(lambda: sh("docker", "exec", container, "pg_isready", "-h", "127.0.0.1"))
    rows = SIZE // ROW
    sql = f"CREATE TABLE t AS SELECT i, {value} x FROM generate_series(1, {rows}) i"
    sh("docker", "exec", "-i", container, "psql", "-qU", "shop", "shop", stdin=sql)
    key = x25519.Identity.generate()
    given = {"container": container, "password": PASSWORD, "out": str(tmp_path), "identity": str(key),
             "recipient": str(key.to_public())}  # fmt: skip
    program = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(limited / "cgroup.procs"), sys.executable, "-c", RUN]
    done = subprocess.run(
        [*program, str(COLLECTIONS)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts, birth, full, peak, size = json.loads(done.stdout)
    assert (counts, birth, full) == ({"public.t": rows}, "ok", "ok")
    assert peak < PEAK, f"{peak} MiB"
    used = limited / (
        "memory.max_usage_in_bytes" if (limited / "memory.max_usage_in_bytes").exists() else "memory.peak"
    )
    all_of_it = int(used.read_text()) >> 20
    made = f"{SIZE >> 20} MiB of rows, {size >> 20} MiB packed"
    print(f"{made}: peak {peak} MiB, with all tools and the page cache {all_of_it} MiB")
