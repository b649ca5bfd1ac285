# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import access


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [
        pytest.param("ENABLED=yes\n", ["ufw reload", "systemctl reload ssh.service"], id="a firewall that was on"),
        pytest.param("ENABLED=no\n", ["ufw --force disable", "systemctl reload ssh.service"], id="one that was off"),
    ],
)
def test_the_script_puts_everything_back(tmp_path, monkeypatch, enabled, expected):
    places = {path: tmp_path / "root" / access.kept_name(path) for path in access.FILES}
    kept = tmp_path / "kept"
    (tmp_path / "root").mkdir()
    kept.mkdir()
    for path, place in places.items():
        place.write_text("new\n")
        (kept / access.kept_name(path)).write_text(enabled if path.name == "ufw.conf" else "old\n")
    script = access.undo_script()
    for path, place in places.items():
        script = script.replace(f" {path}", f" {place}")
    (kept / "undo.sh").write_text(script)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ufw", "systemctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    subprocess.run(["/bin/sh", kept / "undo.sh"], check=True, capture_output=True)
    assert {place.read_text() for path, place in places.items() if path.name != "ufw.conf"} == {"old\n"}
    assert (tmp_path / "calls").read_text().splitlines() == expected
    assert (kept / access.UNDONE).exists()
