# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.pause import Pause
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

# Keeps one file for each container, holding its state, and notes every call.
DOCKER = """#!/bin/sh
cd "$(dirname "$0")/containers" || exit 1
echo "$@" >> ../calls
verb=$1; shift
case $verb in
    ps)
        project=${2#label=com.docker.compose.project=}
        case "$*" in *--all*) any=. ;; *) any=^running ;; esac
        grep -lE "$any" "$project"-* 2>/dev/null; true ;;
    stop) for name; do echo exited > "$name"; done ;;
    start)
        for name; do [ -e "$name" ] || { echo "No such container: $name" >&2; exit 1; }; done
        for name; do echo "running $([ -f "$name.broken" ] && echo unhealthy || echo healthy)" > "$name"; done ;;
    inspect) shift 2; for name; do printf '/%s\\t%s\\n' "$name" "$(cat "$name")"; done ;;
esac
"""


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "containers"
    folder.mkdir()
    tool = tmp_path / "docker"
    tool.write_text(DOCKER)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for name in ("shop-blue-web-1", "shop-blue-worker-1", "shop-data-db-1", "shopping-blue-web-1"):
        (folder / name).write_text("running healthy\n")
    (folder / "shop-blue-migrate-1").write_text("exited\n")
    return folder


def states(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in folder.iterdir() if path.suffix != ".broken"}


def test_services_stop_and_exactly_those_start_again(containers: Path, tmp_path: Path) -> None:
    before = states(containers)
    pause = Pause("shop", tmp_path / "state")
    assert pause.running() == ["shop-blue-web-1", "shop-blue-worker-1"]
    pause.stop(pause.running())
    assert states(containers) == before | {"shop-blue-web-1": "exited", "shop-blue-worker-1": "exited"}
    assert pause.running() == []
    pause.start(pause.remembered(), 5)
    assert states(containers) == before
    assert pause.remembered() == []


def test_an_interrupted_play_still_knows_what_to_start(containers: Path, tmp_path: Path) -> None:
    Pause("shop", tmp_path / "state").stop(["shop-blue-web-1"])
    again = Pause("shop", tmp_path / "state")
    again.stop(again.running())
    assert again.remembered() == ["shop-blue-web-1", "shop-blue-worker-1"]


def test_services_that_do_not_become_healthy_are_named_and_remembered(containers: Path, tmp_path: Path) -> None:
    pause = Pause("shop", tmp_path / "state")
    pause.stop(pause.running())
    (containers / "shop-blue-web-1.broken").touch()
    with pytest.raises(BackupError, match=r"not healthy after 0 s: shop-blue-web-1 \(running unhealthy\)"):
        pause.start(pause.remembered(), 0)
    assert "shop-blue-web-1" in pause.remembered()


@pytest.mark.parametrize("gone", [["web"], ["web", "worker"]], ids=["one", "all"])
def test_services_that_a_release_has_removed_meanwhile(containers: Path, tmp_path: Path, gone: list[str]) -> None:
    pause = Pause("shop", tmp_path / "state")
    pause.stop(pause.running())
    for name in gone:
        (containers / f"shop-blue-{name}-1").unlink()
    left = [name for name in ("web", "worker") if name not in gone]
    pause.start(pause.remembered(), 5)
    assert pause.running() == [f"shop-blue-{name}-1" for name in left]
    assert pause.remembered() == []


def test_nothing_runs(containers: Path, tmp_path: Path) -> None:
    pause = Pause("blog", tmp_path / "state")
    pause.stop(pause.running())
    pause.start(pause.remembered(), 0)
    assert "stop" not in (tmp_path / "calls").read_text()
