# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of PostgreSQL that have tables: pg_dump writes the rows that the extension calls the user's, as those of
spatial_ref_sys in PostGIS or the jobs of pg_cron, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.backup.conftest import Database, sh
from tests.integration.backup.test_round_trip import bring_back, proven

EXTENSION = {
    "own_rows.control": "comment = 'tables of which some rows are the user''s'\ndefault_version = '1.0'\n",
    "own_rows--1.0.sql": r"""
CREATE SCHEMA "Own Rows";
CREATE TABLE reference (id int PRIMARY KEY, note text);
INSERT INTO reference SELECT n, 'given' FROM generate_series(1, 5) n;
SELECT pg_catalog.pg_extension_config_dump('reference', $$WHERE note LIKE 'mine %' OR note = 'it''s \.'$$);
CREATE TABLE "Own Rows"."all of them" (id serial);
SELECT pg_catalog.pg_extension_config_dump('"Own Rows"."all of them"', '');
SELECT pg_catalog.pg_extension_config_dump('"Own Rows"."all of them_id_seq"', '');
CREATE TABLE inside (id int);
INSERT INTO inside VALUES (1), (2);
""",
}
COUNTS = {"public.t": 1, "public.reference": 2, '"Own Rows"."all of them"': 3}


@pytest.fixture
def extended(postgres: Database, tmp_path: Path) -> Database:
    for name, text in EXTENSION.items():
        (tmp_path / name).write_text(text)
        sh("docker", "cp", str(tmp_path / name), f"{postgres.container}:/usr/share/postgresql/17/extension/{name}")
    postgres.sql("CREATE EXTENSION own_rows; CREATE EXTENSION hstore; CREATE TABLE t (i hstore);")
    postgres.sql(r"INSERT INTO reference VALUES (100, 'mine 100%'), (101, 'it''s \.'); INSERT INTO t VALUES ('a=>1');")
    postgres.sql('INSERT INTO "Own Rows"."all of them" SELECT FROM generate_series(1, 3);')
    return postgres


def test_the_users_rows_are_counted_as_they_are_dumped(extended: Database) -> None:
    made = extended.back_up()
    assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
    assert made.manifest["counts"] == COUNTS
    proven(extended, made)


def test_they_come_back(extended: Database) -> None:
    made = extended.back_up()
    extended.sql("DROP EXTENSION own_rows CASCADE; DROP TABLE t;")
    assert bring_back(extended, made).counts == COUNTS
    rows = extended.sql("SELECT count(*) FROM reference; SELECT count(*) FROM inside; SELECT i -> 'a' FROM t;")
    assert rows.split() == ["7", "2", "1"]


def test_over_what_is_there(extended: Database) -> None:
    made = extended.back_up()
    extended.sql("DELETE FROM reference WHERE id = 100; INSERT INTO reference VALUES (102, 'mine too');")
    assert bring_back(extended, made).counts == COUNTS
    assert extended.sql("SELECT id FROM reference WHERE id > 99 ORDER BY id").split() == ["100", "101"]
