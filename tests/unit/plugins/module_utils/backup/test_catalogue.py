# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import catalogue

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
    ("jobs", "prefixes", "problems"),
    [
        pytest.param([JOB], [""], [], id="one"),
        pytest.param([JOB, OTHER], [], [], id="no store"),
        pytest.param([JOB, OTHER], ["{app}"], [], id="a folder for each app"),
        pytest.param(
            [JOB, OTHER],
            ["{app}", "prod"],
            ["shop-db and blog-db would both write into 'prod/db/' of store 's1': put {app} into its prefix"],
            id="one folder for two",
        ),
        pytest.param([JOB, JOB], [""], ["2 jobs are named 'shop-db'"], id="one name for two"),
    ],
)
def test_clashes(jobs: list[dict[str, str]], prefixes: list[str], problems: list[str]) -> None:
    stores = [{"name": f"s{index}", "prefix": prefix} for index, prefix in enumerate(prefixes)]
    assert catalogue.clashes(jobs, stores) == problems


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({}, True, id="the same place"),
        pytest.param({"name": "another", "prefix": "/a/"}, True, id="the same place under another name"),
        pytest.param({"prefix": "b"}, False, id="another folder"),
        pytest.param({"bucket": "other"}, False, id="another bucket"),
        pytest.param({"endpoint_url": "https://far"}, False, id="another service"),
    ],
)
def test_servers_in_one_place(change: dict[str, str], said: bool) -> None:
    store = {"name": "near", "endpoint_url": "https://s3", "bucket": "b", "prefix": "a"}
    found = catalogue.shared([store], {"second": [{**store, **change}], "third": []})
    expected = "store 'near' is one folder for this server and second: begin its prefix with {{ inventory_hostname }}/"
    assert found == ([expected] if said else [])
