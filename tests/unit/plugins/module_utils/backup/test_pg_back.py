# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in the text of pg_restore, and what is held back of it."""

from __future__ import annotations

import io

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import pg_back


def section(kind: str, *lines: str, owner: str = "shop") -> list[str]:
    return ["--", f"-- Name: it; Type: {kind}; Schema: public; Owner: {owner}", "--", "", *lines]


@pytest.mark.parametrize(
    ("lines", "roles"),
    [
        pytest.param(section("TABLE", owner="clerk"), ["clerk"], id="an owner"),
        pytest.param(section("TABLE", owner="clerk; Tablespace: fast"), ["clerk"], id="an owner, and a tablespace"),
        pytest.param(section("TABLE", owner='two "words'), ['two "words'], id="an owner with a strange name"),
        pytest.param(section("EXTENSION", owner="-"), [], id="no owner"),
        pytest.param(section("SCHEMA", owner="pg_database_owner"), [], id="a role that every server has"),
        pytest.param(section("ACL", "GRANT SELECT ON TABLE t TO seer;"), ["seer", "shop"], id="a grant"),
        pytest.param(
            section("ACL", 'GRANT SELECT("a TO b") ON TABLE public."T" TO "a ""role" WITH GRANT OPTION;'),
            ['a "role', "shop"],
            id="a grant with names in quotes",
        ),
        pytest.param(
            section("ACL", "REVOKE ALL ON SCHEMA public FROM PUBLIC;", "GRANT ALL ON SCHEMA public TO PUBLIC;"),
            ["shop"],
            id="everybody is no role",
        ),
        pytest.param(
            section("ACL", "SET SESSION AUTHORIZATION boss;", "RESET SESSION AUTHORIZATION;"),
            ["boss", "shop"],
            id="who granted it",
        ),
        pytest.param(
            section(
                "DEFAULT ACL", "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA a GRANT SELECT ON TABLES TO seer;"
            ),
            ["boss", "seer", "shop"],
            id="default privileges",
        ),
        pytest.param(
            section("POLICY", "CREATE POLICY p ON t FOR SELECT TO a, b USING ((i IN ( SELECT 1 FROM c)));"),
            ["a", "b", "shop"],
            id="a policy",
        ),
        pytest.param(
            section("FUNCTION", "GRANT SELECT ON t TO seer;", "-- Name: t; Type: TABLE; Schema: public; Owner: x"),
            ["shop"],
            id="the body of a function",
        ),
        pytest.param([], [], id="nothing"),
    ],
)
def test_roles(lines: list[str], roles: list[str]) -> None:
    assert pg_back.roles(lines) == roles


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([], id="nothing"),
        pytest.param([10], id="less than is held back"),
        pytest.param([pg_back.HELD_BACK], id="as much"),
        pytest.param([pg_back.HELD_BACK, 1, pg_back.HELD_BACK * 3, 7], id="more"),
    ],
)
def test_the_end_is_held_back(sizes: list[int]) -> None:
    pieces = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    client = io.BytesIO()
    end = pg_back.pour(pieces, client)
    assert client.getvalue() + end == b"".join(pieces)
    assert len(end) == min(sum(sizes), pg_back.HELD_BACK)


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["a"], ["role a had to be made"], id="one"),
        pytest.param(["a", "b"], ["roles a, b had to be made"], id="two"),
    ],
)
def test_made(roles: list[str], said: list[str]) -> None:
    assert [note.partition(", for the backup")[0] for note in pg_back.made(roles)] == said
