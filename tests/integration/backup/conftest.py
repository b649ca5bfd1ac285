# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers in containers of their own. Build the images first: testbed/images/build."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError

from testbed.images.catalogue import FERRETDB

IMAGES = os.environ.get("BACKUP_TEST_IMAGES", "mainstay/image")
PASSWORD = f'p"w $(id) {secrets.token_hex(8)}'
STRANGE = 'it\'s ü "x" a=b'


def sh(*command: str, stdin: str = "", **env: str) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def server(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    name = f"t-backup-{image.partition(':')[0]}-{secrets.token_hex(3)}"
    sh("docker", "run", "--detach", "--network", "none", "--name", name, *options, f"{IMAGES}/{image}", *command)
    try:
        yield name
    finally:
        sh("docker", "rm", "--force", "--volumes", name)


class Database:
    """A server, and one database in it."""

    def __init__(self, engine: str, container: str, user: str, password: str, database: str, out: Path) -> None:
        self.engine = engine
        self.kind = ENGINES[engine]
        self.container = container
        self.user, self.password, self.database = user, password, database
        self.compression = ""
        names = () if self.kind.whole_server else (database,)
        self.job = Job(f"j-{engine}", "app", "db", engine, names, out / "out", f"{engine[:5]}-backup", out / "locks")

    def connect(self, database: str | None = None, timeout: float = 120) -> Engine:
        name = self.database if database is None else database
        return self.kind(
            Target(
                Place(self.container),
                self.user,
                self.password,
                "" if self.kind.whole_server else name,
                compression=self.compression,
                timeout=timeout,
            )
        )

    def back_up(self) -> Made:
        return create(self.job, self.kind, self.connect)[0]

    def sql(self, text: str, database: str | None = None) -> str:
        place = f"PGDATABASE={self.database if database is None else database}"
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", self.user]
        return sh("docker", "exec", "-i", "-e", place, self.container, *command, stdin=text)

    def mysql(self, text: str, database: str | None = None) -> str:
        client = "mariadb" if self.engine == "mariadb" else "mysql"
        name = self.database if database is None else database
        command = [
            client,
            "--batch",
            "--skip-column-names",
            f"--user={self.user}",
            *([f"--database={name}"] if name else []),
        ]
        given = ["docker", "exec", "-i", "-e", "MYSQL_PWD", self.container, *command, "--default-character-set=utf8mb4"]
        return sh(*given, stdin=text, MYSQL_PWD=self.password)

    def redis(self, *command: str) -> str:
        return sh(
            "docker", "exec", "-e", "REDISCLI_AUTH", self.container, "redis-cli", *command, REDISCLI_AUTH=self.password
        )

    def drop(self, *collections: str) -> None:
        """Replace collections by nothing: mongorestore drops what it is to fill."""
        for collection in collections:
            self.insert(collection, b"", "--drop")

    def insert(self, collection: str, documents: bytes, *options: str) -> None:
        """Documents from BSON, by mongorestore: it is the only client that is sure to be there."""
        config = f"password: {self.password!r}"
        command = ["docker", "exec", "-i", self.container, "sh", "-c",
                   'cat > /tmp/x.bson; mongorestore --username="$1" --authenticationDatabase=admin --config=/dev/fd/3'
                   ' --db="$2" --collection="$3" $5 /tmp/x.bson 3<<END\n$4\nEND\n', "sh",
                   self.user, self.database, collection, config, *options]  # fmt: skip
        done = subprocess.run(command, input=documents, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()


def unharmed(container: str) -> None:
    """PostgreSQL takes a process of ours that is orphaned in its container for one of its own: none may be."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "terminated by" in line] == []


def wait(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 150
    while True:
        try:
            ready()
            return
        except (ToolError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    yield from server(
        "postgres:17",
        "--env",
        "POSTGRES_USER=shop",
        "--env",
        f"POSTGRES_PASSWORD={PASSWORD}",
        "--env",
        "POSTGRES_DB=shop",
    )


@pytest.fixture
def postgres(postgres_server: str, tmp_path: Path) -> Iterator[Database]:
    found = Database("postgresql", postgres_server, "shop", PASSWORD, "shop", tmp_path)
    # While it initialises itself it listens on its socket alone.
    wait(lambda: sh("docker", "exec", postgres_server, "pg_isready", "-h", "127.0.0.1"))
    for name in ("shop", STRANGE):
        quoted = name.replace('"', '""')
        found.sql(f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE);\nCREATE DATABASE "{quoted}";', "postgres")
    yield found
    unharmed(postgres_server)


def mysql_server(image: str, *options: str) -> Iterator[str]:
    if not sh("docker", "image", "ls", "--quiet", f"{IMAGES}/{image}"):
        pytest.skip(f"there is no image {image} (testbed/images/build --all says why)")
    yield from server(
        image, *options, "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run/mysqld:uid=999,gid=999,mode=0755",
        "--user", "999:999", "--env", f"MYSQL_ROOT_PASSWORD={PASSWORD}", "--env", "MYSQL_ROOT_HOST=localhost",
        "--env", "MYSQL_USER=shop", "--env", f"MYSQL_PASSWORD={PASSWORD}", "--env", "MYSQL_DATABASE=shop",
    )  # fmt: skip


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    yield from mysql_server("mariadb:11.8")


@pytest.fixture(scope="session")
def oracle_server() -> Iterator[str]:
    yield from mysql_server("mysql:9")


@pytest.fixture(params=["mariadb", "mysql"])
def mysql(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Both of the family: what is true of one has to be of the other."""
    container = request.getfixturevalue("mariadb_server" if request.param == "mariadb" else "oracle_server")
    found = Database(request.param, container, "root", PASSWORD, "shop", tmp_path)
    # While it initialises itself it listens on its socket alone.
    admin = "mariadb-admin" if request.param == "mariadb" else "mysqladmin"
    wait(lambda: sh("docker", "exec", container, admin, "--host=127.0.0.1", "--silent", "ping"))
    for name in ("shop", STRANGE):
        quoted = "`" + name.replace("`", "``") + "`"
        found.mysql(f"DROP DATABASE IF EXISTS {quoted}; CREATE DATABASE {quoted};", "")
    return found


@pytest.fixture(scope="module", params=["plain", "append-only"])
def redis_server(request: pytest.FixtureRequest) -> Iterator[str]:
    append = ("--appendonly", "yes") if request.param == "append-only" else ()
    yield from server("redis:8.0", "--read-only", "--tmpfs", "/tmp", "--volume", "/data",
                      command=("redis-server", "--requirepass", PASSWORD, *append))  # fmt: skip


@pytest.fixture(scope="module")
def plain_redis() -> Iterator[str]:
    command = ("redis-server", "--requirepass", PASSWORD)
    yield from server("redis:8.0", "--read-only", "--tmpfs", "/tmp", "--volume", "/data", command=command)


@pytest.fixture
def redis(redis_server: str, tmp_path: Path) -> Database:
    found = Database("redis", redis_server, "", PASSWORD, "", tmp_path)
    wait(lambda: found.redis("PING"))
    found.redis("FLUSHALL")
    return found


@pytest.fixture(scope="module")
def mongo_server() -> Iterator[str]:
    user, password = "MONGO_INITDB_ROOT_USERNAME=shop", f"MONGO_INITDB_ROOT_PASSWORD={PASSWORD}"
    yield from server(f"mongo:{FERRETDB}", "--env", user, "--env", password)


@pytest.fixture
def mongo(mongo_server: str, tmp_path: Path) -> Database:
    found = Database("mongodb", mongo_server, "shop", PASSWORD, f"shop{secrets.token_hex(3)}", tmp_path)
    wait(lambda: found.connect().counts())
    return found


TRIALS: list[dict[str, object]] = []
COLUMNS = ("format", "letter", "fault", "trials", "quick", "full", "harmless", "birth")


@pytest.fixture(scope="session")
def trials() -> list[dict[str, object]]:
    """Where the trials of damage are written down."""
    return TRIALS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the trials, and keep them as JSON."""
    if not TRIALS:
        return
    rows = [[str(row.get(column, "")) for column in COLUMNS] for row in TRIALS]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    terminalreporter.section("damage seen: quick with a manifest, full without one, at birth")
    for row in (COLUMNS, *rows):
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    terminalreporter.write_line(f"mongodb: what mongodump takes from {FERRETDB}, which stands in for MongoDB")
    number = max(int(str(row["trials"])) for row in TRIALS)
    path = Path(__file__).parents[3] / "benchmarks" / "results" / f"trials-{number}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A run of some formats leaves what is known of the others.
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    made = {(row["format"], row["fault"]): row for row in [*known, *TRIALS]}
    path.write_text(json.dumps(list(made.values()), indent=1) + "\n", encoding="utf-8")
    terminalreporter.write_line(f"written to {path}")
