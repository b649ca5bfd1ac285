# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import controls, plan
from ansible_collections.mainstay.platform.plugins.modules import hardening_report

from tools import document_hardening

TEMPLATES = Path(__file__).parents[5] / "roles/hardening/templates"
IDS = [control.id for control in controls.CONTROLS]


def test_ids_are_unique_and_their_areas_known():
    assert len(set(IDS)) == len(IDS)
    assert {control.area for control in controls.CONTROLS} == set(controls.AREAS)


@pytest.mark.parametrize("control", controls.CONTROLS, ids=IDS)
def test_each_control_says_why_and_sets_or_checks_something(control):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", control.id)
    assert control.title
    assert control.reason.endswith((".", ")"))
    assert control.profile in (controls.BASELINE, controls.STRICT, controls.REQUEST)
    assert set(control.needs) <= set(plan.FACTS)
    assert any((
        control.sshd, control.sysctl, control.packages, control.files, control.edits, control.modes, control.pam,
        control.units, control.checks,
    ))  # fmt: skip
    assert {check.partition(":")[0] for check in control.checks} <= set(hardening_report.PROBES)
    for edit in control.edits:
        re.compile(edit.match)
    assert [f.src for f in control.files if not (TEMPLATES / f.src).exists()] == []


def test_no_template_is_left_over():
    used = {file.src for control in controls.CONTROLS for file in control.files}
    # Of the role itself, whatever controls are on.
    used |= {"sshd_config.j2", "containers.nft.j2", "jail.local.j2"}
    used |= {f"fail2ban-{name}.conf.j2" for name in ("filter", "ports", "action")}
    assert {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.j2")} == used


def test_the_page_is_fresh():
    assert document_hardening.PAGE.read_text() == document_hardening.page(), "run: make docs"
