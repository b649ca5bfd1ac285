# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import control


class Nginx:
    """Stands in for nginx's processes: workers by process id, and what a reload does to them."""

    def __init__(self, reloaded: list[dict[int, bool]], code: int = 0, said: str = "") -> None:
        self.now = {1: True, 2: True}
        self.reloaded, self.code, self.said = reloaded, code, said
        self.commands: list[list[str]] = []

    def run(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        return self.code, "", self.said

    def workers(self, _master: int) -> dict[int, bool]:
        if self.commands and self.reloaded:
            self.now = self.reloaded.pop(0)
        return self.now


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(control, "master", lambda: 99)
    monkeypatch.setattr(control, "_SECONDS", 0.2)
    monkeypatch.setattr(control, "LOG", tmp_path / "error.log")
    yield


RELOADS = {
    "new ones only": ([{3: True, 4: True}], True),
    "old ones leave": (
        [{1: True, 2: True, 3: True}, {1: False, 2: True, 3: True}, {1: False, 2: False, 3: True}],
        True,
    ),
    "old ones stay": ([{1: True, 2: True}], False),
    "nobody takes over": ([{1: False, 2: False}], False),
}


@pytest.mark.parametrize(("reloaded", "done"), RELOADS.values(), ids=RELOADS)
def test_reload(reloaded: list[dict[int, bool]], done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = Nginx(list(reloaded))
    monkeypatch.setattr(control, "workers", nginx.workers)
    if done:
        control.reload(nginx.run)
        assert nginx.reloaded == []
    else:
        with pytest.raises(control.NginxError, match="kept its old configuration"):
            control.reload(nginx.run)
    assert nginx.commands == [["nginx", "-s", "reload"]]


def test_reload_tells_what_was_logged_since(monkeypatch: pytest.MonkeyPatch) -> None:
    control.LOG.write_text("[emerg] long ago\n")
    nginx = Nginx([])

    def run(command: list[str]) -> tuple[int, str, str]:
        with control.LOG.open("a") as log:
            log.write("[notice] reading\n[emerg] bind() to 0.0.0.0:80 failed\n")
        return nginx.run(command)

    monkeypatch.setattr(control, "workers", nginx.workers)
    with pytest.raises(control.NginxError) as caught:
        control.reload(run)
    assert str(caught.value).splitlines()[1:] == ["[emerg] bind() to 0.0.0.0:80 failed"]


def test_reload_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "master", lambda: None)
    with pytest.raises(control.NginxError, match="nginx does not run"):
        control.reload(Nginx([]).run)


def test_check_gives_nginx_words() -> None:
    with pytest.raises(control.NginxError, match="unknown directive"):
        control.check(Nginx([], code=1, said="unknown directive\n").run)


TRIXIE = """nginx version: nginx/1.26.3
built with OpenSSL 3.5.7 9 Jun 2026
TLS SNI support enabled
configure arguments: --with-http_v2_module --with-http_v3_module --with-http_dav_module
"""
BOOKWORM = """nginx version: nginx/1.22.1
built with OpenSSL 3.0.20 7 Apr 2026 (running with OpenSSL 3.0.22 25 Aug 2026)
configure arguments: --with-http_v2_module
"""


@pytest.mark.parametrize(
    ("said", "njs", "build"),
    [
        pytest.param(
            TRIXIE,
            (0, "0.8.9-1", ""),
            {"version": "1.26.3", "openssl": "3.5.7", "http3": True, "njs": "0.8.9-1"},
            id="Debian 13",
        ),
        pytest.param(
            BOOKWORM,
            (1, "", "no packages found"),
            {"version": "1.22.1", "openssl": "3.0.22", "http3": False, "njs": ""},
            id="Debian 12, another OpenSSL runs",
        ),
        pytest.param(
            "nginx version: nginx/1.18.0 (Ubuntu)\n",
            (1, "", ""),
            {"version": "1.18.0", "openssl": "", "http3": False, "njs": ""},
            id="little said",
        ),
    ],
)
def test_build(said: str, njs: tuple[int, str, str], build: dict[str, object]) -> None:
    assert control.build(lambda command: (0, "", said) if command == ["nginx", "-V"] else njs) == build
