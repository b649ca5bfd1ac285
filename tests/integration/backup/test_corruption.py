# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real dumps, damaged in every way: with a manifest all damage is seen; without one, what decoding can see.

BACKUP_TRIALS sets the number of trials a cell, 20 by default.
"""

from __future__ import annotations

import gzip
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Made
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import Report, verify

from tests.integration.backup.conftest import Database
from tests.unit.plugins.module_utils.backup import faults

TRIALS = int(os.environ.get("BACKUP_TRIALS", "20"))
PAGE = 4096
PAGED = ("zero", "drop", "append", "append zeros", "swap")
# Decoding cannot see bytes behind the end of a PostgreSQL archive, nor every flip in its table of contents.
UNSEEN = {("postgresql", "append"): TRIALS, ("postgresql", "append zeros"): TRIALS, ("postgresql", "flip"): TRIALS // 5}


def fill_postgres(database: Database) -> None:
    database.sql(
        "CREATE TABLE t AS SELECT n, md5(n::text) a, md5((n * 7)::text) b FROM generate_series(1, 20000) n;"
        "CREATE TABLE j AS SELECT jsonb_build_object('n', n, 'x', md5(n::text)) x FROM generate_series(1, 5000) n;"
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


def damaged(data: bytes, fault: str, dice: random.Random) -> bytes:
    function: Callable[..., bytes] = faults.FAULTS[fault]
    if fault in PAGED:
        function = partial(function, block=PAGE)
    return function(data, dice)


def look(database: Database, path: Path, level: str, manifest: Manifest | None) -> Report:
    return verify(path, database.connect(), level, manifest, now=time.time())


def trials(database: Database, made: Made, tmp_path: Path) -> None:
    good = made.path.read_bytes()
    assert len(good) > 20 * PAGE, "too small to be damaged by pages"
    path = tmp_path / "damaged"
    table = []
    for fault in faults.FAULTS:
        dice = random.Random(f"{database.engine} {fault}")
        quick = full = passed = 0
        for _ in range(TRIALS):
            path.write_bytes(damaged(good, fault, dice))
            quick += look(database, path, "quick", made.manifest).verdict == "bad"
            report = look(database, path, "full", None)
            full += report.verdict == "bad"
            passed += report.verdict == "ok"
        table.append((fault, quick, full, passed))
        print(f"{database.engine:11} {fault:13} quick with manifest {quick}/{TRIALS}, full without {full}/{TRIALS}")
    for fault, quick, full, passed in table:
        assert quick == TRIALS, fault
        assert full >= TRIALS - UNSEEN.get((database.engine, fault), 0), fault
        assert passed == 0, fault


def test_postgres(postgres: Database, tmp_path: Path) -> None:
    fill_postgres(postgres)
    trials(postgres, postgres.back_up(), tmp_path)


@pytest.mark.parametrize("redis_server", ["plain"], indirect=True)
def test_redis(redis: Database, tmp_path: Path) -> None:
    fill_redis(redis)
    trials(redis, redis.back_up(), tmp_path)


def test_mongo(mongo: Database, tmp_path: Path) -> None:
    fill_mongo(mongo)
    trials(mongo, mongo.back_up(), tmp_path)


def test_a_flip_before_the_dump_was_packed(mongo: Database, tmp_path: Path) -> None:
    """Fault j: gzip's checksum is right. The archive's own is not."""

    fill_mongo(mongo)
    made = mongo.back_up()
    data = gzip.decompress(made.path.read_bytes())
    dice = random.Random("j")
    for _ in range(TRIALS):
        at = dice.randrange(data.index(b"snippet 0"), len(data) - 200)
        path = tmp_path / "damaged"
        path.write_bytes(gzip.compress(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], 1))
        assert look(mongo, path, "full", None).verdict == "bad"


def test_a_dump_of_which_the_manifest_promises_more(postgres: Database) -> None:
    fill_postgres(postgres)
    made = postgres.back_up()
    promised = made.manifest | {"counts": made.manifest["counts"] | {"public.t": 20001}}
    report = look(postgres, made.path, "full", promised)
    assert report.verdict == "bad"
    assert report.reasons == "counts: public.t: 20001 expected, 20000 found"
