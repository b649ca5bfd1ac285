# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import store
from ansible_collections.mainstay.platform.plugins.modules.nginx_upstreams import wanted

SHOP = {"name": "shop", "upstreams": [{"name": "shop_web", "ports": {"blue": 20001, "green": 20002}}]}


@pytest.mark.parametrize(
    ("sites", "prune", "gone", "stale"),
    [
        pytest.param([SHOP], True, [], [], id="a site that is there stays closed"),
        pytest.param([SHOP], False, [], [], id="and nothing is stale"),
        pytest.param([], True, ["shop.conf", "shop.json", "shop.maintenance"], [], id="with the site goes its flag"),
        pytest.param([], False, [], ["shop"], id="but not before its turn"),
    ],
)
def test_a_closed_site(tmp_path, monkeypatch, sites, prune, gone, stale):
    monkeypatch.setattr(store, "STATES", tmp_path)
    monkeypatch.setattr(store, "UPSTREAMS", tmp_path)
    (tmp_path / "shop.maintenance").touch()
    files, left = wanted(sites, prune)
    assert sorted(path.name for path, content in files.items() if content is None) == gone
    assert left == stale
