# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain script beside a backup, on real servers: into a new container, over what is there, and where it fails."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Made, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.way_out import script
from pyrage import x25519

from testbed.images.catalogue import FERRETDB
from tests.integration.backup.conftest import IMAGES, PASSWORD, Database, sh
from tests.integration.backup.test_round_trip import COUNTS, MIGRATION, MYSQL_COUNTS, MYSQL_SCHEMA, ROLES, SCHEMA
from tests.unit.plugins.module_utils.backup import faults

IMAGE = {
    "postgresql": "postgres:17",
    "mariadb": "mariadb:11.8",
    "mysql": "mysql:9",
    "redis": "redis:8.0",
    "mongodb": f"mongo:{FERRETDB}",
}
SEEN = "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'shop' ORDER BY 1"


def back_up(database: Database) -> Made:
    """A backup with its script beside it."""
    out = functools.partial(script, user=database.user, image=f"{IMAGES}/{IMAGE[database.engine]}")
    return create(database.job, database.kind, database.connect, way_out=out)[0]


def run(made: Made, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it as somebody does who has nothing of ours."""
    path = made.path.with_name(made.path.name + files.WAY_OUT)
    return subprocess.run(
        ["sh", str(path), *words], capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **env}
    )


def restored(made: Made, *words: str, **env: str) -> str:
    done = run(made, *words, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclasses.dataclass
class New:
    """The container that a script makes."""

    name: str = ""

    def of(self, made: Made) -> str:
        self.name = f"restored-app-db-{made.manifest['set']}"
        return self.name


@pytest.fixture
def new() -> Iterator[New]:
    found = New()
    yield found
    if found.name:
        subprocess.run(["docker", "rm", "--force", "--volumes", found.name], check=False, capture_output=True)
        subprocess.run(["docker", "volume", "rm", "--force", found.name], check=False, capture_output=True)


def other(database: Database, container: str) -> Database:
    """The same database, as another server has it."""
    return Database(database.engine, container, database.user, "", database.database, Path("/nowhere"))


@pytest.fixture
def roles(postgres: Database) -> Iterator[list[str]]:
    """Those that ROLES makes; they go with the databases that need them."""
    names = ["clerk", "owner", "seer", "the reporting"]
    yield names
    postgres.user = "shop"
    postgres.sql("DROP DATABASE IF EXISTS shop WITH (FORCE);", "postgres")
    for name in names:
        postgres.sql(f'DROP ROLE IF EXISTS "{name}";', "postgres")


@pytest.mark.parametrize("compression", [packing.ZSTD, packing.GZIP])
def test_postgres_into_a_new_container(postgres: Database, roles: list[str], new: New, compression: str) -> None:
    """Which has none of the roles that the backup names."""
    postgres.compression = compression
    postgres.sql(SCHEMA + ROLES)
    made = back_up(postgres)
    assert made.path.name.endswith(".dump.zst" if compression == packing.ZSTD else ".dump")
    assert made.manifest["roles"] == sorted([*roles, "shop"])
    container = new.of(made)
    said = restored(made)
    assert "Restored, and all 1013 are there that were backed up." in said
    assert 'CREATE ROLE "the reporting" NOLOGIN;' in said
    there = other(postgres, container)
    assert there.connect().counts() == {**COUNTS, "public.t": 1, "public.mine": 0}
    assert there.sql(SEEN).split() == " ".join(f"{name}|f" for name in roles).split()
    assert there.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'").strip() == "owner"
    inspected = sh("docker", "inspect", "--format", "{{.HostConfig.NetworkMode}}", container)
    assert inspected.strip() == "none"


def test_postgres_over_what_was_migrated_since(postgres: Database) -> None:
    postgres.sql(SCHEMA + "SELECT lo_from_bytea(0, 'large');")
    made = back_up(postgres)
    postgres.sql(MIGRATION + "DELETE FROM part1;")
    said = restored(made, "--container", postgres.container)
    assert "had to be made" not in said
    assert postgres.connect().counts() == COUNTS
    assert back_up(postgres).manifest["content"] == made.manifest["content"]
    assert [path.name for path in made.path.parent.glob(".restore*")] == []
    postgres.sql(MIGRATION)


def test_postgres_encrypted_into_a_database_that_is_gone(postgres: Database, roles: list[str], tmp_path: Path) -> None:
    key = x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{key}\n")
    postgres.job = dataclasses.replace(postgres.job, recipients=(str(key.to_public()),))
    postgres.sql(ROLES)
    made = back_up(postgres)
    postgres.sql("DROP DATABASE shop WITH (FORCE);", "postgres")
    for name in roles:
        postgres.sql(f'DROP ROLE "{name}";', "postgres")
    said = restored(made, "--identity", str(tmp_path / "key"), "--container", postgres.container)
    assert [line for line in said.splitlines() if line.startswith("CREATE ROLE")] == [
        "CREATE ROLE clerk NOLOGIN;", "CREATE ROLE owner NOLOGIN;", "CREATE ROLE seer NOLOGIN;",
        'CREATE ROLE "the reporting" NOLOGIN;',
    ]  # fmt: skip
    assert postgres.connect().counts() == {"public.t": 1, "public.mine": 0}


def test_postgres_that_fails_stays_as_it_was(postgres: Database) -> None:
    """pg_dump does not see that a function reads a table, and restores in an order in which it cannot."""
    postgres.sql("CREATE TABLE t (i int); INSERT INTO t VALUES (1); CREATE TABLE wanted (i int);")
    postgres.sql("CREATE FUNCTION good(int) RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM wanted)';")
    postgres.sql("INSERT INTO wanted VALUES (1); ALTER TABLE t ADD CHECK (good(i));")
    made = back_up(postgres)
    postgres.sql("INSERT INTO t VALUES (2); CREATE VIEW needs_t AS SELECT * FROM t;")
    done = run(made, "--container", postgres.container)
    assert (done.returncode, "nothing was restored, and nothing has changed" in done.stderr) == (1, True), done.stderr
    assert "wanted" in done.stderr
    assert postgres.sql("SELECT count(*) FROM needs_t").strip() == "2"


def test_postgres_with_an_archive_that_cannot_be_decoded(postgres: Database) -> None:
    """Its checksum is right, as if it had been cut short when it was made: what was decoded is not kept."""
    postgres.compression = packing.GZIP
    postgres.sql("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
    made = back_up(postgres)
    data = made.path.read_bytes()
    made.path.write_bytes(data[: len(data) // 2])
    text = made.path.with_name(made.path.name + files.WAY_OUT)
    text.write_text(text.read_text().replace(made.manifest["sha256"], files.sha256_of(made.path)[1]))
    postgres.sql("DELETE FROM t WHERE n > 10")
    done = run(made, "--container", postgres.container)
    assert (done.returncode, "nothing was restored, and nothing has changed" in done.stderr) == (1, True), done.stderr
    assert postgres.sql("SELECT count(*) FROM t").strip() == "10"


def test_postgres_of_a_user_who_may_not_make_roles(postgres: Database, roles: list[str]) -> None:
    postgres.sql(f"{ROLES} ALTER ROLE clerk LOGIN; ALTER DATABASE shop OWNER TO clerk;")
    made = back_up(postgres)
    postgres.sql("DROP DATABASE shop WITH (FORCE);", "postgres")
    postgres.sql("DROP ROLE seer;", "postgres")
    postgres.sql("CREATE DATABASE shop OWNER clerk;", "postgres")
    done = run(made, "--container", postgres.container, "--user", "clerk")
    assert done.returncode == 1
    assert "CREATE ROLE seer NOLOGIN;\n" in done.stderr
    assert "nothing was restored: clerk may not make these roles" in done.stderr
    assert postgres.connect().counts() == {}
    restored(made, "--container", postgres.container, "--user", "shop")
    assert postgres.connect().counts() == {"public.t": 1, "public.mine": 0}


def test_mysql(mysql: Database, new: New) -> None:
    mysql.mysql(MYSQL_SCHEMA)
    made = back_up(mysql)
    container = new.of(made)
    assert "all 1007 are there" in restored(made)
    assert other(mysql, container).connect().counts() == MYSQL_COUNTS
    mysql.mysql("CREATE TABLE orders (id int, FOREIGN KEY (id) REFERENCES users (id)); DELETE FROM big;")
    refused = run(made, "--container", mysql.container, MYSQL_PWD="")
    assert "put the password of root into the environment as MYSQL_PWD" in refused.stderr
    restored(made, "--container", mysql.container, MYSQL_PWD=PASSWORD)
    assert mysql.connect().counts() == {**MYSQL_COUNTS, "orders": 0}, "what came since stays"


def test_redis(redis: Database, new: New) -> None:
    redis.redis("MSET", "a", "1", "b", "2", "c", "3")
    made = back_up(redis)
    container = new.of(made)
    assert "all 3 are there" in restored(made)
    assert sh("docker", "exec", container, "redis-cli", "GET", "b").strip() == "2"
    assert "a Redis gets its data when it starts" in run(made, "--container", redis.container).stderr


def test_mongo_over_what_is_there(mongo: Database) -> None:
    mongo.insert("notes", faults.bson(title="a") + faults.bson(title="b"))
    made = back_up(mongo)
    mongo.insert("notes", faults.bson(title="c"))
    restored(made, "--container", mongo.container, MONGO_PASSWORD=PASSWORD.replace('"', '\\"'))
    assert mongo.connect().counts() == {f"{mongo.database}.notes": 2}
