# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import progress
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.progress import told


def test_the_file_says_how_far_it_is_and_is_gone_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    old = os.umask(0o077)
    try:
        with told(str(tmp_path / "p")) as tell:
            assert tell
            for done in (0, 5):
                tell(done, 9)
                assert json.loads((tmp_path / "p").read_text()) == {"done": done, "total": 9}
            assert (tmp_path / "p").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(old)
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_now_and_then_only(tmp_path: Path) -> None:
    with told(str(tmp_path / "p")) as tell:
        assert tell
        for done in range(5):
            tell(done, 9)
        assert json.loads((tmp_path / "p").read_text())["done"] == 0


def test_it_replaces_and_follows_nothing(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "p").symlink_to(tmp_path / "victim")
    with told(str(tmp_path / "p")) as tell:
        assert tell
        tell(1, 9)
    assert (tmp_path / "victim").read_text() == "mine"


def test_no_path_no_file() -> None:
    with told(None) as tell:
        assert tell is None


def test_where_there_is_no_writing(tmp_path: Path) -> None:
    with (
        told(str(tmp_path / "no" / "p")) as tell,
        pytest.raises(BlobError, match=r"^progress: .* cannot be written"),
    ):
        assert tell
        tell(1, 9)
