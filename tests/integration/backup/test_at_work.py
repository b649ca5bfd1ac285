# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of servers on which somebody is at work meanwhile."""

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.mysql import MySQL
from ansible_collections.mainstay.platform.plugins.module_utils.backup.session import Session

from tests.integration.backup.conftest import Database


def meanwhile(monkeypatch: pytest.MonkeyPatch, database: Database, sql: str) -> None:
    """Do this behind mysqldump's back: it has gone past these tables, and nothing is counted yet."""
    real, begun = MySQL._count, iter([True])

    def count(self: MySQL, session: Session, tables: list[str]) -> dict[str, int]:
        if next(begun, False):
            database.mysql(sql)
        return real(self, session, tables)

    monkeypatch.setattr(MySQL, "_count", count)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("DROP TABLE work", id="dropped"),
        pytest.param("TRUNCATE work", id="truncated"),
        pytest.param("ALTER TABLE work ADD COLUMN j int FIRST, ADD KEY (j), ALGORITHM=COPY", id="altered"),
        pytest.param("RENAME TABLE work TO done", id="renamed"),
        pytest.param("DROP TABLE work; CREATE TABLE work (x text)", id="replaced"),
    ],
)
def test_mysql_whose_work_table_is_changed_meanwhile(
    mysql: Database, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    mysql.mysql(
        "CREATE TABLE a (i int); INSERT INTO a VALUES (1); CREATE TABLE work (i int); INSERT INTO work VALUES (1), (2);"
        "CREATE TABLE z (i int); INSERT INTO z VALUES (1), (2), (3);"
    )
    meanwhile(monkeypatch, mysql, sql)
    manifest = mysql.back_up().manifest
    assert manifest["verification"]["verdict"] == "ok", manifest["verification"]
    assert manifest["counts"] == {"a": 1, "work": 2, "z": 3}
    source = next(check for check in manifest["verification"]["checks"] if check["name"] == "source")
    reason = "counts are those of the source; changed meanwhile, and not compared: work"
    assert source == {"name": "source", "verdict": "not_verified", "reason": reason}
    assert "; work could not be counted, for somebody dropped, truncated or altered them" in manifest["note"]


def test_mysql_whose_counter_is_cut_off(mysql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only goes on behind an error must not wait for answers that never come."""
    mysql.mysql("CREATE TABLE a (i int);")
    mysql.user = "root"
    kill = "SELECT CONCAT('KILL ', id, ';') FROM information_schema.PROCESSLIST WHERE command = 'Sleep'"
    real = MySQL._count

    def count(self: MySQL, session: Session, tables: list[str]) -> dict[str, int]:
        mysql.mysql(mysql.mysql(kill))
        return real(self, session, tables)

    monkeypatch.setattr(MySQL, "_count", count)
    with pytest.raises(Exception, match=r"(?s)failed with status 1: .*(gone away|Lost connection|was killed)"):
        mysql.back_up()
