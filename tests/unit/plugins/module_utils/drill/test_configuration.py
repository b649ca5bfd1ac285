# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.drill.configuration import configuration
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError


class Known(Docker):
    """A Docker with one container."""

    def must(self, *words: str) -> str:
        if words[-1] != "shop-data-db-1":
            raise ReleaseError("no such container")
        return "postgres:17\n"

    def pinned(self, image: str) -> str:
        return f"{image}@sha256:aa"


def test_what_serves_is_kept_without_its_secrets(tmp_path: Path) -> None:
    srv, state = tmp_path / "srv", tmp_path / "state"
    for name in ("data/compose.yml", "data/secrets/db", "releases/v1-a/compose.yml", "releases/v1-a/env/app.env",
                 "releases/v1-a/images.yml", "releases/v0-b/compose.yml", "releases/v1-a/source/deploy_key",
                 "releases/v1-a/units/blue/shop-blue-web.service"):  # fmt: skip
        path = srv / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    release = {"id": "v1-a", "release": "v1", "slot": "blue", "images": {}}
    states.write({**states.empty("shop"), "serving": release}, state)
    found = configuration("shop", "shop-data-db-1", None, srv, state, Known("docker"))
    assert found.image == "postgres:17@sha256:aa"
    assert found.files == {
        "data/compose.yml": "data/compose.yml",
        "release/compose.yml": "releases/v1-a/compose.yml",
        "release/images.yml": "releases/v1-a/images.yml",
        "release/units/blue/shop-blue-web.service": "releases/v1-a/units/blue/shop-blue-web.service",
    }


def test_nothing_of_it_hinders_a_backup(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text("{damaged")
    assert configuration("shop", "gone", None, tmp_path, tmp_path, Known("docker")).files == {}
    assert configuration("shop", None, None, tmp_path, tmp_path, Known("docker")).image == ""
