# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret reaches, by what files say alone."""

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.app_stack import env_file
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import (
    Scope,
    Secrets,
    changed,
    lines,
    renewed,
    scope,
    targets,
    unserved,
    values,
    with_password_of,
)

NASTY = 'no\'such "thing" as $HOME ${PATH} $$ \\ \\n #1\nand\tmore\r='


def secrets(db: str = "old-db-password", cache: str = "old-cache-password", **variables: str) -> Secrets:
    held = {"DATABASE_URL": f"postgresql://shop:{db}@db/shop", "TOKEN": "a-token", **variables}
    return Secrets.of(
        {
            "release/env/app.env": env_file(held),
            "release/env/service-api.env": env_file({"DATABASE_URL": held["DATABASE_URL"]}),
            "data/secrets/db": db,
            "data/secrets/cache": cache,
            "data/secrets/cache.conf": f'requirepass "{cache}"\nsave 60 1\n',
        }
    )


def test_values_come_back_as_they_were() -> None:
    held = {"NASTY": NASTY, "EMPTY": "", "PLAIN": "x"}
    assert values(env_file(held)) == held
    assert "".join(f"{line}\n" for line in lines(env_file(held)).values()) == env_file(held)


def test_a_file_gets_the_values_of_today_and_no_variables() -> None:
    today = lines(env_file({"A": NASTY, "C": "new"}))
    assert renewed(env_file({"A": "old", "B": "stays"}), today) == env_file({"A": NASTY, "B": "stays"})


def test_the_configuration_of_redis_keeps_all_but_its_password() -> None:
    other = 'requirepass "with \\\\1 and \\"quotes\\""\nmaxmemory 2\n'
    assert with_password_of('requirepass "old"\nmaxmemory 1\n', other) == other.replace("2", "1", 1).replace(
        "\\\\2", ""
    )
    assert with_password_of("maxmemory 1\n", other) == "maxmemory 1\n"


def test_what_may_be_rotated() -> None:
    got = secrets()
    assert got.names == ["db", "cache", "DATABASE_URL", "TOKEN"]
    assert (got.value("TOKEN"), got.value("NOTHING")) == ("a-token", "")
    assert "old-db-password" not in repr(got)


OLD = secrets()
URL = "p@ss/word+%-long"


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        pytest.param(["TOKEN"], secrets(TOKEN="b"), Scope((), ("TOKEN",)), id="a variable"),
        pytest.param(["db"], secrets(db="new-db-password"), Scope(("db",), ("DATABASE_URL",)), id="a password"),
        pytest.param(
            ["DATABASE_URL"],
            secrets(db="new-db-password"),
            Scope(("db",), ("DATABASE_URL",)),
            id="a variable with a password",
        ),
        pytest.param(["db"], secrets(), Scope(("db",), ("DATABASE_URL",)), id="nothing has changed"),
        pytest.param(
            ["db"],
            secrets(db="new-db-password", TOKEN="b"),
            Scope(("db",), ("DATABASE_URL",)),
            id="something else has changed as well",
        ),
        pytest.param(
            ["cache"],
            secrets(cache="new-cache-password", TOKEN="hidden in some way"),
            Scope(("cache",), ("TOKEN",)),
            id="nothing that has changed shows the password",
        ),
        pytest.param(
            ["db"],
            secrets(db=URL, DATABASE_URL="postgresql://shop:p%40ss%2Fword%2B%25-long@db/shop"),
            Scope(("db",), ("DATABASE_URL",)),
            id="as in a URL",
        ),
        pytest.param([], secrets(TOKEN="b"), Scope(), id="none"),
    ],
)
def test_what_changes_together(names: list[str], wanted: Secrets, expected: Scope) -> None:
    assert scope(names, wanted, OLD) == expected


def test_what_has_changed() -> None:
    assert changed(secrets(), OLD) == Scope()
    assert changed(secrets(db="new-db-password", NEW="x"), OLD) == Scope(("db",), ("DATABASE_URL",)), (
        "new is not changed"
    )


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        pytest.param({"TOKEN": "a"}, ["TOKEN"], id="another value"),
        pytest.param({"TOKEN": "b", "PATH": "/bin"}, [], id="this value"),
        pytest.param({"PATH": "/bin"}, [], id="does not have it"),
    ],
)
def test_who_has_another_value(has: dict[str, str], expected: list[str]) -> None:
    assert unserved(Scope((), ("TOKEN",)), secrets(TOKEN="b"), has) == expected


def test_which_files_change() -> None:
    files = {
        "releases/v1-a/env/app.env": env_file({"TOKEN": "a-token", "GONE": "x"}),
        "releases/v2-a/env/service-api.env": env_file({"DATABASE_URL": "postgresql://shop:old-db-password@db/shop"}),
        "data/secrets/db": "old-db-password",
        "data/secrets/cache": "old-cache-password",
        "data/secrets/cache.conf": 'requirepass "old-cache-password"\nsave 9 9\n',
    }
    wanted = secrets(db="new-db-password", cache="new-cache-password", TOKEN="b")
    assert targets(Scope((), ("TOKEN",)), wanted, files) == {
        "releases/v1-a/env/app.env": env_file({"TOKEN": "b", "GONE": "x"})
    }
    assert targets(Scope(("db",), ("DATABASE_URL",)), wanted, files) == {
        "releases/v2-a/env/service-api.env": env_file({"DATABASE_URL": "postgresql://shop:new-db-password@db/shop"}),
        "data/secrets/db": "new-db-password",
    }
    assert targets(Scope(("cache",)), wanted, files) == {
        "data/secrets/cache": "new-cache-password",
        "data/secrets/cache.conf": 'requirepass "new-cache-password"\nsave 9 9\n',
    }
