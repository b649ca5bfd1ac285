# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import access
from ansible_collections.mainstay.platform.plugins.modules import hardening_access


class FailedError(Exception):
    """What fail_json ends a module with."""


class Module:
    """As much of a module as the second chance needs: it notes the commands."""

    def __init__(self):
        self.params = {"second_chance": 60}
        self.commands = []

    def run_command(self, command):
        self.commands.append(command)
        return 0, "", ""

    def fail_json(self, msg, **result):
        raise FailedError(msg, result)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late: the server was faster"])
def test_confirm(tmp_path, monkeypatch, late):
    kept = tmp_path / "kept"
    kept.mkdir()
    for name, place in (("KEPT", kept), ("BOOT", tmp_path / "boot"), ("BOOT_LINK", tmp_path / "link")):
        monkeypatch.setattr(access, name, place)
    module = Module()
    if late:
        (kept / access.UNDONE).touch()
        with pytest.raises(
            FailedError, match="not confirmed within 60 s, so the server has put everything back"
        ) as caught:
            hardening_access.confirm(module)
        assert caught.value.args[1] == {"undone": True}
    else:
        hardening_access.confirm(module)
        assert not kept.exists()
    assert module.commands[0] == ["systemctl", "stop", "mainstay-second-chance.timer"]
