# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script beside a backup, run by a plain shell, for packed files: those of databases need their servers."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.way_out import script

STRANGE = 'it\'s "x" $(id) `id` @FILE@'
ENGINES = ("postgresql", "mysql", "mariadb", "mongodb", "redis", "files")


def manifest(engine: str, file: str = "x.dump", data: bytes = b"x", **more: Any) -> dict[str, Any]:
    return {
        "set": "20261121-020000",
        "app": "shop",
        "database": "db",
        "databases": [STRANGE],
        "engine": engine,
        "file": file,
        "sha256": hashlib.sha256(data).hexdigest(),
        "started": "2026-11-21T02:00:00Z",
        "counts": {"db0": 3} if engine == "redis" else {'public."it\'s"': 3},
        **more,
    }


def run(path: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(path), *words], capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shell_understands_it(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "x.restore.sh"
    path.write_text(script(manifest(engine), STRANGE, STRANGE, {"data/compose.yml": "services: {}\n"}))
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if shutil.which("shellcheck"):
        # 2034: each engine uses some of the variables; 2016: what is in quotes is for another shell.
        checked = subprocess.run(
            ["shellcheck", "--exclude=2034,2016", str(path)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Packed files with their script beside them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("opt/app-data/shop/uploads/a b.txt")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    data = gzip.compress(buffer.getvalue())
    path = tmp_path / "uploads-backup-20261121-020000.tar.gz"
    path.write_bytes(data)
    text = script(manifest("files", path.name, data), configuration={"data/compose.yml": f"a: {STRANGE}\n"})
    path.with_name(path.name + ".restore.sh").write_text(text)
    return path


def way_out(archive: Path) -> Path:
    return archive.with_name(archive.name + ".restore.sh")


def test_it_restores(archive: Path, tmp_path: Path) -> None:
    done = run(way_out(archive), "--directory", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back/opt/app-data/shop/uploads/a b.txt").read_text() == "hello"
    assert [path.name for path in tmp_path.glob(".restore*")] == []


def test_it_joins_parts_when_all_are_there(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    archive.unlink()
    parts = [data[:40], data[40:80], data[80:]]
    for number, part in enumerate(parts, 1):
        archive.with_name(f"{archive.name}.0a1b2c3d.part-{number:05d}-of-00003").write_bytes(part)
    missing = archive.with_name(f"{archive.name}.0a1b2c3d.part-00002-of-00003")
    missing.rename(tmp_path / "elsewhere")
    done = run(way_out(archive), "--directory", str(tmp_path / "back"))
    assert done.returncode == 1
    assert "there are 2 parts here, and should be 00003" in done.stderr
    (tmp_path / "elsewhere").rename(missing)
    assert run(way_out(archive), "--directory", str(tmp_path / "back")).returncode == 0
    assert archive.read_bytes() == data


def test_it_refuses_what_has_changed(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    done = run(way_out(archive), "--directory", str(tmp_path / "back"))
    assert done.returncode == 1
    assert "is not what was backed up: its SHA-256 is another" in done.stderr
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--into", "x"], "what is --into?", id="unknown option"),
        pytest.param(["--directory"], "what is --directory?", id="option without a value"),
    ],
)
def test_it_says_what_is_wrong(archive: Path, words: list[str], message: str) -> None:
    done = run(way_out(archive), *words)
    assert done.returncode == 1
    assert message in done.stderr


def test_it_unpacks_what_the_app_was(archive: Path, tmp_path: Path) -> None:
    done = run(way_out(archive), "--configuration", str(tmp_path / "what it was"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "what it was/data/compose.yml").read_text() == f"a: {STRANGE}\n"


def test_an_encrypted_one_asks_for_the_key(tmp_path: Path) -> None:
    plain = {"file": "x.tar.gz", "size": 1, "sha256": "0" * 64}
    (tmp_path / "x.tar.gz.age").write_bytes(b"x")
    path = tmp_path / "x.tar.gz.age.restore.sh"
    path.write_text(script(manifest("files", "x.tar.gz.age", plain=plain)))
    done = run(path)
    assert done.returncode == 1
    assert "private key" in done.stderr or "age is needed" in done.stderr


def test_counts_are_compared_in_the_words_of_the_engine() -> None:
    assert (
        "SELECT 'public.\"it''s\"', count(*), 'expected', 3 FROM ONLY public.\"it's\" HAVING count(*) <> 3;"
        in script(manifest("postgresql"))
    )
    assert "FROM `a``b` HAVING count(*) <> 2;" in script(manifest("mysql", counts={"a`b": 2}))
    assert "compare 0 3 1" in script(manifest("redis", volatile={"db0": 2}))


def test_roles_of_postgres_are_made_where_they_are_missing() -> None:
    text = script(manifest("postgresql", roles=["clerk", 'it\'s "x"']))
    assert "pg_catalog.unnest(ARRAY['clerk', 'it''s \"x\"']::text[])" in text
    assert "unnest(ARRAY[]::text[])" in script(manifest("postgresql")), "the manifest is older"


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"])
def test_a_name_with_a_line_break_is_no_command(engine: str) -> None:
    evil = "x\nSQL\ntouch /tmp/evil"
    text = script(manifest(engine, counts={evil: 1, "good": 2}, roles=[evil, "good"]))
    assert "evil" not in text
    assert "count(*) <> 2" in text.lower()


@pytest.mark.parametrize(
    ("file", "plain", "needs"),
    [
        pytest.param("x.dump.zst", None, "sha256sum, docker, zstd.", id="zstd"),
        pytest.param("x.dump", None, "sha256sum, docker.", id="neither"),
        pytest.param("x.dump.zst.age", {"file": "x.dump.zst"}, "docker, zstd, age (it is encrypted).", id="both"),
    ],
)
def test_it_says_what_it_needs(file: str, plain: dict[str, str] | None, needs: str) -> None:
    assert needs in script(manifest("postgresql", file, plain=plain))
