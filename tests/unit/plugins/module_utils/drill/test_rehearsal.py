# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drills against a Docker that only takes notes, and databases in memory."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.tree_files import Files
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import Findings
from ansible_collections.mainstay.platform.plugins.module_utils.drill import rehearsal
from ansible_collections.mainstay.platform.plugins.module_utils.drill.rehearsal import Options, Rehearsal, compared
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check, Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server

TABLES = {"t.a": "aa", "t.b": "bb"}
PROMISED: dict[str, Any] = {"counts": {"t.a": 3, "t.b": 2}, "content": {"tool": "pg_restore 17", "tables": TABLES}}
SAME = Findings(tool="pg_restore 17", tables=TABLES)


@pytest.mark.parametrize(
    ("promised", "live", "again", "verdicts"),
    [
        pytest.param(PROMISED, {"t.a": 3, "t.b": 2}, SAME, ["ok", "ok"], id="all is as promised"),
        pytest.param(PROMISED, {"t.a": 2, "t.b": 2}, SAME, ["bad", "ok"], id="a row less"),
        pytest.param(PROMISED, {"t.a": 3, "t.b": 2, "t.c": 1}, SAME, ["bad", "ok"], id="a table more"),
        pytest.param(
            PROMISED,
            {"t.a": 3, "t.b": 2},
            Findings(tool="pg_restore 17", tables={**TABLES, "t.b": "xx"}),
            ["ok", "bad"],
            id="a value is another",
        ),
        pytest.param(
            PROMISED,
            {"t.a": 3, "t.b": 2},
            Findings(tool="pg_restore 18", tables={}),
            ["ok", "not_verified"],
            id="decoded by another version",
        ),
        pytest.param(PROMISED, {"t.a": 3, "t.b": 2}, Findings(), ["ok", "not_verified"], id="the second dump failed"),
        pytest.param({"counts": {"db0": 2}}, {"db0": 2}, Findings(), ["ok", "not_verified"], id="no digests"),
        pytest.param(
            {"counts": {"db0": 5}, "volatile": {"db0": 3}},
            {"db0": 2},
            Findings(),
            ["ok", "not_verified"],
            id="keys that may expire",
        ),
        pytest.param({"counts": {"db0": 5}}, {"db0": 2}, Findings(), ["bad", "not_verified"], id="keys that may not"),
    ],
)
def test_compared(promised: dict[str, Any], live: dict[str, int], again: Findings, verdicts: list[str]) -> None:
    assert [check.verdict for check in compared("j", promised, live, again)] == verdicts


class Notes(Docker):
    """A Docker that does nothing and writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__("docker")
        self.log: list[str] = []
        self.missing: set[str] = set()
        self.migration = 0

    def run(
        self, *words: str, timeout: float | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        self.log.append(" ".join(words))
        if words[:2] == ("image", "inspect"):
            return subprocess.CompletedProcess(words, int(words[-1] in self.missing), "", "")
        if "--config" in words:
            config = json.loads((Path(words[1]) / "config.json").read_text())
            self.log.append(f"logged in to {', '.join(config['auths'])}")
        code = self.migration if "run" in words else 0
        return subprocess.CompletedProcess(words, code, "", "password-of-the-shop is wrong" if code else "")

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        self.log.append(f"up {' '.join(services)}")


PROJECT = {
    "app": "shop",
    "release": "v1",
    "project": "mainstay-drill-shop",
    "databases": [{"service": "db", "timeout": 180}],
    "elsewhere": [],
    "unstarted": "",
    "migrations": ["migrate"],
    "health": [{"service": "web", "port": 80, "path": "/health", "host": "shop.example", "interval": 2, "timeout": 60}],
    "images": {"db": "postgres:17", "web": "registry.example/web:v1"},
    "rto": 900,
}
FILES = [{"dest": "compose.yml", "content": "services: {}\n", "mode": "0600"}]


class Shop:
    """A backup of a shop, and a drill of it. ``server`` is the throw-away database."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.docker, self.server, self.folder = Notes(), Server(), tmp_path / "drill"
        self.refused = ""
        self.asked: list[Check] = []
        monkeypatch.setattr(Gate, "wait", self._wait)

        class Fresh(FakeEngine):
            def __init__(self, target: Any) -> None:
                super().__init__(target, shop.server)

        shop = self
        monkeypatch.setitem(rehearsal.ENGINES, "postgresql", Fresh)
        original = Server()
        job = Job("shop-db", "shop", "db", "postgresql", ("shop",), tmp_path / "made", "pg-backup", tmp_path)
        self.made = create(job, FakeEngine, lambda _name: FakeEngine(None, original))[0]  # type: ignore[arg-type]
        self.server.data = {}

    def _wait(self, project: str, checks: Sequence[Check], restarts: Any = None) -> None:
        self.asked += checks
        if any(check.service == self.refused for check in checks):
            raise RefusedError(f"{self.refused} answered 503", f"{project}-{self.refused}-1", ["the last line"])

    def drill(self, others: Sequence[dict[str, Any]] = (), **changes: Any) -> rehearsal.Outcome:
        job = {
            "name": "shop-db",
            "database": "db",
            "engine": "postgresql",
            "paths": [str(self.made.path)],
            "keys": [""],
        }
        options = Options(registries=[{"host": "registry.example", "username": "u", "password": "p"}])
        drill = Rehearsal({**PROJECT, **changes}, self.folder, self.docker, options, ["password-of-the-shop"])
        return drill.run(FILES, [*({**job, **other} for other in others), job])

    def promise(self, **counts: int) -> None:
        manifest = manifests.load(files.manifest_of(self.made.path))
        manifest["counts"] |= {f"t.{name}": count for name, count in counts.items()}
        files.manifest_of(self.made.path).write_text(manifests.dump(manifest))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def gone(shop: Shop) -> bool:
    """Whether it began and ended by removing everything. Before that it only asks whether Compose is there."""
    first, last = shop.docker.log[1], shop.docker.log[-2]
    return " down --volumes" in first and " down --volumes" in last and not shop.folder.exists()


def test_a_drill_that_passes(shop: Shop) -> None:
    done = shop.drill()
    assert (done.verdict, done.reason) == ("ok", "")
    assert shop.server.data == {"t.a": 3, "t.b": 2}
    assert list(done.sets) == ["shop-db"]
    assert [check.name for check in done.checks] == [
        "shop-db: server",
        "shop-db: restored",
        "shop-db: counts",
        "shop-db: contents",
        "release",
    ]
    assert [line for line in shop.docker.log if line.startswith("up ")] == ["up db", "up web"]
    assert shop.asked[-1].path == "/health"
    assert gone(shop)


def test_a_manifest_that_promises_more_fails(shop: Shop) -> None:
    shop.promise(a=4)
    done = shop.drill()
    assert done.verdict == "bad"
    assert "t.a: 4 expected, 3 found" in done.reason
    assert "up web" not in shop.docker.log, "the release is not asked about data that is not what it should be"
    assert gone(shop)


@pytest.mark.parametrize(
    ("here", "verdict", "reason"),
    [
        pytest.param("1", "ok", "", id="the same"),
        pytest.param("1.1", "ok", "", id="newer"),
        pytest.param(
            "2.0", "bad", "shop-db: server: 2.0, the backup was made on 1: another major version", id="another"
        ),
        pytest.param("?", "ok", "", id="nobody knows"),
    ],
)
def test_the_server_is_one_like_that_of_the_backup(shop: Shop, here: str, verdict: str, reason: str) -> None:
    shop.server.version = here
    done = shop.drill()
    assert done.verdict == verdict
    assert done.reason.startswith(reason)
    assert shop.server.data == ({} if reason else {"t.a": 3, "t.b": 2}), "nothing is restored into another one"
    assert gone(shop)


def test_a_set_that_lacks_a_piece_is_not_drilled(shop: Shop) -> None:
    manifest = manifests.load(files.manifest_of(shop.made.path))
    manifest["pieces"].append("pg-backup-other.dump")
    files.manifest_of(shop.made.path).write_text(manifests.dump(manifest))
    done = shop.drill()
    assert done.verdict == "bad"
    assert done.reason == f"shop-db: set {manifest['set']} is incomplete: pg-backup-other.dump is not there"
    assert gone(shop)


def test_a_backup_that_does_not_restore_fails(shop: Shop) -> None:
    shop.server.refuses_restore = True
    assert shop.drill().verdict == "bad"
    assert gone(shop)


def test_a_release_that_is_not_well_fails_with_its_log(shop: Shop) -> None:
    shop.refused = "web"
    done = shop.drill()
    assert done.verdict == "bad"
    assert done.reason == "web answered 503. Last lines of mainstay-drill-shop-web-1:\n  the last line"
    assert gone(shop)


def test_a_migration_that_fails_shows_no_secret(shop: Shop) -> None:
    shop.docker.migration = 1
    done = shop.drill()
    assert done.verdict == "bad"
    assert "migrate (run: before_release) ended with exit code 1" in done.reason
    assert "password-of-the-shop" not in done.reason
    assert gone(shop)


def test_without_compose_it_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_plugin(*words: str, **_options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 125, "", "docker: 'compose' is not a docker command")

    monkeypatch.setattr(shop.docker, "run", no_plugin)
    done = shop.drill()
    assert done.verdict == "bad"
    assert done.reason.startswith("there is no Docker Compose here")


def test_a_database_elsewhere_leaves_the_app_unverified(shop: Shop) -> None:
    done = shop.drill(elsewhere=["mysql"], unstarted="mysql is managed elsewhere")
    assert done.verdict == "not_verified"
    assert done.reason == ""
    assert "up web" not in shop.docker.log


def test_of_a_database_elsewhere_nothing_is_restored_and_of_the_others_all_is(shop: Shop) -> None:
    managed = {"name": "shop-managed", "database": "managed", "engine": "mysql"}
    done = shop.drill(others=[managed], elsewhere=["managed"], unstarted="managed is managed elsewhere")
    assert (done.verdict, done.reason) == ("not_verified", "")
    assert [(check.name, check.verdict) for check in done.checks] == [
        ("shop-managed: restored", "not_verified"),
        ("shop-db: server", "ok"),
        ("shop-db: restored", "ok"),
        ("shop-db: counts", "ok"),
        ("shop-db: contents", "not_verified"),
        ("release", "not_verified"),
    ]
    assert shop.server.data == {"t.a": 3, "t.b": 2}
    assert gone(shop)


def test_images_are_pulled_with_the_login_of_their_registry(shop: Shop) -> None:
    shop.docker.missing = {"postgres:17", "registry.example/web:v1"}
    assert shop.drill().verdict == "ok"
    assert "pull --quiet postgres:17" in shop.docker.log
    assert "logged in to registry.example" in shop.docker.log


VOLUME = "mainstay-drill-shop_volume-uploads"


@pytest.mark.parametrize(
    ("damaged", "tool", "verdict", "said"),
    [
        pytest.param(False, "echo 2", "ok", ["ok", "ok"], id="good"),
        pytest.param(False, "echo 1", "bad", ["ok", "bad"], id="one is missing then"),
        pytest.param(False, "exit 127", "ok", ["ok", "not_verified"], id="no tar in the image"),
        pytest.param(False, "exit 2", "bad", ["ok"], id="tar fails"),
        pytest.param(True, "echo 2", "bad", [], id="damaged"),
    ],
)
def test_packed_files_go_into_the_volume_and_never_onto_this_machine(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool, tool: str, verdict: str, said: list[str]
) -> None:
    uploads = tmp_path / "opt/uploads"
    uploads.mkdir(parents=True)
    (uploads / "a.txt").write_text("hello")
    job = Job("shop-uploads", "shop", "uploads", "files", (), tmp_path / "packed", "uploads-backup", tmp_path)
    made = create(job, Files, lambda _name: Files(Target(Place(), paths=(str(uploads),), compression="gzip")))[0]
    (uploads / "a.txt").unlink()
    if damaged:
        made.path.write_bytes(made.path.read_bytes()[:-1] + b"x")
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat > {tmp_path}/tar\n{tool}\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    keys = {"name": "shop-uploads", "database": "uploads", "engine": "files", "keys": [""]}
    drill = Rehearsal(PROJECT, shop.folder, shop.docker, Options())
    done = drill.run(FILES, [{**keys, "paths": [str(made.path)]}])
    assert list(uploads.iterdir()) == []
    assert done.verdict == verdict, done
    assert [check.verdict for check in done.checks if check.name.startswith("shop-uploads")] == said
    assert "shop-uploads" in done.sets
    if not damaged:
        asked = (tmp_path / "asked").read_text()
        assert f"--network=none --user=0:0 --entrypoint= --volume={VOLUME}:{uploads} " in asked
        with tarfile.open(tmp_path / "tar") as archive:
            assert archive.getnames()[-1].endswith("opt/uploads/a.txt")
        assert any(line.endswith("create --no-build --pull never web migrate") for line in shop.docker.log)


def test_the_server_that_makes_backups_is_no_judge(tmp_path: Path) -> None:
    (tmp_path / "shop-db.json").write_text("{}")
    assert rehearsal.writes_these([{"name": "shop-db"}, {"name": "shop-cache"}], tmp_path) == ["shop-db"]
