# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases against an engine of containers that are only entries in a table."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release import engine as engines
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.engine import Engine, Options, Places
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check, Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError, ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.source import Source


class Table(Docker):
    """A Docker that keeps containers in a table. ``log`` is what it was asked to do that changes something."""

    def __init__(self) -> None:
        super().__init__("docker")
        self.table: dict[str, Container] = {}
        self.images: set[str] = set()
        self.log: list[str] = []
        self.unknown_tags: set[str] = set()
        self.migration = 0
        self.broken_up: set[str] = set()

    def run(
        self,
        *words: str,
        timeout: float | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        code = 0
        if words[:2] == ("image", "rm"):
            self.log.append(f"forget {words[2]}")
            self.images.discard(words[2])
        elif words[0] == "compose" and "run" in words:
            code = self.migration
            self.log.append(f"migrate in {words[4]}")
        return subprocess.CompletedProcess(words, code, "migrating with token-of-the-shop\n", "")

    def must(self, *words: str) -> str:
        self.log.append(" ".join(words))
        for name in words[1:]:
            status = {"stop": "exited", "start": "running"}[words[0]]
            self.table[name] = replace(self.table[name], status=status)
        return ""

    def containers(self, *projects: str) -> list[Container]:
        return [container for _name, container in sorted(self.table.items()) if container.project in projects]

    def logs(self, container: str, secrets: Sequence[str]) -> list[str]:
        return ["the last line"]

    def network(self, name: str, internal: bool) -> bool:
        self.log.append(f"network {name}")
        return True

    def pull(self, image: str) -> None:
        if image in self.unknown_tags:
            raise ReleaseError(f"image {image} cannot be pulled: no such tag")
        self.log.append(f"pull {image}")
        self.images.add(image)

    def has(self, image: str) -> bool:
        return image in self.images

    def pinned(self, image: str) -> str:
        self.images.add(f"{image}@sha256:aa")
        return f"{image}@sha256:aa"

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        self.log.append(f"up {project.name} {' '.join(services)}".strip())
        wanted: dict[str, str] = {}
        for name in project.files:
            document = json.loads((Path(project.folder) / name).read_text())
            wanted |= {
                key: item["image"]
                for key, item in document["services"].items()
                if "image" in item and "profiles" not in item
            }
        migrations = {"migrate"}
        for service in services or wanted.keys() - migrations:
            name = f"{project.name}-{service}-1"
            known = self.table.get(name)
            if not known or known.image != wanted[service] or known.status != "running":
                self.table[name] = Container(name, project.name, service, wanted[service], "running", env={})
        if project.name in self.broken_up:
            raise ReleaseError(f"`docker compose up` of {project.name} failed: port is already allocated")

    def down(self, name: str) -> None:
        self.log.append(f"down {name}")
        self.table = {key: item for key, item in self.table.items() if item.project != name}


class Shop:
    """A server with Docker, and the inventory of a shop that wants releases on it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.docker = Table()
        self.places = Places(root / "srv", root / "state", root / "data")
        self.unwell: dict[str, str] = {}
        self.keep = 5
        monkeypatch.setattr(Gate, "wait", self._wait)
        monkeypatch.setattr(Gate, "watch", self._watch)
        self.watched: str | None = None

    def _wait(self, project: str, checks: Sequence[Check], restarts: Any = None) -> None:
        for check in checks:
            assert f"{project}-{check.service}-1" in self.docker.table
            if project in self.unwell and check.service in self.unwell[project]:
                raise RefusedError(f"{check.service} answered 503", f"{project}-{check.service}-1", ["the last line"])

    def _watch(self, project: str, checks: Sequence[Check], seconds: float) -> None:
        if self.watched:
            raise RefusedError(self.watched, f"{project}-web-1", ["the last line"])

    def engine(self, force: bool = False) -> Engine:
        def now() -> datetime:
            return datetime(2026, 11, 21, 6, 0, tzinfo=timezone.utc)

        return Engine("shop", self.docker, Options(keep=self.keep, force=force), self.places, now)

    def order(self, tag: str, strategy: str = "blue_green", data: str = "d1") -> dict[str, Any]:
        """Write what the inventory wants, and return the order for it."""
        images = dict.fromkeys(("web", "beat", "migrate"), f"web:{tag}")
        release, databases = self.places.wanted("shop", "release"), self.places.wanted("shop", "data")
        for folder in (release / "env", databases / "secrets"):
            folder.mkdir(parents=True, exist_ok=True)
        (release / "compose.yml").write_text(
            json.dumps({"services": {service: {"image": image} for service, image in images.items()}})
        )
        for slot in engines.SLOTS:
            (release / f"slot-{slot}.yml").write_text('{"services": {}}')
        (release / "env" / "app.env").write_text('TOKEN="token-of-the-\\"shop"\n')
        (databases / "compose.yml").write_text(json.dumps({"services": {"db": {"image": f"postgres:{data}"}}}))
        (databases / "secrets" / "db").write_text("password-of-the-db")
        return {
            "app": "shop",
            "release": tag,
            "id": f"{tag}-a",
            "strategy": strategy,
            "networks": [{"name": "shop-data", "internal": True}],
            "data": {
                "project": "shop-data",
                "id": data,
                "images": {"db": f"postgres:{data}"},
                "health": [{"service": "db", "timeout": 9}],
            },
            "slots": {slot: {"project": f"shop-{slot}", "ports": {"web": 20001}} for slot in engines.SLOTS},
            "images": images,
            "health": [
                {"service": service, "port": 80, "path": "/", "host": None, "interval": 1, "timeout": 9}
                for service in ("web", "beat")
            ],
            "migrations": ["migrate"],
            "singletons": ["beat"],
            "upstreams": [],
        }

    def release(self, tag: str, **more: Any) -> None:
        assert self.engine().start(self.order(tag, **more)).candidate
        self.engine().finish()
        self.docker.log.clear()

    def running(self) -> list[str]:
        return sorted(name for name, item in self.docker.table.items() if item.status == "running")

    @property
    def state(self) -> dict[str, Any]:
        return states.read("shop", self.places.state)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


BLUE = ["shop-blue-beat-1", "shop-blue-web-1", "shop-data-db-1"]
GREEN = ["shop-data-db-1", "shop-green-beat-1", "shop-green-web-1"]


def test_the_first_release(shop: Shop) -> None:
    done = shop.engine().start(shop.order("v1"))
    assert (done.changed, done.candidate, done.slot, done.before) == (True, True, "blue", None)
    assert not shop.engine().state["serving"]
    shop.engine().finish()
    assert shop.docker.log == [
        "pull postgres:d1",
        "pull web:v1",
        "network shop-data",
        "up shop-data",
        "migrate in shop-blue",
        "up shop-blue web",
        "up shop-blue",
    ]
    assert shop.running() == BLUE
    assert shop.state["serving"]["id"] == "v1-a"
    assert shop.state["serving"]["images"] == {"web": "web:v1@sha256:aa", "beat": "web:v1@sha256:aa"}


def test_nothing_to_do(shop: Shop) -> None:
    shop.release("v1")
    assert not shop.engine().plan(shop.order("v1")).pending
    done = shop.engine().start(shop.order("v1"))
    assert (done.changed, done.candidate) == (False, False)
    assert shop.docker.log == []


def test_the_next_release_runs_beside_the_old_one_until_it_serves(shop: Shop) -> None:
    shop.release("v1")
    shop.engine().start(shop.order("v2"))
    assert shop.running() == sorted({*BLUE, *GREEN} - {"shop-blue-beat-1"}), "two schedulers must never run at once"
    shop.engine().finish()
    assert shop.docker.log == [
        "pull web:v2",
        "migrate in shop-green",
        "up shop-green web",
        "stop shop-blue-beat-1",
        "up shop-green",
        "down shop-blue",
    ]
    assert shop.running() == GREEN
    assert states.previous(shop.state)["id"] == "v1-a"  # type: ignore[index]


def test_recreate_stops_the_old_one_first(shop: Shop) -> None:
    shop.release("v1")
    shop.engine().start(shop.order("v2", strategy="recreate"))
    shop.engine().finish()
    assert shop.docker.log[1:3] == ["stop shop-blue-beat-1 shop-blue-web-1", "migrate in shop-green"]
    assert shop.running() == GREEN


def spoil_tag(shop: Shop) -> None:
    shop.docker.unknown_tags.add("web:v2")


def spoil_migration(shop: Shop) -> None:
    shop.docker.migration = 3


def spoil_web(shop: Shop) -> None:
    shop.unwell["shop-green"] = "web"


def spoil_beat(shop: Shop) -> None:
    shop.unwell["shop-green"] = "beat"


def spoil_ports(shop: Shop) -> None:
    shop.docker.broken_up.add("shop-green")


def spoil_order(shop: Shop) -> None:
    """Leave the wanted files out, as a full disk might."""
    (shop.places.wanted("shop", "release") / "slot-green.yml").unlink()


@pytest.mark.parametrize("strategy", ["blue_green", "recreate"])
@pytest.mark.parametrize(
    ("spoil", "messages", "recorded"),
    [
        pytest.param(
            spoil_tag,
            ["web:v2 cannot be pulled: no such tag", "Nothing was changed; v1-a serves as before"],
            False,
            id="tag",
        ),
        pytest.param(
            spoil_migration,
            [
                "v2 was refused; v1 serves as before",
                "migrate (run: before_release) ended with exit code 3",
                "  migrating with",
            ],
            True,
            id="migration",
        ),
        pytest.param(
            spoil_web,
            ["v2 was refused; v1 serves as before", "web answered 503", "  the last line", "Next: "],
            True,
            id="web",
        ),
        pytest.param(spoil_beat, ["beat answered 503"], True, id="singleton"),
        pytest.param(spoil_ports, ["port is already allocated"], True, id="ports"),
        pytest.param(spoil_order, ["slot-green.yml"], True, id="files"),
    ],
)
def test_a_bad_release_leaves_the_old_one_serving(
    shop: Shop, strategy: str, spoil: Any, messages: list[str], recorded: bool
) -> None:
    shop.release("v1")
    before = shop.state
    order = shop.order("v2", strategy=strategy)
    spoil(shop)
    with pytest.raises((ReleaseError, OSError)) as caught:
        shop.engine().start(order)
    for message in messages:
        assert message in str(caught.value)
    assert shop.running() == BLUE
    assert (shop.state["serving"], shop.state["released"]) == (before["serving"], before["released"])
    assert shop.state["candidate"] is None
    assert (shop.state["refused"] is not None) is recorded
    assert [path.name for path in (shop.places.srv / "shop" / "releases").iterdir()] == ["v1-a"]
    for undone in (shop.docker.broken_up, shop.docker.unknown_tags, shop.unwell):
        undone.clear()
    shop.docker.migration = 0
    shop.release("v2", strategy=strategy)
    assert shop.running() == GREEN


def test_the_log_of_a_migration_shows_no_secret(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.order("v1")
    shop.docker.migration = 1
    said = subprocess.CompletedProcess((), 1, 'with token-of-the-"shop and password-of-the-db\n', "")
    monkeypatch.setattr(shop.docker, "compose", lambda *_words, **_more: said)
    with pytest.raises(ReleaseError) as caught:
        shop.engine().start(order)
    assert "with ******** and ********" in str(caught.value)
    assert "nothing serves yet" in str(caught.value)


@pytest.mark.parametrize("strategy", ["blue_green", "recreate"])
def test_a_release_that_falls_after_the_switch_is_undone(shop: Shop, strategy: str) -> None:
    shop.release("v1")
    shop.engine().start(shop.order("v2", strategy=strategy))
    shop.watched = "web stopped with exit code 9"
    with pytest.raises(ReleaseError, match="v2 was refused") as caught:
        shop.engine().finish()
    shop.engine().undo(str(caught.value))
    assert shop.running() == BLUE
    assert shop.state["serving"]["id"] == "v1-a"
    assert shop.state["refused"]["reason"] == "web stopped with exit code 9"


def test_finish_and_undo_need_a_candidate(shop: Shop) -> None:
    shop.release("v1")
    with pytest.raises(ReleaseError, match="no release is under way"):
        shop.engine().finish()
    with pytest.raises(ReleaseError, match="no release is under way"):
        shop.engine().undo("why")


def test_a_run_that_was_cut_off_is_cleaned_up_by_the_next(shop: Shop) -> None:
    shop.release("v1")
    shop.engine().start(shop.order("v2"))
    shop.release("v3")
    assert shop.running() == GREEN
    assert shop.state["serving"]["id"] == "v3-a"
    assert sorted(path.name for path in (shop.places.srv / "shop" / "releases").iterdir()) == ["v1-a", "v3-a"]


def test_a_first_release_that_was_cut_off(shop: Shop) -> None:
    shop.engine().start(shop.order("v1"))
    shop.release("v1")
    assert shop.running() == BLUE


def test_rollback_needs_nothing_but_the_server(shop: Shop) -> None:
    shop.release("v1")
    shop.release("v2")
    for wanted in (shop.places.wanted("shop", "release"), shop.places.wanted("shop", "data")):
        wanted.rename(wanted.with_name(f"no-{wanted.name}"))
    target = states.previous(shop.state)
    assert target
    engine = shop.engine()
    done = engine.start(engine.rollback_order(target), rollback=True)
    assert (done.slot, done.before) == ("blue", "green")
    shop.engine().finish()
    assert not any(line.startswith("migrate") for line in shop.docker.log)
    assert shop.running() == BLUE
    assert shop.state["serving"]["id"] == "v1-a"
    assert shop.engine().plan(shop.order("v2")).hold
    assert shop.engine(force=True).plan(shop.order("v2")).release


def test_a_refused_rollback_keeps_what_serves_and_the_release(shop: Shop) -> None:
    shop.release("v1")
    shop.release("v2")
    shop.unwell["shop-blue"] = "web"
    engine = shop.engine()
    with pytest.raises(ReleaseError, match="v1 was refused; v2 serves as before"):
        engine.start(engine.rollback_order(states.previous(shop.state)), rollback=True)  # type: ignore[arg-type]
    assert shop.running() == GREEN
    assert [item["id"] for item in shop.state["released"]] == ["v2-a", "v1-a"]
    assert shop.places.release("shop", "v1-a").exists()


def test_what_stopped_running_is_started_again(shop: Shop) -> None:
    shop.release("v1")
    del shop.docker.table["shop-blue-beat-1"]
    del shop.docker.table["shop-data-db-1"]
    done = shop.engine().start(shop.order("v1"))
    assert (done.changed, done.candidate) == (True, False)
    assert shop.docker.log == ["network shop-data", "up shop-data", "up shop-blue"]
    assert shop.running() == BLUE


def test_databases_are_not_touched_by_a_release(shop: Shop) -> None:
    shop.release("v1")
    shop.release("v2")
    shop.engine().start(shop.order("v3"))
    assert not any("shop-data" in line for line in shop.docker.log)


def test_databases_run_alone_until_they_are_filled(shop: Shop) -> None:
    order = shop.order("v1")
    assert shop.engine().databases(order) == ["start them"]
    assert shop.docker.log == ["pull postgres:d1", "network shop-data", "up shop-data"]
    assert shop.state["serving"] is None
    assert shop.engine().databases(order) == []
    shop.docker.log.clear()
    shop.release("v1")
    assert shop.running() == BLUE


def test_a_database_that_does_not_become_well_is_put_back(shop: Shop) -> None:
    shop.release("v1")
    shop.unwell["shop-data"] = "db"
    with pytest.raises(ReleaseError, match="the databases are back to what they were") as caught:
        shop.engine().start(shop.order("v1", data="d2"))
    assert "db answered 503" in str(caught.value)
    assert shop.docker.table["shop-data-db-1"].image == "postgres:d1"
    assert shop.state["data"]["id"] == "d1"
    assert "d1" in (shop.places.databases("shop") / "compose.yml").read_text()


def test_old_releases_and_their_images_are_pruned(shop: Shop) -> None:
    shop.keep = 2
    for tag in ("v1", "v2"):
        shop.release(tag)
    shop.engine().start(shop.order("v3"))
    shop.engine().finish()
    assert [item["id"] for item in shop.state["released"]] == ["v3-a", "v2-a"]
    assert sorted(path.name for path in (shop.places.srv / "shop" / "releases").iterdir()) == ["v2-a", "v3-a"]
    assert [line for line in shop.docker.log if line.startswith("forget")] == [
        "forget web:v1",
        "forget web:v1@sha256:aa",
    ]


def test_a_release_that_was_cut_off_before_it_was_a_candidate_keeps_its_images(shop: Shop) -> None:
    shop.release("v1")
    order = shop.order("v2")
    folder = shop.places.release("shop", order["id"])
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps(order))
    (folder / "images.yml").write_text(json.dumps({"services": {"web": {"image": "web:v2@sha256:aa"}}}))
    shop.engine().start(order)
    assert [line for line in shop.docker.log if line.startswith("forget")] == []
    shop.engine().finish()
    assert shop.state["serving"]["release"] == "v2"


def test_an_app_keeps_its_runtime(shop: Shop) -> None:
    shop.engine().check({**shop.order("v1"), "runtime": "systemd"})
    shop.release("v1")
    shop.engine().check(shop.order("v2"))
    shop.engine().check({**shop.order("v2"), "runtime": "compose"})
    with pytest.raises(ReleaseError, match="serves with runtime: compose, the inventory says systemd"):
        shop.engine().check({**shop.order("v2"), "runtime": "systemd"})


@pytest.mark.parametrize(
    ("root", "inside"),
    [
        pytest.param("/srv/club/slots/blue/tree/frontend/build", "frontend/build", id="a directory"),
        pytest.param("/srv/club/slots/blue/tree", ".", id="the release itself"),
        pytest.param("/srv/treehouse/slots/blue/tree/site/tree", "site/tree", id="names that look like it"),
    ],
)
def test_static_files_are_looked_for_in_the_build(root: str, inside: str) -> None:
    looked: list[tuple[str, str, str | None]] = []

    class Looking(Source):
        def __init__(self) -> None:
            pass

        def open_to_nginx(self, build: str, root: str, fallback: str | None) -> None:
            looked.append((build, root, fallback))

    upstreams = [
        {"name": "club_web", "roots": {"blue": root}, "fallback": "/index.html"},
        {"name": "club_api", "ports": {}},
    ]
    Engine._open_static(Looking(), {"upstreams": upstreams}, "v1-abc")
    assert looked == [("v1-abc", inside, "/index.html")]


def test_two_releases_at_once(shop: Shop) -> None:
    order = shop.order("v1")
    with shop.engine()._lock(), pytest.raises(ReleaseError, match="another release is under way"):
        shop.engine().start(order)


@pytest.mark.parametrize("purge", [False, True], ids=["data stays", "data goes"])
def test_absent(shop: Shop, purge: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.release("v1")
    (shop.places.data / "shop" / "db").mkdir(parents=True)
    monkeypatch.setattr(shop.docker, "must", lambda *words: shop.docker.log.append(" ".join(words)))
    would = shop.engine().absent(purge, dry=True)
    assert shop.running() == BLUE
    assert shop.engine().absent(purge, dry=False) == would
    assert shop.running() == []
    assert "network rm shop-data" in shop.docker.log
    assert not (shop.places.srv / "shop").exists()
    assert (shop.places.data / "shop").exists() is not purge
    assert states.known(shop.places.state) == []
    assert shop.engine().absent(purge, dry=True) == ["network shop-data"], "the table knows every network"


def test_what_cannot_be_removed_is_no_reason_to_undo_a_release_that_serves(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.release("v1")
    shop.engine().start(shop.order("v2"))

    def stuck(name: str) -> None:
        raise ReleaseError("device is busy")

    with monkeypatch.context() as patch:
        patch.setattr(shop.docker, "down", stuck)
        assert "v2-a serves, but what served before could not be removed: device is busy" in shop.engine().finish()[0]
    assert shop.state["serving"]["id"] == "v2-a"
    assert shop.engine().plan(shop.order("v2")).tidy == ["shop-blue"]


def test_rollback_cleans_up_after_a_run_that_was_cut_off(shop: Shop) -> None:
    shop.release("v1")
    shop.release("v2")
    shop.engine().start(shop.order("v3"))
    engine = shop.engine()
    engine.start(engine.rollback_order(states.previous(shop.state)), rollback=True)  # type: ignore[arg-type]
    shop.engine().finish()
    assert shop.running() == BLUE
    assert {item.image for name, item in shop.docker.table.items() if "blue" in name} == {"web:v1@sha256:aa"}
