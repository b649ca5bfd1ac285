# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units against a ``systemctl`` that keeps each unit's state in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import judge
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units, make_root

# STATES/<unit> holds "ActiveState SubState Result ExecMainStatus NRestarts".
SYSTEMCTL = """#!/bin/sh
cd "$(dirname "$0")/states" || exit 1
echo "$@" >> ../calls
verb=$1; shift
case $verb in
    show)
        case $2 in --value) cat status 2>/dev/null || echo 0; exit ;; esac
        for name; do
            [ -e "$name" ] || continue
            read -r active sub result code restarts < "$name"
            printf 'Id=%s\\nActiveState=%s\\nSubState=%s\\n' "$name" "$active" "$sub"
            printf 'Result=%s\\nExecMainStatus=%s\\nNRestarts=%s\\nMainPID=0\\n\\n' "$result" "$code" "$restarts"
        done ;;
    start)
        [ ! -e ../refused ] || { echo "Unit is refused" >&2; exit 5; }
        for name; do echo "active running success 0 0" > "$name"; done
        sleep "$(cat ../sleep 2>/dev/null || echo 0)" ;;
    stop) for name; do echo "inactive dead success 0 0" > "$name"; done ;;
    disable) for name; do rm -f "./${name#--}"; done ;;
    enable) [ ! -e ../broken ] || { echo "Unit is masked" >&2; exit 1; } ;;
esac
"""
TEXT = "RootDirectory=/srv/{app}/root\nBindReadOnlyPaths=/srv/{app}/slots/{slot}/tree:/app\n"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("srv", "etc", "run", "states"):
            (folder / name).mkdir()
        self.units = Units(folder / "srv", folder / "etc", folder / "run", folder / "proc")

    def release(self, app: str = "shop", name: str = "v1") -> Project:
        folder = self.folder / "srv" / app / "releases" / name
        for slot in ("blue", "green"):
            for service in ("web", "worker"):
                path = folder / "units" / slot / f"{app}-{slot}-{service}.service"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(TEXT.format(app=app, slot=slot))
            (folder / "once" / slot).mkdir(parents=True)
            (folder / "once" / slot / "migrate.service").write_text(TEXT.format(app=app, slot=slot))
            (folder / "once" / slot / "worker.health.service").write_text(TEXT.format(app=app, slot=slot))
        pinned = {service: {"image": f"{name}-build"} for service in ("web", "worker")}
        (folder / "images.yml").write_text(json.dumps({"services": pinned}))
        return Project(f"{app}-blue", str(folder))

    def say(self, unit: str, state: str) -> None:
        (self.folder / "states" / unit).write_text(f"{state}\n")

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", '#!/bin/sh\necho "said $1"\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return World(tmp_path)


def test_a_slot_comes_up_and_goes_down(world: World) -> None:
    world.units.up(world.release())
    slot = world.folder / "srv/shop/slots/blue"
    assert slot.resolve() == world.folder / "srv/shop/releases/v1"
    assert [(item.service, item.status, item.image) for item in world.units.containers("shop-blue")] == [
        ("web", "running", "v1-build"),
        ("worker", "running", "v1-build"),
    ]
    assert "enable --quiet shop-blue-web.service shop-blue-worker.service" in world.calls
    world.units.down("shop-blue")
    assert world.units.containers("shop-blue") == []
    assert slot.resolve() == world.folder / "srv/shop/releases/v1", "open pages find their scripts"
    assert list((world.folder / "etc").iterdir()) == []


def test_only_what_is_named_comes_up(world: World) -> None:
    world.units.up(world.release(), ["web"])
    assert [path.name for path in (world.folder / "etc").iterdir()] == ["shop-blue-web.service"]


def test_an_app_named_like_a_slot_is_another_app(world: World) -> None:
    world.units.up(world.release("shop-blue-x"))
    assert world.units.containers("shop-blue") == []
    world.units.down("shop-blue")
    assert [item.service for item in world.units.containers("shop-blue-x-blue")] == ["web", "worker"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param("active running success 0 0", None, id="runs"),
        pytest.param("activating start success 0 0", None, id="starts"),
        pytest.param("inactive dead success 0 0", "web stopped with exit code 0 instead of running", id="stopped"),
        pytest.param("failed failed exit-code 3 0", "web stopped with exit code 3 instead of running", id="failed"),
        pytest.param(
            "activating auto-restart exit-code 203 0",
            "web stopped with exit code 203 instead of running",
            id="no such program",
        ),
        pytest.param(
            "activating auto-restart oom-kill 9 0",
            "web stopped with exit code 9 (killed: it needed more memory than its limit) instead of running",
            id="out of memory",
        ),
        pytest.param("active running success 0 2", "web stopped and had to be started again", id="started again"),
    ],
)
def test_what_systemd_says_is_judged_as_of_a_container(world: World, state: str, reason: str | None) -> None:
    world.units.up(world.release(), ["web"])
    world.say("shop-blue-web.service", state)
    [unit] = world.units.containers("shop-blue")
    assert judge(unit, "web") == reason


@pytest.mark.parametrize(("exit_code", "expected"), [("0", 0), ("3", 3)])
def test_a_migration_runs_once_and_leaves_nothing(world: World, exit_code: str, expected: int) -> None:
    world.say("status", exit_code)
    code, log = world.units.once(world.release(), "migrate", 10)
    assert (code, log) == (expected, "said --unit=shop-blue-migrate.service\n")
    assert list((world.folder / "run").iterdir()) == []


def test_one_that_was_not_even_begun_has_failed(world: World) -> None:
    (world.folder / "refused").touch()
    code, log = world.units.once(world.release(), "migrate", 10)
    assert code == 5
    assert log.endswith("Unit is refused\n")


def test_one_that_does_not_end_is_stopped(world: World) -> None:
    project = world.release()
    (world.folder / "sleep").write_text("5")
    code, _log = world.units.once(project, "migrate", 0.5)
    assert code is None
    assert "stop shop-blue-migrate.service" in world.calls
    assert list((world.folder / "run").iterdir()) == []


def test_a_health_command_is_a_unit_of_its_own(world: World) -> None:
    world.units.up(world.release())
    found = {item.service: item for item in world.units.containers("shop-blue")}
    assert (found["web"].check, found["worker"].check) == ([], ["shop-blue-worker.health.service"])
    world.say("status", "1")
    assert world.units.check(found["worker"], 5)[0] == 1
    assert "start shop-blue-worker.health.service" in world.calls


@pytest.mark.parametrize(
    ("environ", "env"),
    [
        pytest.param(
            "INVOCATION_ID=1\0TOKEN=a=b\nc\0", {"INVOCATION_ID": "1", "TOKEN": "a=b\nc"}, id="as it was started"
        ),
        pytest.param("gunicorn: master [shop]\0\0\0", None, id="overwritten by a title"),
        pytest.param(None, None, id="no process"),
    ],
)
def test_what_a_unit_was_started_with(world: World, environ: str | None, env: dict[str, str] | None) -> None:
    world.units.up(world.release(), ["web"])
    if environ is not None:
        (world.folder / "proc/0").mkdir(parents=True)
        (world.folder / "proc/0/environ").write_text(environ)
    [unit] = world.units.containers("shop-blue")
    assert unit.env == env


def test_what_is_stopped_stays_so_at_boot(world: World) -> None:
    world.units.up(world.release())
    world.units.stop("shop-blue-web.service")
    world.units.start("shop-blue-web.service")
    assert world.calls[-2:] == [
        "disable --quiet --now shop-blue-web.service",
        "enable --quiet --now shop-blue-web.service",
    ]


def test_what_systemd_refuses_is_told(world: World) -> None:
    (world.folder / "broken").touch()
    with pytest.raises(ReleaseError, match="Unit is masked"):
        world.units.up(world.release())


def test_a_root_directory_has_a_place_for_every_mount(tmp_path: Path) -> None:
    make_root(tmp_path / "root", ["/srv/uploads", "/run/db"])
    make_root(tmp_path / "root", ["/srv/uploads", "/run/db"])
    assert (tmp_path / "root/srv/uploads").is_dir()
    assert (tmp_path / "root/run/db").is_dir()
    assert (tmp_path / "root/app").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "root/bin").is_symlink() == Path("/bin").is_symlink()
