# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.session import Session


def test_answers_are_told_apart() -> None:
    place = Place()
    with place.running(["cat"], timeout=5) as tool:
        session = Session(place, tool, "cat", "{}")
        assert session.ask("one\ntwo") == ["one", "two"]
        assert session.ask("three") == ["three"]


def test_a_client_that_gives_up_is_named_with_its_complaint() -> None:
    place = Place()
    with (
        pytest.raises(ToolError, match=r"psql.*no such database"),
        place.running(["sh", "-c", "echo no such database >&2; exit 2"]) as tool,
    ):
        Session(place, tool, "psql", "{}").ask("SELECT 1;")
