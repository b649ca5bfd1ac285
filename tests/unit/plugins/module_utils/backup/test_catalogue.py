# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import catalogue
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import Stored


def stored(*names: str, **metadata: str) -> list[dict[str, Any]]:
    """Objects as ``blob_info`` returns them; a name that ends in + has a manifest."""
    found = []
    for name in names:
        base = name.removesuffix("+")
        found.append({"name": base, "size": 10, "metadata": metadata})
        if name.endswith("+"):
            found.append({"name": f"{base}.manifest.json", "size": 1, "metadata": metadata})
    return found


JOB = {"name": "shop-db", "app": "shop", "database": "db"}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", "db/"),
        ("/", "db/"),
        ("prod", "prod/db/"),
        ("prod/", "prod/db/"),
        ("{app}", "shop/db/"),
        ("prod/{app}/", "prod/shop/db/"),
        ("{database}/{app}", "db/shop/"),
        ("x-{database}", "x-db/"),
    ],
)
def test_folder(prefix: str, expected: str) -> None:
    assert catalogue.folder(JOB, prefix) == expected


OTHER = {"name": "blog-db", "app": "blog", "database": "db"}


@pytest.mark.parametrize(
    ("jobs", "prefix", "problems"),
    [
        pytest.param([JOB], "", [], id="one"),
        pytest.param([JOB, OTHER], "{app}", [], id="a folder for each app"),
        pytest.param(
            [JOB, OTHER],
            "prod",
            ["shop-db and blog-db would both write into 'prod/db/' of the store: put {app} into backups_store.prefix"],
            id="one folder for two",
        ),
        pytest.param([JOB, JOB], "", ["2 jobs are named 'shop-db'"], id="one name for two"),
    ],
)
def test_clashes(jobs: list[dict[str, str]], prefix: str, problems: list[str]) -> None:
    assert catalogue.clashes(jobs, prefix) == problems


A, B = "db/pg-backup-20261120-020000.dump", "db/pg-backup-20261121-020000.dump"


@pytest.mark.parametrize(
    ("objects", "sets"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(stored(f"{B}+", f"{A}+"), ["20261120-020000", "20261121-020000"], id="oldest first"),
        pytest.param(stored(f"{A}+", B), ["20261120-020000"], id="without a manifest it does not count"),
        pytest.param(
            stored("db/notes.txt+", "dbx/pg-backup-20261120-020000.dump+", "db/x/pg-backup-20261120-020000.dump+"),
            [],
            id="others",
        ),
        pytest.param(stored("db/mongo-backup-20261120-020000.archive.gz+"), ["20261120-020000"], id="mongodb"),
        pytest.param(
            stored("db/pg-backup-20261120-020000-a.dump+", "db/pg-backup-20261120-020000-b.dump"),
            [],
            id="half of a set",
        ),
    ],
)
def test_stored_sets(objects: list[dict[str, Any]], sets: list[str]) -> None:
    assert [item.set for item in catalogue.stored_sets(objects, "db/")] == sets


def test_a_set_of_several_backups() -> None:
    objects = stored("db/pg-backup-20261120-020000-b.dump+", "db/pg-backup-20261120-020000-a.dump+", verdict="ok")
    names = ("db/pg-backup-20261120-020000-a.dump", "db/pg-backup-20261120-020000-b.dump")
    assert catalogue.stored_sets(objects, "db/") == [Stored("20261120-020000", names, 20, "ok")]


def some(*ids: str, verdict: str = "ok") -> list[Stored]:
    return [Stored(key, (key,), 1, verdict) for key in ids]


@pytest.mark.parametrize(
    ("sets", "wanted", "chosen"),
    [
        pytest.param(some("20261120-020000", "20261121-020000"), "", "20261121-020000", id="newest"),
        pytest.param(some("20261120-020000", "20261121-020000"), "20261120", "20261120-020000", id="of a day"),
        pytest.param(
            some("20261120-020000") + some("20261121-020000", verdict="not_verified"),
            "",
            "20261120-020000",
            id="newest proven",
        ),
        pytest.param(some("20261121-020000", verdict="not_verified"), "", "20261121-020000", id="nothing else there"),
        pytest.param(some("20261121-020000", verdict=""), "", "20261121-020000", id="nobody knows"),
    ],
)
def test_choose(sets: list[Stored], wanted: str, chosen: str) -> None:
    assert catalogue.choose(sets, wanted, "the store").set == chosen


@pytest.mark.parametrize(
    ("sets", "wanted", "error"),
    [
        pytest.param([], "", "there is no complete set in the store", id="nothing there"),
        pytest.param(
            [], "2026", "no backup set '2026' in the store: there is no complete set", id="nothing there at all"
        ),
        pytest.param(some("a", "b"), "c", "no backup set 'c' in the store: the newest there are a, b", id="another"),
    ],
)
def test_choose_nothing(sets: list[Stored], wanted: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        catalogue.choose(sets, wanted, "the store")
