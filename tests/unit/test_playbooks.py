# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks hand to roles: never a variable that the inventory is promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = sorted((Path(__file__).parents[2] / "playbooks").glob("*.yml"))
# A variable given with a role counts more than the inventory's: what the operator has named there would be gone.
THE_OPERATORS = {"hardening_firewall_rules"}


def handed(node: Any) -> Iterator[str]:
    """Names of variables that tasks give to roles."""
    if isinstance(node, list):
        for entry in node:
            yield from handed(entry)
    elif isinstance(node, dict):
        if any(key.endswith(("import_role", "include_role")) for key in node):
            yield from node.get("vars", {})
        for value in node.values():
            yield from handed(value)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=[path.name for path in PLAYBOOKS])
def test_the_operators_own_variables_stay_his(playbook: Path) -> None:
    assert THE_OPERATORS & set(handed(yaml.safe_load(playbook.read_text()))) == set()


def test_the_apps_ports_reach_the_firewall() -> None:
    given = {p.name for p in PLAYBOOKS if "hardening_firewall_app_rules" in handed(yaml.safe_load(p.read_text()))}
    assert given == {"site.yml", "recover.yml"}
