# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.runtime import archive, install
from ansible_collections.mainstay.platform.plugins.module_utils.runtime.install import RuntimeInstallError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in (
        "plugins/modules/a.py",
        "roles/r/tasks/main.yml",
        "galaxy.yml",
        "tests/t.py",
        "plugins/__pycache__/a.pyc",
        "roles/.hidden/x",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def test_only_what_a_server_needs_travels(checkout: Path) -> None:
    assert [name for name, _content in archive.members(checkout)] == [
        "galaxy.yml",
        "plugins/modules/a.py",
        "roles/r/tasks/main.yml",
    ]


def test_the_archive_depends_on_content_alone(checkout: Path) -> None:
    before = (archive.content_hash(checkout), archive.build(checkout))
    os.utime(checkout / "galaxy.yml", (1, 1))
    (checkout / "tests/t.py").write_text("other")
    assert (archive.content_hash(checkout), archive.build(checkout)) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: (root / "galaxy.yml").write_text("other"), id="content"),
        pytest.param(lambda root: (root / "galaxy.yml").chmod(0o755), id="permission"),
        pytest.param(lambda root: (root / "galaxy.yml").rename(root / "MANIFEST.json"), id="name"),
        pytest.param(lambda root: (root / "plugins/modules/b.py").touch(), id="new file"),
    ],
)
def test_every_change_shows_in_the_hash(checkout: Path, change: Callable[[Path], object]) -> None:
    before = archive.content_hash(checkout)
    change(checkout)
    assert archive.content_hash(checkout) != before


def test_the_collection_is_unpacked_where_ansible_looks(checkout: Path, tmp_path: Path) -> None:
    packed = tmp_path / "c.tar.gz"
    packed.write_bytes(archive.build(checkout))
    install.install(tmp_path / "opt", "collections", "1", install.build_collection(packed))
    place = tmp_path / "opt/collections/ansible_collections/mainstay/platform"
    assert (place / "roles/r/tasks/main.yml").read_text() == "roles/r/tasks/main.yml"
    assert install.is_current(tmp_path / "opt", "collections", "1")


def fill(text: str) -> Callable[[Path], None]:
    def build(target: Path) -> None:
        (target / "bin").mkdir(parents=True)
        (target / "bin/python").write_text(text)

    return build


def fail(target: Path) -> None:
    fill("half")(target)
    raise RuntimeInstallError("no space left")


def test_a_version_replaces_another_and_the_last_but_one_goes(tmp_path: Path) -> None:
    for identity in "123":
        install.install(tmp_path, "venv", identity, fill(identity))
    assert (tmp_path / "venv/bin/python").read_text() == "3"
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == ["venv-2", "venv-3"]


def test_a_failure_leaves_the_version_in_use(tmp_path: Path) -> None:
    install.install(tmp_path, "venv", "1", fill("1"))
    with pytest.raises(RuntimeInstallError):
        install.install(tmp_path, "venv", "2", fail)
    assert install.is_current(tmp_path, "venv", "1") and not install.is_current(tmp_path, "venv", "2")
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["venv-1"]


def test_what_was_interrupted_is_built_again(tmp_path: Path) -> None:
    (tmp_path / "versions/venv-1/leftover").mkdir(parents=True)
    install.install(tmp_path, "venv", "1", fill("1"))
    assert not (tmp_path / "venv/leftover").exists()


def test_an_environment_without_its_interpreter_is_not_current(tmp_path: Path) -> None:
    install.install(tmp_path, "venv", "1", fill("1"))
    (tmp_path / "venv/bin/python").unlink()
    assert not install.is_current(tmp_path, "venv", "1")
    install.install(tmp_path, "venv", "1", fill("again"))
    assert install.is_current(tmp_path, "venv", "1")


def test_remove_takes_everything_of_ours_and_nothing_else(tmp_path: Path) -> None:
    install.install(tmp_path / "opt", "venv", "1", fill("1"))
    (tmp_path / "opt/own").touch()
    assert install.remove(tmp_path / "opt")
    assert [path.name for path in (tmp_path / "opt").iterdir()] == ["own"]
    assert not install.remove(tmp_path / "opt")


def test_the_environment_depends_on_requirements_and_python() -> None:
    ids = {
        install.environment_id("a==1", (3, 11)),
        install.environment_id("a==2", (3, 11)),
        install.environment_id("a==1", (3, 13)),
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            "Looking in indexes: x\nERROR: No matching distribution\nmore",
            "ERROR: No matching distribution",
            id="error line",
        ),
        pytest.param("a\n\nb\nc\nd\n", "b c d", id="last lines"),
        pytest.param(
            "ERROR: https://me:geheim@host/simple 403", "ERROR: https://(hidden)@host/simple 403", id="password"
        ),
    ],
)
def test_pip_reason(output: str, expected: str) -> None:
    assert install.pip_reason(output) == expected


def test_archive_members_keep_their_permission(checkout: Path, tmp_path: Path) -> None:
    (checkout / "plugins/modules/a.py").chmod(0o700)
    packed = tmp_path / "c.tar.gz"
    packed.write_bytes(archive.build(checkout))
    with tarfile.open(packed) as found:
        assert {entry.name: entry.mode for entry in found}["plugins/modules/a.py"] == 0o755
