# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of databases are told, and what is made of what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.passwords import (
    Access,
    Passwords,
    literal,
    scram,
)

OLD, NEW = "old-\"pass'w\\ord", "new-\"pass'w\\ord"
REFUSALS = {
    "postgresql": (2, "", 'psql: error: FATAL:  password authentication failed for user "shop"'),
    "mysql": (1, "", "ERROR 1045 (28000): Access denied for user 'shop'@'127.0.0.1' (using password: YES)"),
    "mariadb": (1, "", "ERROR 1045 (28000): Access denied for user 'shop'@'127.0.0.1' (using password: YES)"),
    "redis": (0, "NOAUTH Authentication required.\n", "AUTH failed: WRONGPASS invalid username-password pair"),
    "mongodb": (3, "", ""),
}
ENGINES = list(REFUSALS)


class Server(Docker):
    """A container that lets in whoever has its password; ``said`` is an answer to everything in place of that."""

    def __init__(self, engine: str, password: str) -> None:
        super().__init__("docker")
        self.access = Access("shop-data-db-1", engine, None if engine == "redis" else "shop")
        self.password = password
        self.said: tuple[int, str, str] | None = None
        self.seen: list[tuple[tuple[str, ...], str, Mapping[str, str]]] = []

    def run(
        self,
        *words: str,
        timeout: float | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        self.seen.append((words, stdin or "", env or {}))
        if words[0] == "inspect":
            return subprocess.CompletedProcess(words, 0, "mongo:7\n", "")
        if self.said:
            return subprocess.CompletedProcess(words, *self.said)
        held = "".join((env or {}).values())
        inside = (
            held if self.access.engine in ("redis", "postgresql") else held.replace('\\"', '"').replace("\\\\", "\\")
        )
        changes = any(word in (stdin or "") + held for word in ("ALTER", "CONFIG SET", '"to": "'))
        # The socket of PostgreSQL is trusted.
        if self.password not in inside and not (changes and self.access.engine == "postgresql"):
            return subprocess.CompletedProcess(words, *REFUSALS[self.access.engine])
        if changes:
            self.password = NEW
        answer = "OK\n" if "CONFIG SET" in (stdin or "") else "PONG\n"
        return subprocess.CompletedProcess(words, 0, answer, "")


@pytest.mark.parametrize("engine", ENGINES)
def test_whether_a_password_is_good(engine: str) -> None:
    server = Server(engine, OLD)
    passwords = Passwords(server)
    assert (passwords.good(server.access, OLD), passwords.good(server.access, NEW)) == (True, False)


@pytest.mark.parametrize("held", [OLD, NEW], ids=["has the old one", "has the new one already"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_change_shows_no_password_on_a_command_line(engine: str, held: str) -> None:
    server = Server(engine, held)
    Passwords(server).change(server.access, NEW, [OLD])
    assert server.password == NEW
    for words, _stdin, _env in server.seen:
        assert not any(part in word for word in words for part in (OLD[:5], NEW[:5]))


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "postgresql"])
def test_a_database_that_nobody_can_enter(engine: str) -> None:
    server = Server(engine, "something-else")
    with pytest.raises(ReleaseError, match="neither with the new password nor with the one that this server has"):
        Passwords(server).change(server.access, NEW, [OLD])


@pytest.mark.parametrize(
    ("engine", "said", "expected"),
    [
        pytest.param("postgresql", (2, "", "FATAL:  the database system is starting up"), "starting up", id="starting"),
        pytest.param("mysql", (1, "", "ERROR 2002 (HY000): Can't connect"), "Can't connect", id="mysql is down"),
        pytest.param("redis", (0, "LOADING Redis is loading the dataset", ""), "LOADING", id="redis loads"),
        pytest.param("redis", (1, "", "Could not connect"), "Could not connect", id="redis is down"),
        pytest.param("mongodb", (127, "", "sh: 1: exec: mongosh: not found"), "has no mongosh", id="no mongosh"),
        pytest.param("mongodb", (1, "connect ECONNREFUSED", ""), "ECONNREFUSED", id="mongodb is down"),
        pytest.param(
            "mariadb",
            (1, "", "Error response from daemon: container 12ab is not running"),
            "Start it with playbooks/deploy.yml",
            id="container stopped",
        ),
        pytest.param("mysql", (1, "", f"near {OLD}"), "near \\*\\*\\*\\*", id="an error that quotes the password"),
    ],
)
def test_what_is_no_refusal_is_told(engine: str, said: tuple[int, str, str], expected: str) -> None:
    server = Server(engine, OLD)
    server.said = said
    with pytest.raises(ReleaseError, match=expected):
        Passwords(server).good(server.access, OLD)


def test_what_postgresql_keeps_of_a_password() -> None:
    # RFC 7677, section 3: its example of an exchange, for the password "pencil".
    import base64

    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert scram("pencil") != scram("pencil")


def test_a_string_of_mysql() -> None:
    assert literal('it\'s \\ "x"') == "'it\\'s \\\\ \"x\"'"
