# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools in containers of their own, with a Docker that starts what it is told to on this host."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import beside, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.postgresql import PostgreSQL

BOX = Place("box")
# Says what it is asked for, and starts what it is to start.
DOCKER = """#!/bin/sh
echo "$*" >> {notes}
case $1 in
    inspect) echo sha256:0f ;;
    exec) shift 3; exec "$@" ;;
    run)
        {run}
        while [ "$1" != sha256:0f ]; do shift; done
        shift
        exec "$@" ;;
esac
"""


@pytest.fixture(params=["", "echo no such folder >&2; exit 125"], ids=["beside", "refused"])
def notes(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(notes=tmp_path / "notes", run=request.param))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(beside, "LARGE", 0)
    return tmp_path / "notes"


def through(argv: list[str], data: bytes, place: Place = BOX, timeout: float = 30) -> bytes:
    """What a tool says to data that a process puts into its pipe, as an unpacker does."""
    with tempfile.TemporaryFile() as file, beside.Pipes() as pipes:
        file.write(data)
        file.seek(0)
        with subprocess.Popen(["cat"], stdin=file, stdout=pipes.into.writer) as unpacker:
            try:
                with beside.running(place, argv, pipes, timeout=timeout, called="tool") as tool:
                    said = tool.stdout.read()
            finally:
                unpacker.kill()
    assert not pipes.folder.exists()
    return said


@pytest.mark.parametrize("size", [0, 10, 5 << 20])
@pytest.mark.parametrize("place", [BOX, Place(image="sha256:0f")], ids=["container", "image"])
def test_all_that_goes_in_comes_out(notes: Path, size: int, place: Place) -> None:
    """Where Docker will not have it, by the way of all other tools, and nothing is lost."""
    if place.image and "exit 125" in (notes.parent / "docker").read_text():
        with pytest.raises(ToolError, match="status 125: no such folder"):
            through(["sh", "-c", "echo 1 && exec cat"], b"", place)
        return
    assert through(["sh", "-c", "echo 1 && exec cat"], b"x" * size, place) == b"1\n" + b"x" * size


def test_it_can_do_nothing_else(notes: Path) -> None:
    through(["echo", "1"], b"")
    run = next(line for line in notes.read_text().splitlines() if line.startswith("run "))
    assert {"--network=none", "--read-only", "--cap-drop=ALL", "--rm"} <= set(run.split())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param(
            "echo 1; cat >/dev/null; echo bad >&2; exit 1", "tool in .* failed with status 1: bad", id="fails"
        ),
        pytest.param("exit 3", "tool in .* failed with status 3", id="fails without a word"),
        pytest.param("nosuchtool", "tool is not installed in container 'box'", id="missing"),
        pytest.param("echo 1; kill -KILL $$", "tool in .* failed with status -?(9|137)", id="killed"),
    ],
)
@pytest.mark.usefixtures("notes")
def test_a_tool_that(script: str, error: str) -> None:
    with pytest.raises(ToolError, match=error):
        through(["sh", "-c", script], b"x" * 100)


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    "script", ["echo 1; exec sleep 20", "exec sleep 20"], ids=["amid its work", "before it says anything"]
)
def test_a_tool_that_takes_too_long(script: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ToolError, match="did not finish within 1 s") as caught:
        through(["sh", "-c", f"exec 2>&1; {script}"], b"x", timeout=1)
    assert caught.value.late
    assert time.monotonic() - begin < 15


TEXT = """--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: shop
--

COPY public.t (i) FROM stdin;
1
\\.
"""


@pytest.mark.skipif(packing.best() != "zstd", reason="zstd is not here")
@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    ("damage", "script", "verdict", "reason"),
    [
        pytest.param(0, "cat >/dev/null", "ok", "pg_restore 17 decoded all of it, 1 tables", id="whole"),
        pytest.param(1, "cat >/dev/null", "bad", "zstd in this host failed", id="only the checksum is wrong"),
        pytest.param(0, "head -c 7 >/dev/null", "bad", "bytes behind the end", id="bytes behind the end"),
        pytest.param(0, "cat >/dev/null; exit 1", "bad", "failed with status 1", id="pg_restore finds it bad"),
        pytest.param(0, "exit 137", "not_verified", "failed with status 137", id="pg_restore is killed"),
    ],
)
def test_a_large_dump_of_postgresql(tmp_path: Path, damage: int, script: str, verdict: str, reason: str) -> None:
    archive = b"archive" * 500_000
    packed = subprocess.run(["zstd", "-qc", "--check"], input=archive, capture_output=True, check=True).stdout
    path = tmp_path / "dump"
    path.write_bytes(packed[:-1] + bytes([packed[-1] ^ damage]))
    says = 'case "$*" in *--version*) echo pg_restore 17; exit 0;; esac'
    (tmp_path / "pg_restore").write_text(f"#!/bin/sh\n{says}\ncat {tmp_path}/text\n{script}\n")
    (tmp_path / "pg_restore").chmod(0o755)
    (tmp_path / "text").write_text(TEXT)
    findings = PostgreSQL(Target(BOX, timeout=30)).examine(path)
    assert (findings.checks[-1].name, findings.checks[-1].verdict) == ("decode", verdict)
    assert reason in findings.checks[-1].reason
    assert findings.tool == "pg_restore 17"
