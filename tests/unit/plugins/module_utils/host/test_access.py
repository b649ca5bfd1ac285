# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import access, sysctl

UFW_ON, UFW_OFF = "ENABLED=yes\n", "ENABLED=no\n"


@pytest.mark.parametrize(
    ("enabled", "walled", "words", "expected"),
    [
        pytest.param(
            UFW_ON, True, [],
            ["ufw reload", f"nft -f {access.WALL}", "systemctl reload ssh.service"],
            id="firewall and wall stood",
        ),
        pytest.param(
            UFW_OFF, False, [],
            ["ufw --force disable", "nft delete table inet mainstay", "systemctl reload ssh.service"],
            id="neither stood",
        ),
        pytest.param(UFW_ON, True, ["boot"], [], id="as the server starts: files alone, which are read afterwards"),
    ],
)  # fmt: skip
def test_the_script_puts_everything_back(tmp_path, monkeypatch, enabled, walled, words, expected):
    root, kept, programs = (tmp_path / name for name in ("root", "kept", "bin"))
    for folder in (root, kept, programs):
        folder.mkdir()
    live = root / "live"
    monkeypatch.setattr(sysctl, "path", lambda _key: live)
    live.write_text("1\n")
    script = access.undo_script({"net.ipv4.conf.all.rp_filter": "0"})
    places = {path: root / access.kept_name(path) for path in (*access.FILES, access.BOOT, access.BOOT_LINK)}
    for path, place in places.items():
        place.write_text("new\n")
        script = script.replace(f" {path}", f" {place}")
    for path in access.FILES:
        if walled or path != access.WALL:
            (kept / access.kept_name(path)).write_text(enabled if path.name == "ufw.conf" else "old\n")
    (kept / "undo.sh").write_text(script)
    for name in ("ufw", "nft", "systemctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n')
        (programs / name).chmod(0o755)
    (tmp_path / "calls").touch()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    # The one path that is not a place of the test's own: whether ufw was on is read from its file.
    (kept / "undo.sh").write_text(script.replace("/etc/ufw/ufw.conf", str(places[access.FILES[2]])))
    subprocess.run(["/bin/sh", kept / "undo.sh", *words], check=True, capture_output=True)
    found = {path: place.read_text() for path, place in places.items() if place.exists()}
    assert found == {
        path: enabled if path.name == "ufw.conf" else "old\n"
        for path in access.FILES
        if walled or path != access.WALL
    }  # fmt: skip
    calls = (tmp_path / "calls").read_text().replace(str(places[access.WALL]), str(access.WALL))
    assert calls.splitlines() == expected
    assert live.read_text() == ("1\n" if words else "0\n")
    # What is left says that it ran, and nothing that a later run could go back to.
    assert [path.name for path in kept.iterdir()] == [access.UNDONE]


WALL = """table inet mainstay {
\tchain docker_user {
\t\toifname "br-*" counter packets 0 bytes 0 drop
\t}
\tchain from_containers {
\t\tip daddr 169.254.0.0/16 counter packets 0 bytes 0 drop
\t}
\tchain to_server {
\t\t%s
\t}
}
"""


@pytest.mark.parametrize(
    ("listing", "stands"),
    [
        pytest.param(WALL % "tcp dport 22 counter packets 0 bytes 0 drop", True, id="whole"),
        pytest.param(WALL % "", False, id="a chain was emptied"),
        pytest.param("Error: No such file or directory\n", False, id="no such table"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_stands(listing, stands):
    assert access.stands(listing) is stands
