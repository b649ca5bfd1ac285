# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations of a shop whose databases and containers are entries in tables; cut off at every step of the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.app_stack import env_file
from ansible_collections.mainstay.platform.plugins.module_utils.release import rotation as rotations
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check, Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError, ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.passwords import (
    Access,
    LockedError,
    Passwords,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.rotation import Rotation, Serving, Todo, told
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import values

# Before and after each change that the rotation of a password makes.
STEPS = 13
OLD, NEW = "old-db-password", "new-db-password"
FILES = {"web": "app.env", "api": "service-api.env", "quiet": "service-quiet.env"}


class CutError(BaseException):
    """The machine has lost its power."""


class World:
    """A server: files, containers with what is in their environment, databases with their passwords."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = root
        self.passwords = {"shop-data-db-1": OLD, "shop-data-cache-1": "the-cache-password"}
        self.environments: dict[str, dict[str, str]] = {}
        self.restarted: list[str] = []
        self.stopped = ""
        # What Compose has created beside it, or in its place, and never started.
        self.created: list[tuple[str, dict[str, str]]] = []
        self.mute = False
        self.refused: str | None = None
        self.cut_at = -1
        self.steps = 0
        for release in ("v2-a", "v1-a"):
            (root / "releases" / release / "env").mkdir(parents=True)
            for path, text in self.wanted(OLD, "token-one").items():
                if path.startswith("release/"):
                    (root / "releases" / release / path.removeprefix("release/")).write_text(text)
        (root / "data/secrets").mkdir(parents=True)
        for path, text in self.wanted(OLD, "token-one").items():
            if path.startswith("data/"):
                (root / path).write_text(text)
        for service in FILES:
            self.start(service)
        replace = rotations.write_atomic

        def replaced(path: Path, text: str) -> None:
            self.step()
            replace(path, text)
            self.step()

        monkeypatch.setattr(rotations, "write_atomic", replaced)

    @staticmethod
    def wanted(db: str, token: str) -> dict[str, str]:
        url = f"postgresql://shop:{db}@db/shop"
        return {
            "release/env/app.env": env_file({"DATABASE_URL": url, "TOKEN": token}),
            "release/env/service-api.env": env_file({"TOKEN": token}),
            "release/env/service-quiet.env": "",
            "data/secrets/db": db,
            "data/secrets/cache": "the-cache-password",
            "data/secrets/cache.conf": 'requirepass "the-cache-password"\nsave 60 1\n',
        }

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.cut_at:
            raise CutError

    def start(self, service: str) -> None:
        text = (self.folder / "releases/v2-a/env" / FILES[service]).read_text()
        self.environments[service] = {"PATH": "/bin", **values(text)}

    def containers(self) -> list[Container]:
        return [
            Container(
                f"shop-blue-{service}-1",
                "shop-blue",
                service,
                "web",
                "exited" if service == self.stopped else "running",
                env=env,
            )
            for service, env in self.environments.items()
        ] + [
            Container(f"1a2b3c_shop-blue-{service}-1", "shop-blue", service, "web", "created", env=env)
            for service, env in self.created
        ]

    def rotation(self, wanted: Mapping[str, str]) -> Rotation:
        world = self

        class Clients(Passwords):
            def good(self, access: Access, password: str) -> bool:
                if world.mute:
                    raise ReleaseError(f"{access.container} has no client")
                return world.passwords[access.container] == password

            def change(self, access: Access, to: str, known: Sequence[str]) -> None:
                world.step()
                if world.passwords[access.container] not in known:
                    raise LockedError(f"{access.container} lets nobody in")
                world.passwords[access.container] = to
                world.step()

        class Engine(Docker):
            def renew(self, project: Project, services: Sequence[str]) -> None:
                for service in services:
                    world.step()
                    world.start(service)
                    world.restarted.append(service)

        class Well(Gate):
            def wait(self, project: str, checks: Sequence[Check], restarts: Any = None) -> None:
                world.step()
                for check in checks:
                    env = world.environments[check.service]
                    database = world.passwords["shop-data-db-1"]
                    if "DATABASE_URL" in env and f":{database}@" not in env["DATABASE_URL"]:
                        raise RefusedError(f"{check.service} cannot log in", "shop-blue-web-1", ["the last line"])
                    if world.refused and world.refused in env.values():
                        raise RefusedError(f"{check.service} answered 503", "shop-blue-web-1", ["the last line"])

            def watch(self, project: str, checks: Sequence[Check], seconds: float) -> None:
                world.step()

        docker = Engine("docker")
        return Rotation(
            "shop",
            self.folder,
            docker,
            docker,
            wanted,
            {"db": {"engine": "postgresql", "user": "shop"}, "cache": {"engine": "redis", "user": None}},
            Serving("releases/v2-a", Project("shop-blue", "", ()), [Check(service) for service in FILES]),
            Clients(docker),
            lambda hidden: Well(docker, hidden),
        )

    def rotate(self, wanted: Mapping[str, str], name: str) -> Todo:
        rotation = self.rotation(wanted)
        todo = rotation.plan(rotation.scope(name), self.containers(), ask=True)
        rotation.run(todo)
        return todo

    def holding(self, text: str) -> list[str]:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self.folder)) for path in files if text in path.read_text())

    @property
    def seen(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): path.read_text() for path in self.folder.rglob("*") if path.is_file()
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["db", "DATABASE_URL"])
def test_a_password(world: World, name: str) -> None:
    wanted = world.wanted(NEW, "token-one")
    todo = world.rotate(wanted, name)
    assert (todo.databases, todo.services, world.restarted) == (["db"], ["web"], ["web"])
    assert world.passwords["shop-data-db-1"] == NEW
    assert world.holding(OLD) == []
    assert world.holding(NEW) == ["data/secrets/db", "releases/v1-a/env/app.env", "releases/v2-a/env/app.env"]
    assert not world.rotate(wanted, name).pending
    assert world.restarted == ["web"]
    assert world.steps == STEPS


def test_a_variable(world: World) -> None:
    todo = world.rotate(world.wanted(NEW, "token-two"), "TOKEN")
    assert (todo.databases, world.restarted) == ([], ["web", "api"])
    assert world.passwords["shop-data-db-1"] == OLD
    assert world.holding("token-one") == []
    assert todo.others.text == "the password of db, DATABASE_URL"


def test_nothing_is_touched_by_looking(world: World) -> None:
    before = world.seen
    rotation = world.rotation(world.wanted(NEW, "token-one"))
    todo = rotation.plan(rotation.scope("db"), world.containers(), ask=True)
    assert todo.text == [
        "change the password of db in the database",
        "restart web",
        "write 3 files with secrets anew",
    ]
    assert world.seen == before
    lines = told("shop", "db", todo, dry=True)
    assert lines[0] == "shop: the password of db, DATABASE_URL would be rotated"
    assert NEW not in str(lines) + repr(todo)


def test_only_a_release_is_left_to_what_has_no_password(world: World) -> None:
    """What a play of the whole site does: passwords by a rotation, all else by a release."""
    rotation = world.rotation(world.wanted(OLD, "token-two"))
    assert not rotation.plan(rotation.overdue, world.containers(), ask=False).pending
    rotation = world.rotation(world.wanted(NEW, "token-two"))
    todo = rotation.plan(rotation.overdue, world.containers(), ask=False)
    assert (todo.databases, todo.services) == (["db"], ["web"])


@pytest.mark.parametrize(
    ("password", "bad", "name"),
    [
        pytest.param(OLD, "token-two", "TOKEN", id="variable"),
        pytest.param(NEW, f"postgresql://shop:{NEW}@db/shop", "db", id="password"),
    ],
)
def test_what_does_not_work_is_taken_back(world: World, password: str, bad: str, name: str) -> None:
    before, environments, world.refused = world.seen, dict(world.environments), bad
    with pytest.raises(ReleaseError) as caught:
        world.rotate(world.wanted(password, "token-two" if name == "TOKEN" else "token-one"), name)
    assert "was not rotated; everything has the old value again" in str(caught.value)
    assert "answered 503" in str(caught.value)
    assert "  the last line" in str(caught.value)
    assert world.seen == before
    assert world.environments == environments
    assert world.passwords["shop-data-db-1"] == OLD


@pytest.mark.parametrize("good", [True, False], ids=["goes on", "is taken back"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_it_may_be_cut_off_anywhere(world: World, at: int, good: bool) -> None:
    wanted = world.wanted(NEW, "token-one")
    before = world.seen
    world.cut_at = at
    with pytest.raises(CutError):
        world.rotate(wanted, "db")
    world.refused = None if good else f"postgresql://shop:{NEW}@db/shop"
    done = OLD
    try:
        todo = world.rotate(wanted, "db")
        assert todo.databases in ([], ["db"])
        done = NEW
    except ReleaseError as error:
        assert not good
        assert "everything has the old value again" in str(error)
    if good:
        assert done == NEW
    assert world.passwords["shop-data-db-1"] == done
    assert world.environments["web"]["DATABASE_URL"] == f"postgresql://shop:{done}@db/shop"
    if done == NEW:
        assert [path for path in world.holding(OLD) if not path.endswith(".partial")] == []
        assert not world.rotation(wanted).journal
    else:
        assert {path: text for path, text in world.seen.items() if not path.endswith(".partial")} == before
    assert "rotation.json" not in world.seen


def test_another_value_after_a_cut_finds_the_one_that_was_tried(world: World) -> None:
    world.cut_at = 4
    with pytest.raises(CutError):
        world.rotate(world.wanted(NEW, "token-one"), "db")
    assert world.passwords["shop-data-db-1"] == NEW
    world.rotate(world.wanted("third-db-password", "token-one"), "db")
    assert world.passwords["shop-data-db-1"] == "third-db-password"
    assert world.holding(NEW) + world.holding(OLD) == []


def test_a_database_that_has_it_already_and_one_that_has_lost_it(world: World) -> None:
    wanted = world.wanted(NEW, "token-one")
    world.passwords["shop-data-db-1"] = NEW
    assert world.rotate(wanted, "db").services == ["web"]
    world.passwords["shop-data-db-1"] = OLD
    with pytest.raises(ReleaseError, match="lets nobody in"):
        world.rotate(wanted, "db")


@pytest.mark.parametrize("why", ["has no client", "lets nobody in"])
def test_a_database_that_cannot_be_changed_leaves_all_as_it_is(world: World, why: str) -> None:
    """Whatever the inventory says next: nothing is remembered that a later run would stumble over."""
    before = world.seen
    if why == "has no client":
        world.mute = True
    else:
        world.passwords["shop-data-db-1"] = "somebody has changed it by hand"
    rotation = world.rotation(world.wanted(NEW, "token-one"))
    todo = rotation.plan(rotation.overdue, world.containers(), ask=False)
    with pytest.raises(ReleaseError, match=why):
        rotation.run(todo)
    assert (world.seen, world.restarted) == (before, [])
    assert not world.rotation(world.wanted(OLD, "token-one")).journal


def test_what_somebody_has_stopped_is_not_started(world: World) -> None:
    world.stopped = "web"
    before = world.seen
    with pytest.raises(ReleaseError, match=r"web is exited and would be started\. A restore stops services"):
        world.rotate(world.wanted(NEW, "token-one"), "db")
    assert (world.seen, world.passwords["shop-data-db-1"]) == (before, OLD)
    rotation = world.rotation(world.wanted(NEW, "token-one"))
    todo = rotation.plan(rotation.overdue, world.containers(), ask=False)
    assert (todo.databases, todo.services) == (["db"], []), "a release starts it afterwards"


@pytest.mark.parametrize("gone", [False, True], ids=["the old one has stopped", "the old one is gone"])
def test_what_was_killed_while_compose_replaced_it_is_started(world: World, gone: bool) -> None:
    wanted = world.wanted(NEW, "token-one")
    world.cut_at = 7  # before a container is created
    with pytest.raises(CutError):
        world.rotate(wanted, "db")
    assert world.restarted == []
    world.created = [("web", {"DATABASE_URL": f"postgresql://shop:{NEW}@db/shop"})]
    if gone:
        del world.environments["web"]
    else:
        world.stopped = "web"
    assert world.rotate(wanted, "db").services == ["web"]
    assert world.restarted == ["web"]
    assert "rotation.json" not in world.seen


def test_a_secret_that_is_not_there(world: World) -> None:
    with pytest.raises(
        ReleaseError, match=r"no secret 'TOKENS'. There are: db \(a database\), cache \(a database\), DAT"
    ):
        world.rotate(world.wanted(OLD, "x"), "TOKENS")


def test_a_journal_that_cannot_be_read(world: World) -> None:
    (world.folder / "rotation.json").write_text("{")
    with pytest.raises(ReleaseError, match=r"remove it, and run playbooks/rotate\.yml"):
        world.rotation({})
