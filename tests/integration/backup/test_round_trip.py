# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back up, lose, restore, find again, on real servers. MongoDB is FerretDB here, with the real mongodump."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import restore as restores
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Made, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify

from tests.integration.backup.conftest import PASSWORD, STRANGE, Database, sh
from tests.unit.plugins.module_utils.backup import faults

SCHEMA = r"""
CREATE TABLE users (id serial PRIMARY KEY, name text);
INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 1000) n;
CREATE SCHEMA "My Schema";
CREATE TABLE "My Schema"."a ""b (c. d" (x text);
INSERT INTO "My Schema"."a ""b (c. d" VALUES (E'line\nbreak'), (E'\\.'), (NULL), ('');
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE empty (id int);
CREATE TABLE "ümlaut" (id int REFERENCES users);
INSERT INTO "ümlaut" VALUES (1);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
INSERT INTO parts VALUES (1), (2);
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '
--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: x
-- COPY public.users (id, name) FROM stdin;
' $$;
CREATE VIEW v AS SELECT * FROM users;
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM users;
CREATE TABLE big (x text);
INSERT INTO big SELECT repeat(md5(n::text), 50000) FROM generate_series(1, 4) n;
"""
COUNTS = {
    "public.users": 1000,
    '"My Schema"."a ""b (c. d"': 4,
    "public.nothing": 1,
    "public.empty": 0,
    'public."ümlaut"': 1,
    "public.part1": 2,
    "public.big": 4,
}


def bring_back(database: Database, made: Made, name: str | None = None) -> restores.Restored:
    target = database.database if name is None else name
    where = "" if database.kind.whole_server else target
    plan = restores.plan(
        made.path,
        database.job,
        database.connect(target),
        made.manifest,
        level="full",
        force=False,
        safety=True,
        where="here",
    )
    return restores.restore(
        made.path, database.job, database.kind, lambda part: database.connect(part), where, made.manifest, plan
    )


def proven(database: Database, made: Made) -> None:
    for level in ("quick", "full"):
        report = verify(made.path, database.connect(), level, made.manifest, now=time.time())
        assert report.verdict == "ok", report.checks


def test_postgres_round_trip(postgres: Database) -> None:
    postgres.sql(SCHEMA)
    made = postgres.back_up()
    assert made.manifest["counts"] == COUNTS
    assert made.manifest["same_snapshot"] is True
    assert made.manifest["verification"]["verdict"] == "ok"
    proven(postgres, made)
    postgres.sql('DROP SCHEMA public CASCADE; DROP SCHEMA "My Schema" CASCADE;')
    done = bring_back(postgres, made)
    assert (done.counts, done.safety) == (COUNTS, None)
    assert postgres.sql("SELECT name FROM users WHERE id = 500").strip() == "user 500"
    assert postgres.back_up().manifest["content"] == made.manifest["content"]


def test_postgres_over_what_is_there(postgres: Database) -> None:
    postgres.sql(SCHEMA)
    made = postgres.back_up()
    postgres.sql("UPDATE users SET name = 'x'; DELETE FROM users WHERE id = 7; CREATE TABLE later (i int);")
    done = bring_back(postgres, made)
    assert (done.counts, done.extra) == (COUNTS, {})
    assert done.safety is not None
    assert done.safety.manifest["counts"]["public.users"] == 999
    assert done.safety.manifest["counts"]["public.later"] == 0
    assert postgres.sql("SELECT name FROM users WHERE id = 7").strip() == "user 7"


def test_postgres_with_a_strange_name_that_is_gone(postgres: Database) -> None:
    postgres.database = STRANGE
    postgres.job = type(postgres.job)(**{**postgres.job.__dict__, "databases": (STRANGE,)})
    postgres.sql("CREATE TABLE t (i int); INSERT INTO t VALUES (1);", STRANGE)
    made = postgres.back_up()
    quoted = STRANGE.replace('"', '""')
    postgres.sql(f'DROP DATABASE "{quoted}"', "postgres")
    assert bring_back(postgres, made).counts == {"public.t": 1}


def test_postgres_empty(postgres: Database) -> None:
    made = postgres.back_up()
    assert made.manifest["counts"] == {}
    assert bring_back(postgres, made).counts == {}


def test_postgres_while_it_is_written(postgres: Database) -> None:
    """Rows come and tables go during the dump; counts are those of the snapshot all the same."""
    postgres.sql("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 200000); CREATE TABLE gone (i int);")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            postgres.sql("INSERT INTO t SELECT generate_series(1, 50); CREATE TABLE IF NOT EXISTS new (i int);")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            made = postgres.back_up()
            assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
            assert made.manifest["counts"]["public.t"] >= 200000
    finally:
        stop.set()
        thread.join()


# Everything that a migration may put in the way of what was there before it.
MIGRATION = r"""
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, buyer int REFERENCES users);
INSERT INTO orders (buyer) VALUES (1);
ALTER TABLE "ümlaut" ADD more text;
CREATE VIEW w AS SELECT * FROM v JOIN "My Schema"."a ""b (c. d" ON true;
CREATE TYPE mood AS ENUM ('good');
CREATE TYPE pair AS (a int, b mood);
CREATE DOMAIN short AS text CHECK (length(VALUE) < 5);
CREATE TYPE span AS RANGE (subtype = int);
ALTER TABLE users ADD how mood, ADD what short, ADD two pair, ADD times span;
CREATE FUNCTION g(integer, OUT text) LANGUAGE sql AS $$ SELECT name FROM users WHERE id = $1 $$;
CREATE PROCEDURE p() LANGUAGE sql AS $$ DELETE FROM users $$;
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
CREATE OPERATOR CLASS same FOR TYPE int USING hash AS OPERATOR 1 ===, FUNCTION 1 hashint4(int);
CREATE STATISTICS s ON id, name FROM users;
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE COLLATION c FROM "C";
CREATE EXTENSION pgcrypto;
CREATE SCHEMA later;
CREATE EXTENSION citext SCHEMA later;
CREATE TABLE later.t (i int REFERENCES users, x later.citext);
CREATE FUNCTION on_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION on_drop();
"""


def test_postgres_after_a_migration(postgres: Database) -> None:
    """The most usual reason for a restore: what has come since is in the way, and refers to what was there."""
    postgres.sql(SCHEMA + "CREATE EXTENSION hstore; CREATE TABLE h (h hstore); SELECT lo_from_bytea(0, 'large');")
    made = postgres.back_up()
    postgres.sql(MIGRATION)
    done = bring_back(postgres, made)
    assert (done.counts, done.extra) == ({**COUNTS, "public.h": 0}, {})
    assert done.safety is not None
    assert done.safety.manifest["counts"]["public.orders"] == 1
    assert postgres.back_up().manifest["content"] == made.manifest["content"]
    postgres.sql(MIGRATION)


def test_postgres_of_a_user_who_may_not_do_everything(postgres: Database) -> None:
    """He owns the database and what is in it; an extension is the administrator's, and stays."""
    postgres.sql("DROP DATABASE shop WITH (FORCE);", "postgres")
    postgres.sql(f"DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}';", "postgres")
    postgres.sql("CREATE DATABASE shop OWNER clerk;", "postgres")
    postgres.user = "clerk"
    try:
        postgres.sql(SCHEMA)
        made = postgres.back_up()
        postgres.user = "shop"
        postgres.sql("CREATE EXTENSION pg_stat_statements;")
        postgres.user = "clerk"
        postgres.sql("CREATE TABLE orders (id int REFERENCES users); CREATE SCHEMA later; CREATE TABLE later.t ();")
        done = bring_back(postgres, made)
        assert (done.counts, done.extra) == (COUNTS, {})
        assert "pg_stat_statements" in postgres.sql("SELECT extname FROM pg_extension")
    finally:
        postgres.user = "shop"
        postgres.sql("DROP DATABASE shop WITH (FORCE);", "postgres")
        postgres.sql("DROP ROLE clerk;", "postgres")


def test_postgres_that_fails_to_restore_stays_as_it_was(postgres: Database) -> None:
    """pg_dump does not see that a function reads a table, and restores in an order in which it cannot."""
    postgres.sql("CREATE TABLE t (i int); INSERT INTO t VALUES (1); CREATE TABLE wanted (i int);")
    postgres.sql("CREATE FUNCTION good(int) RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM wanted)';")
    postgres.sql("INSERT INTO wanted VALUES (1); ALTER TABLE t ADD CHECK (good(i));")
    made = postgres.back_up()
    postgres.sql("INSERT INTO t VALUES (2); CREATE VIEW needs_t AS SELECT * FROM t;")
    with pytest.raises(BackupError, match=r"(?s)nothing was restored, and nothing changed: .*wanted.*is kept in"):
        bring_back(postgres, made)
    assert postgres.sql("SELECT count(*) FROM needs_t").strip() == "2"


ROLES = r"""
CREATE ROLE "the reporting"; CREATE ROLE clerk; CREATE ROLE owner; CREATE ROLE seer;
CREATE TABLE t (i int, "x TO nobody" text); INSERT INTO t VALUES (1);
GRANT SELECT ON t TO "the reporting"; GRANT UPDATE ("x TO nobody") ON t TO clerk;
CREATE TABLE mine (i int); ALTER TABLE mine OWNER TO owner;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t FOR SELECT TO seer, clerk USING (i IN (SELECT 1 FROM mine));
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO seer;
"""


def test_postgres_on_a_server_that_lacks_roles(postgres: Database) -> None:
    """No dump has roles: those of which it speaks are made, and cannot log in."""
    names = ["clerk", "owner", "seer", "the reporting"]
    postgres.sql(ROLES)
    made = postgres.back_up()
    postgres.sql("DROP DATABASE shop WITH (FORCE);", "postgres")
    for name in names:
        postgres.sql(f'DROP ROLE "{name}";', "postgres")
    try:
        done = bring_back(postgres, made)
        assert done.counts == {"public.t": 1, "public.mine": 0}
        assert [note.partition(" had to be made")[0] for note in done.notes] == [f"roles {', '.join(names)}"]
        listed = "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'shop' ORDER BY 1"
        assert postgres.sql(listed).split("\n")[:-1] == [f"{name}|f" for name in names]
        assert bring_back(postgres, made).notes == [], "they are there now"
    finally:
        postgres.sql("DROP DATABASE IF EXISTS shop WITH (FORCE);", "postgres")
        for name in names:
            postgres.sql(f'DROP ROLE IF EXISTS "{name}";', "postgres")


def test_postgres_without_the_database(postgres: Database) -> None:
    with pytest.raises(BackupError, match='database "none" does not exist'):
        create(postgres.job, postgres.kind, lambda _: postgres.connect("none"))


def test_a_container_that_is_not_there(postgres: Database) -> None:
    postgres.container = "t-backup-none"
    with pytest.raises(BackupError, match="container 't-backup-none' is not there or not running"):
        postgres.back_up()


MYSQL_SCHEMA = r"""
CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50), letters int AS (CHAR_LENGTH(name)));
INSERT INTO users (name) WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
  SELECT CONCAT('user ', i) FROM n;
CREATE TABLE `a ``b (c. d'"` (x text, b longblob);
INSERT INTO `a ``b (c. d'"` VALUES ('line\nbreak;\n(1),(2)', 0x00ff27285c), ('it''s \\', NULL), (NULL, ''), ('');
CREATE TABLE bare (id int);
CREATE TABLE `ümlaut` (id int, FOREIGN KEY (id) REFERENCES users (id));
INSERT INTO `ümlaut` VALUES (1);
CREATE TABLE big (x longtext);
INSERT INTO big VALUES (REPEAT('a(b\'c,', 500000)), (REPEAT('\\', 500000));
CREATE VIEW v AS SELECT * FROM users;
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW BEGIN
INSERT INTO `users` VALUES (1),(2);
END ;;
CREATE PROCEDURE p() BEGIN
-- Dumping data for table `users`
INSERT INTO users VALUES (1),(2);
END ;;
CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 7 ;;
DELIMITER ;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2040-01-01' DO DELETE FROM bare;
""".replace(", ('');", ", ('', 0x27);")
MYSQL_COUNTS = {"users": 1000, "a `b (c. d'\"": 4, "bare": 0, "ümlaut": 1, "big": 2}


def test_mysql_round_trip(mysql: Database) -> None:
    mysql.mysql(MYSQL_SCHEMA)
    made = mysql.back_up()
    assert made.path.name.startswith(f"{mysql.engine[:5]}-backup-")
    assert made.path.name.endswith(".sql.zst")
    assert made.manifest["counts"] == MYSQL_COUNTS
    assert made.manifest["same_snapshot"] is True, made.manifest["note"]
    assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
    proven(mysql, made)
    content = "SELECT SUM(CRC32(CONCAT_WS('|', id, name, letters))) FROM users; CHECKSUM TABLE `a ``b (c. d'\"`, big"
    before = mysql.mysql(content)
    mysql.mysql("DROP DATABASE shop; CREATE DATABASE shop", "")
    done = bring_back(mysql, made)
    assert (done.counts, done.safety) == (MYSQL_COUNTS, None)
    assert mysql.mysql(content) == before
    assert mysql.mysql("SELECT f(), COUNT(*) FROM v").split() == ["7", "1000"]
    kinds = "SELECT COUNT(*) FROM information_schema.{} WHERE {}_SCHEMA = 'shop'"
    assert mysql.mysql(kinds.format("TRIGGERS", "TRIGGER")).strip() == "1"
    assert mysql.mysql(kinds.format("EVENTS", "EVENT")).strip() == "1"
    assert mysql.mysql(kinds.format("ROUTINES", "ROUTINE")).strip() == "2"


def test_mysql_over_what_is_there(mysql: Database) -> None:
    mysql.mysql("CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2);")
    made = mysql.back_up()
    mysql.mysql("DELETE FROM t WHERE i = 1; CREATE TABLE later (i int);")
    done = bring_back(mysql, made)
    assert (done.counts, done.extra) == ({"t": 2, "later": 0}, {"later": 0})
    assert done.safety is not None
    assert done.safety.manifest["counts"] == {"t": 1, "later": 0}


def test_mysql_with_a_strange_name_that_is_gone(mysql: Database) -> None:
    mysql.database = STRANGE
    mysql.job = type(mysql.job)(**{**mysql.job.__dict__, "databases": (STRANGE,)})
    mysql.mysql("CREATE TABLE t (i int); INSERT INTO t VALUES (1);")
    made = mysql.back_up()
    mysql.mysql(f"DROP DATABASE `{STRANGE}`", "")
    assert bring_back(mysql, made).counts == {"t": 1}


def test_mysql_empty(mysql: Database) -> None:
    made = mysql.back_up()
    assert made.manifest["counts"] == {}
    assert bring_back(mysql, made).counts == {}


def test_mysql_while_it_is_written(mysql: Database) -> None:
    """Rows come and tables are made during the dump; counts are those of the snapshot all the same."""
    mysql.mysql(
        "CREATE TABLE t (i int); INSERT INTO t WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 900) SELECT i FROM n; INSERT INTO t SELECT a.i FROM t a, t b LIMIT 200000;"
    )
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            mysql.mysql(f"INSERT INTO t SELECT * FROM (SELECT i FROM t LIMIT 50) x; CREATE TABLE new{number} (i int);")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            made = mysql.back_up()
            assert made.manifest["same_snapshot"] is True, made.manifest["note"]
            assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
            assert made.manifest["counts"]["t"] >= 200900
    finally:
        stop.set()
        thread.join()


def test_mysql_of_a_user_who_cannot_keep_writers_waiting(mysql: Database) -> None:
    """A managed server gives nobody that right: counts are then of two moments, and the manifest says so."""
    mysql.user = "shop"
    mysql.mysql("CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2);")
    made = mysql.back_up()
    assert made.manifest["verification"]["verdict"] == "ok"
    assert made.manifest["same_snapshot"] is False
    assert "right before the dump and again behind it: writers could not be kept waiting" in made.manifest["note"]


def test_mysql_tables_without_transactions(mysql: Database) -> None:
    mysql.mysql("CREATE TABLE m (i int) ENGINE=MyISAM; INSERT INTO m VALUES (1); CREATE TABLE t (i int);")
    made = mysql.back_up()
    assert made.manifest["verification"]["verdict"] == "ok"
    assert made.manifest["note"].endswith("m take no part in transactions")


def test_mysql_is_not_frozen_for_long(mysql: Database) -> None:
    """Somebody's long query would keep the dump's lock waiting, and everybody behind it."""
    mysql.mysql("CREATE TABLE t (i int); INSERT INTO t VALUES (1);")
    slow = threading.Thread(target=lambda: mysql.mysql("SELECT SLEEP(12), i FROM t FOR UPDATE"))
    slow.start()
    time.sleep(1)
    try:
        begin = time.monotonic()
        made = mysql.back_up()
        assert time.monotonic() - begin < 11
        assert made.manifest["verification"]["verdict"] == "ok"
    finally:
        slow.join()


def test_mysql_without_the_database(mysql: Database) -> None:
    with pytest.raises(BackupError, match=r"(?i)unknown database"):
        create(mysql.job, mysql.kind, lambda _: mysql.connect("none"))


def test_mysql_with_a_wrong_password(mysql: Database) -> None:
    mysql.password = "wrong"
    with pytest.raises(ToolError, match="Access denied"):
        mysql.back_up()


def test_redis_round_trip(redis: Database) -> None:
    redis.redis("SET", "k", "v")
    redis.redis("SET", "soon", "v", "EX", "100000")
    redis.redis("HSET", "h", "a", "1")
    redis.redis("HEXPIRE", "h", "100000", "FIELDS", "1", "a")
    redis.redis("XADD", "s", "1-1", "a", "b")
    redis.redis("-n", "3", "SADD", "set", "a", "b")
    made = redis.back_up()
    assert made.manifest["counts"] == {"db0": 4, "db3": 1}
    assert made.manifest["volatile"] == {"db0": 1}
    assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
    proven(redis, made)
    redis.redis("FLUSHALL")
    redis.redis("SET", "other", "x")
    done = bring_back(redis, made)
    assert done.counts == {"db0": 4, "db3": 1}
    assert done.safety is not None
    assert redis.redis("GET", "k").strip() == "v"
    redis.redis("SET", "k", "later")
    subprocess.run(["docker", "restart", redis.container], check=True, capture_output=True)
    time.sleep(1)
    if redis.redis("CONFIG", "GET", "appendonly").split() == ["appendonly", "yes"]:
        assert redis.redis("GET", "k").strip() == "later", "the append-only file goes on after a restore"


def test_redis_empty(redis: Database) -> None:
    made = redis.back_up()
    assert made.manifest["counts"] == {}
    redis.redis("SET", "k", "v")
    assert bring_back(redis, made).counts == {}


def test_redis_while_it_is_written(redis: Database) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            redis.redis("SET", f"k{number}", "v")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            assert redis.back_up().manifest["verification"]["verdict"] == "ok"
    finally:
        stop.set()
        thread.join()


def test_redis_with_a_wrong_password(redis: Database) -> None:
    redis.password = "wrong"
    with pytest.raises(ToolError, match="refuses INFO"):
        redis.back_up()


def test_mongo_round_trip(mongo: Database) -> None:
    mongo.insert("snippets", b"".join(faults.bson(title=f"snippet {n}", code="x" * n) for n in range(50)))
    strange = ("with space", 'it\'s ü "x"')
    for name in strange:
        mongo.insert(name, faults.bson(a="b"))
    counts = {f"{mongo.database}.snippets": 50, **{f"{mongo.database}.{name}": 1 for name in strange}}
    made = mongo.back_up()
    assert made.manifest["counts"] == counts
    assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
    proven(mongo, made)
    mongo.insert("snippets", faults.bson(title="one more"))
    done = bring_back(mongo, made)
    assert done.counts == counts
    assert done.safety is not None
    assert done.safety.manifest["counts"] == counts | {f"{mongo.database}.snippets": 51}


def test_mongo_empty(mongo: Database) -> None:
    made = mongo.back_up()
    assert made.manifest["counts"] == {}


def test_mongo_with_a_wrong_password(mongo: Database) -> None:
    mongo.password = "wrong"
    with pytest.raises(BackupError, match=r"mongodump in container .* failed"):
        mongo.back_up()


def no_password_is_seen(database: Database) -> None:
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        bring_back(database, database.back_up())
    finally:
        stop.set()
        thread.join()
    assert [line for line in seen if database.container in line], "the watcher should have seen something"
    # How the server itself was started is none of our doing.
    assert [line for line in seen if PASSWORD in line and "redis-server --requirepass" not in line] == []


def test_postgres_shows_no_password(postgres: Database) -> None:
    no_password_is_seen(postgres)


def test_mysql_shows_no_password(mysql: Database) -> None:
    mysql.mysql("CREATE TABLE t (i int); INSERT INTO t VALUES (1);")
    no_password_is_seen(mysql)


def test_redis_shows_no_password(redis: Database) -> None:
    no_password_is_seen(redis)


def test_mongo_shows_no_password(mongo: Database) -> None:
    no_password_is_seen(mongo)


def nothing_is_left_when_killed(database: Database, tool: str) -> None:
    class Killed(BaseException):
        pass

    def die(data: bytes) -> None:
        raise Killed

    with pytest.raises(Killed):
        database.connect().dump(die)
    deadline = time.monotonic() + 10
    while tool in (top := sh("docker", "top", database.container)):
        assert time.monotonic() < deadline, top
        time.sleep(0.2)


def test_postgres_killed_in_the_middle(postgres: Database) -> None:
    postgres.sql("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 2000000) n")
    nothing_is_left_when_killed(postgres, "pg_dump")


def test_mysql_killed_in_the_middle(mysql: Database) -> None:
    mysql.mysql(
        "CREATE TABLE t AS WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT * FROM n"
    )
    mysql.mysql("INSERT INTO t SELECT a.i FROM t a, t b")
    nothing_is_left_when_killed(mysql, "dump")


def test_redis_killed_in_the_middle(redis: Database) -> None:
    nothing_is_left_when_killed(redis, "cat ")


def test_mongo_killed_in_the_middle(mongo: Database) -> None:
    nothing_is_left_when_killed(mongo, "mongodump")
