# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large dumps of PostgreSQL are decoded in a container of their own: what is found is the same, and nothing is left."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import beside, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place

from tests.integration.backup.conftest import Database, sh, wait
from tests.integration.backup.test_corruption import BYTES, fill_postgres

TRIALS = 3
EXAMINE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.backup import beside
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.postgresql import PostgreSQL
beside.LARGE = 0
beside.RUN = str(Path(sys.argv[3]).parent)
PostgreSQL(Target(Place(sys.argv[2]))).examine(Path(sys.argv[3]))
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started."""
    commands: list[list[str]] = []
    command = Place.command

    def noted(place: Place, *given: object) -> list[str]:
        commands.append(command(place, *given))  # type: ignore[arg-type]
        return commands[-1]

    monkeypatch.setattr(Place, "command", noted)
    return commands


def test_what_is_found_is_the_same(
    postgres: Database, started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_postgres(postgres)
    good = postgres.back_up().path.read_bytes()
    path = tmp_path / "damaged"
    dice = random.Random(1)
    files = {"good": [good]}
    files |= {fault: [damage(good, dice) for _ in range(TRIALS)] for fault, damage in BYTES.items()}
    for fault, damaged in files.items():
        for data in damaged:
            path.write_bytes(data)
            monkeypatch.setattr(beside, "LARGE", 1 << 40)
            known = postgres.connect().examine(path)
            monkeypatch.setattr(beside, "LARGE", 0)
            started.clear()
            found = postgres.connect().examine(path)
            assert not [one for one in started if one[:2] == ["docker", "exec"]], "it took the other way"
            assert [check.verdict for check in found.checks] == [check.verdict for check in known.checks], fault
            assert (found.counts, found.tables, found.content, found.tool) == (
                known.counts, known.tables, known.content, known.tool
            ), fault  # fmt: skip
    assert found.checks[-1].verdict == "bad"


def test_where_docker_sees_other_folders(
    postgres: Database, started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a daemon on another host does: what it finds in their place is empty."""
    fill_postgres(postgres)
    path = postgres.back_up().path
    known = postgres.connect().examine(path)
    command = Place.command
    monkeypatch.setattr(
        Place, "command", lambda *given: [word.replace(":ro", "-elsewhere:ro") for word in command(*given)]
    )
    monkeypatch.setattr(beside, "LARGE", 0)
    monkeypatch.setattr(beside, "RUN", str(tmp_path))
    assert postgres.connect().examine(path) == known
    assert [one[1] for one in started if one[0] == "docker"][-2:] == ["run", "exec"]


def test_whoever_is_killed_leaves_no_container(postgres: Database, tmp_path: Path) -> None:
    image = sh("docker", "inspect", "--format", "{{.Image}}", postgres.container).strip()

    def theirs() -> set[str]:
        return set(sh("docker", "ps", "--quiet", "--filter", f"ancestor={image}").split())

    before = theirs()
    path = tmp_path / "dump"
    path.write_bytes(packing.MAGIC[packing.ZSTD])
    # One that is never over.
    slow = tmp_path / "zstd"
    slow.write_text("#!/bin/sh\nprintf PGDMP; exec sleep 60\n")
    slow.chmod(0o755)
    collections = str(Path(packing.__file__).parents[6])
    with subprocess.Popen(
        ["env", f"PATH={tmp_path}:/usr/local/bin:/usr/bin:/bin", sys.executable, "-c", EXAMINE, collections,
         postgres.container, str(path)]
    ) as process:  # fmt: skip
        try:
            wait(lambda: _check(theirs() - before))
            time.sleep(1)
        finally:
            process.send_signal(signal.SIGKILL)
    wait(lambda: _check(not theirs() - before))


def _check(true: object) -> None:
    assert true
