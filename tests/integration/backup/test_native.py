# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own PostgreSQL, MariaDB and Redis on a server, backed up and brought back by the playbooks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cloud.places import ADDRESSES, BUCKET, SECRETS
from testbed.outside import Server, bed

NAME = "t-backup"
ROWS = {"db-pg": "1000", "db-tls": "1000", "db-maria": "500", "db-cache": "3"}


class Native(Server):
    """A server with a database of every kind that Debian has."""

    def __init__(self) -> None:
        password = secrets.token_hex(12)
        self.password = password
        common = {"app": "shop", "schedule": "*-*-* 02:00:00 UTC"}
        postgres = {**common, "engine": "postgresql", "user": "shop", "password": password, "databases": ["shop"]}
        jobs: list[dict[str, Any]] = [
            {**postgres, "name": "shop-pg", "database": "pg", "socket": "/run/postgresql/.s.PGSQL.5432"},
            # What Debian's certificate is made out to.
            {**postgres, "name": "shop-tls", "database": "tls", "host": NAME, "port": 5432, "tls": True,
             "ca": "/etc/ssl/certs/ssl-cert-snakeoil.pem"},
            {**common, "name": "shop-maria", "database": "maria", "engine": "mariadb", "user": "root",
             "databases": ["shop"], "socket": "/run/mysqld/mysqld.sock"},
            {**common, "name": "shop-cache", "database": "cache", "engine": "redis", "host": "127.0.0.1",
             "password": password},
        ]  # fmt: skip
        store = {"name": "near", "endpoint_url": f"https://{ADDRESSES['s3.test']}:8333", "bucket": BUCKET}

        def key(who: str) -> dict[str, str]:
            return {"access_key_id": who, "secret_access_key": (SECRETS / f"s3_{who}").read_text().strip()}

        super().__init__(
            NAME,
            native_password=password,
            backups_jobs=jobs,
            backups_stores=[{**store, "prefix": f"native-{secrets.token_hex(4)}/{{app}}", "credential": key("writer")}],
            backups_readers={"near": key("reader")},
        )

    def postgres(self, sql: str) -> str:
        return self.shell("su postgres -c 'psql -qtA shop'", stdin=sql).strip()

    def mariadb(self, sql: str) -> str:
        return self.shell("mariadb --batch --skip-column-names shop", stdin=sql).strip()

    def redis(self, *words: str) -> str:
        command = f"REDISCLI_AUTH={self.password} redis-cli {' '.join(words)}"
        return self.shell(command).strip()


@pytest.fixture(scope="module")
def server() -> Iterator[Native]:
    bed("server", "down", NAME)
    bed("server", "up", NAME)
    found = Native()
    found.play(Path(__file__).with_name("native.yml"))
    yield found
    bed("server", "down", NAME)


def test_native_databases_are_backed_up_and_brought_back(server: Native) -> None:
    server.postgres("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
    server.mariadb("CREATE TABLE t AS SELECT seq FROM seq_1_to_500")
    server.redis("mset a 1 b 2 c 3")
    said = server.play("playbooks/backup.yml")
    for database, counted in ROWS.items():
        assert [line for line in said.splitlines() if f" {database.removeprefix('db-')} " in line and counted in line]
    server.postgres("DELETE FROM t")
    server.mariadb("DROP TABLE t")
    server.redis("flushall")
    server.redis("set other 1")
    said = server.play("playbooks/restore.yml", "-vv", app="shop")
    assert server.password not in said
    assert server.postgres("SELECT count(*) FROM t") == "1000"
    assert server.mariadb("SELECT count(*) FROM t") == "500"
    assert server.redis("dbsize") == "3"
    # It is the unit's process again, with its own settings, and what it saves from now on stays.
    assert server.redis("config get save").split()[1:] != []
    server.redis("set d 4")
    server.shell("systemctl restart redis-server")
    assert server.redis("dbsize") == "4"
