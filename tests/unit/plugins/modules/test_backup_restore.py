# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, HalfDoneError
from ansible_collections.mainstay.platform.plugins.modules import backup_restore

from tests.unit.plugins.module_utils.backup.fake import FakeEngine, Server, connector


class EndedError(Exception):
    """The module has said its last."""


@pytest.mark.parametrize(
    ("errors", "into", "half_done"),
    [
        pytest.param([BackupError("refused")], None, [False], id="nothing has changed"),
        pytest.param([HalfDoneError("broke off")], None, [True], id="half done"),
        pytest.param(
            [HalfDoneError("broke off"), BackupError("refused")], None, [True, True], id="nothing has changed this time"
        ),
        pytest.param(
            [HalfDoneError("broke off"), BackupError("refused")], "shop", [True, True], id="the same under its name"
        ),
        pytest.param(
            [HalfDoneError("broke off"), None, BackupError("refused")], None, [True, None, False], id="half done once"
        ),
        pytest.param([HalfDoneError("broke off"), BackupError("refused")], "copy", [True, False], id="beside"),
    ],
)
def test_whether_data_is_half_restored(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[BackupError | None],
    into: str | None,
    half_done: list[bool | None],
) -> None:
    """What is said decides whether the app is started again."""
    server, left = Server(data={"t.a": 3}), list(errors)

    class Fails(FakeEngine):
        def restore(self, path: Path) -> None:
            if error := left.pop(0):
                raise error

    said: dict[str, Any] = {}

    def end(_self: object, **result: Any) -> None:
        said.clear()
        said.update(result)
        raise EndedError

    for name in ("exit_json", "fail_json"):
        monkeypatch.setattr(basic.AnsibleModule, name, end)
    monkeypatch.setattr(shared, "STATE", tmp_path / "state")
    monkeypatch.setattr(shared, "connector", lambda _params: lambda name: Fails(connector(server)(name).target, server))
    monkeypatch.setattr(backup_restore, "ENGINES", {"postgresql": Fails})
    job = Job("j", "app", "db", "postgresql", ("shop",), tmp_path / "out", "pg-backup", tmp_path / "state")
    made = create(job, FakeEngine, connector(server))[0]
    args: dict[str, Any] = {"name": "j", "app": "app", "database": "db", "engine": "postgresql", "databases": ["shop"]}
    args |= {"directory": str(job.directory), "path": str(made.path), "into": into}
    for expected in half_done:
        with patch_module_args(args), pytest.raises(EndedError):
            backup_restore.main()
        assert said.get("half_done") is expected, said
