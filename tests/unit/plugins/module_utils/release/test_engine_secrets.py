# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets between releases: what a play brings, what a rotation brings, what going back finds, what is left lying."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.passwords import Access, Passwords
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import values

from tests.unit.plugins.module_utils.release.test_engine import Shop

OLD, NEW = "old-db-password", "new-db-password"


class Vault(Shop):
    """The shop, whose inventory has secrets, and whose database and containers know theirs."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        self.password, self.token, self.inside = OLD, "token-one", OLD
        self.root = self.places.srv / "shop"

        def good(_self: Passwords, _access: Access, password: str) -> bool:
            return password == self.inside

        def change(_self: Passwords, access: Access, to: str, known: Sequence[str]) -> None:
            assert access == Access("shop-data-db-1", "postgresql", "shop")
            assert self.inside in known
            self.docker.log.append("change the password")
            self.inside = to

        def renew(project: Project, services: Sequence[str]) -> None:
            self.docker.log.append(f"renew {' '.join(services)}")
            self.know(project)

        monkeypatch.setattr(Passwords, "good", good)
        monkeypatch.setattr(Passwords, "change", change)
        monkeypatch.setattr(self.docker, "renew", renew)

    def know(self, project: Project) -> None:
        env = values((Path(project.folder) / "env/app.env").read_text())
        for name, item in self.docker.table.items():
            if item.project == project.name and item.service == "web":
                self.docker.table[name] = replace(item, env=env)

    def order(self, tag: str, strategy: str = "blue_green", data: str = "d1") -> dict[str, Any]:
        order = super().order(tag, strategy, data)
        wanted = self.root / "wanted"
        (wanted / "release/env/app.env").write_text(
            f'URL="postgresql://shop:{self.password}@db"\nTOKEN="{self.token}"\n'
        )
        (wanted / "data/secrets/db").write_text(self.password)
        order["data"]["access"] = {"db": {"engine": "postgresql", "user": "shop"}}
        # As the projections do it: other secrets, other ids.
        order["id"] = f"{tag}-{self.password[:3]}{self.token[-3:]}"
        order["data"]["id"] = f"{data}{self.password[:3]}"
        return order

    def release(self, tag: str, **more: Any) -> None:
        super().release(tag, **more)
        serving = self.state["serving"]
        self.know(Project(f"shop-{serving['slot']}", str(self.places.release("shop", serving["id"])), ()))

    def rotate(self, name: str, tag: str = "v1", dry: bool = False) -> Any:
        order = self.order(tag)
        files = {
            str(path.relative_to(self.root / "wanted")): path.read_text()
            for pattern in ("release/env/*", "data/secrets/*")
            for path in (self.root / "wanted").glob(pattern)
        }
        return self.engine().rotate(order, files, name, dry)

    def holding(self, text: str) -> list[str]:
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and text in path.read_text()
        )


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    return Vault(tmp_path, monkeypatch)


def test_a_rotation_is_no_release_and_the_inventory_finds_nothing_to_do(vault: Vault) -> None:
    vault.release("v1")
    vault.password = NEW
    assert vault.rotate("db", dry=True).services == ["web"]
    assert vault.docker.log == []
    vault.rotate("db")
    assert vault.docker.log == ["change the password", "renew web"]
    assert not vault.engine().plan(vault.order("v1")).pending
    assert vault.holding(OLD) == []
    assert vault.state["history"][0] | {"at": ""} == {
        "at": "",
        "event": "rotated",
        "release": "v1",
        "id": "v1-oldone",
        "slot": "blue",
        "secrets": "the password of db, URL",
    }
    before = vault.state
    assert not vault.rotate("db").pending
    assert vault.state == before


def test_the_old_value_in_the_inventory_is_another_change(vault: Vault) -> None:
    vault.release("v1")
    vault.token = "token-two"
    vault.rotate("TOKEN")
    vault.token = "token-one"
    assert vault.engine().plan(vault.order("v1")).release


def test_what_else_has_changed_stays_to_be_released(vault: Vault) -> None:
    vault.release("v1")
    vault.password = NEW
    vault.rotate("db", tag="v2")
    todo = vault.engine().plan(vault.order("v2"))
    assert (todo.release, todo.secrets, todo.data) == (True, [], [])
    vault.release("v2")
    assert not vault.engine().plan(vault.order("v2")).pending
    assert vault.holding(OLD) == []


def test_a_play_of_the_site_changes_a_password_too(vault: Vault) -> None:
    vault.release("v1")
    vault.password = NEW
    order = vault.order("v1")
    assert vault.engine().plan(order).text == [
        "secrets: change the password of db in the database",
        "secrets: restart web",
        "secrets: write 2 files with secrets anew",
    ]
    done = vault.engine().start(order)
    assert (done.changed, done.candidate, vault.inside) == (True, False, NEW)
    assert not vault.engine().plan(vault.order("v1")).pending


def test_a_release_with_another_password_rotates_first(vault: Vault) -> None:
    vault.release("v1")
    vault.password, vault.token = NEW, "token-two"
    assert vault.engine().start(vault.order("v2", data="d2")).candidate
    vault.engine().finish()
    assert vault.docker.log.index("change the password") < vault.docker.log.index("migrate in shop-green")
    assert vault.holding(OLD) + vault.holding("token-one") == []
    assert vault.inside == NEW


def test_another_definition_leaves_the_file_of_a_password_that_stays(vault: Vault) -> None:
    """A container holds on to the file, and later rotations write into it."""
    vault.release("v1")
    file = vault.root / "data/secrets/db"
    before = file.stat().st_ino
    vault.engine().start(vault.order("v1", data="d2"))
    assert file.stat().st_ino == before
    vault.password = NEW
    vault.rotate("db")
    assert (file.stat().st_ino, file.read_text()) == (before, NEW)


def test_a_secret_that_comes_by_a_release_is_in_those_that_are_kept(vault: Vault) -> None:
    vault.release("v1")
    vault.token = "token-two"
    vault.release("v2")
    assert vault.holding("token-one") == []
    assert len(vault.holding("token-two")) == 3


def test_going_back_finds_the_secrets_of_today(vault: Vault) -> None:
    vault.release("v1")
    vault.release("v2")
    vault.password = NEW
    vault.rotate("db", tag="v2")
    engine = vault.engine()
    engine.start(engine.rollback_order(states.previous(vault.state)), rollback=True)  # type: ignore[arg-type]
    vault.engine().finish()
    assert vault.holding(OLD) == []
    todo = vault.engine().plan(vault.order("v2"))
    assert todo.hold
    assert not todo.pending
    assert vault.engine().plan(vault.order("v1")).release, (
        "nobody knows whether v1 is what the inventory means by it now"
    )


def test_what_killed_runs_have_left_is_removed(vault: Vault) -> None:
    vault.release("v1")
    planted = [
        "data.before/db",
        ".data.partial/db",
        ".data.old/db",
        "releases/.v2-a.partial/app.env",
        "releases/v0-a/env/app.env",
    ]
    for name in planted:
        (vault.root / name).parent.mkdir(parents=True, exist_ok=True)
        (vault.root / name).write_text("planted-secret")
    (vault.root / ".rotation.json.partial").write_text("planted-secret")
    assert vault.engine().plan(vault.order("v1")).pending
    vault.engine().start(vault.order("v1"))
    assert vault.holding("planted-secret") == []
    assert not vault.engine().plan(vault.order("v1")).pending


def test_databases_that_were_being_replaced_are_found_again(vault: Vault) -> None:
    vault.release("v1")
    (vault.root / "data").rename(vault.root / ".data.old")
    vault.password = NEW
    vault.engine().start(vault.order("v1", data="d2"))
    assert (vault.inside, (vault.root / "data/secrets/db").read_text()) == (NEW, NEW)
    assert vault.holding(OLD) == []


def test_a_rotation_that_was_cut_off_is_ended_by_a_play_of_the_site(vault: Vault) -> None:
    vault.release("v1")
    vault.password = NEW
    vault.order("v1")
    (vault.root / "rotation.json").write_text(
        json.dumps({"names": ["db", "URL"], "before": {"data/secrets/db": OLD}, "tried": {"db": [OLD, NEW]}})
    )
    vault.engine().start(vault.order("v1"))
    assert (vault.inside, vault.holding(OLD)) == (NEW, [])
    assert not vault.engine().plan(vault.order("v1")).pending


def test_a_rotation_waits_for_a_release_that_was_cut_off(vault: Vault) -> None:
    vault.release("v1")
    vault.engine().start(vault.order("v2"))
    with pytest.raises(ReleaseError, match=r"Run playbooks/deploy\.yml"):
        vault.rotate("TOKEN")
