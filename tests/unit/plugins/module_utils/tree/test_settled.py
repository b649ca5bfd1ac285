# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look proves about a tree: only that nothing at all of it differs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.tree import apply, settled
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry, digest

ME, MINE = os.getuid(), os.getgid()


def tree(root: Path, content: str = "content") -> list[Entry]:
    return [
        Entry(str(root / "sub"), "directory", ME, MINE, 0o750),
        Entry(str(root / "sub" / "file"), "file", ME, MINE, 0o640, content=content),
        Entry(str(root / "link"), "link", target="sub/file"),
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir(0o750)
    (tmp_path / "sub" / "file").write_text("content")
    (tmp_path / "sub" / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("sub/file")
    return tmp_path


def holds(root: Path, uid: int | None = ME) -> bool:
    return settled.holds(settled.proof(tree(root)), apply.look, lambda name: uid, lambda name: MINE)


def test_what_is_as_it_was_settled_holds(root: Path) -> None:
    assert holds(root)


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param(lambda root: (root / "sub/file").write_text("CONTENT"), id="content"),
        pytest.param(lambda root: (root / "sub/file").chmod(0o644), id="mode"),
        pytest.param(lambda root: (root / "sub/file").unlink(), id="file-gone"),
        pytest.param(lambda root: shutil.rmtree(root / "sub"), id="directory-gone"),
        pytest.param(lambda root: (root / "sub").chmod(0o755), id="mode-of-directory"),
        pytest.param(lambda root: [(root / "link").unlink(), (root / "link").symlink_to("sub")], id="target"),
        pytest.param(lambda root: [(root / "link").unlink(), (root / "link").write_text("")], id="kind"),
    ],
)
def test_drift_is_seen(root: Path, drift: Callable[[Path], object]) -> None:
    drift(root)
    assert not holds(root)


@pytest.mark.parametrize("uid", [pytest.param(ME + 1, id="another"), pytest.param(None, id="no-such-account")])
def test_an_owner_that_means_somebody_else_now_is_seen(root: Path, uid: int | None) -> None:
    assert not holds(root, uid)


def test_a_digest_tells_calls_apart(tmp_path: Path) -> None:
    assert digest(tree(tmp_path)) == digest(tree(tmp_path))
    assert digest(tree(tmp_path)) != digest(tree(tmp_path, "other"))
    assert digest(tree(tmp_path)) != digest(tree(tmp_path)[:2])


def test_a_proof_keeps_no_content(tmp_path: Path) -> None:
    assert "planted" not in str(settled.proof(tree(tmp_path, "planted")))
