# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running again changes nothing, and check mode tells the truth."""

from __future__ import annotations

import outside
import pytest


@pytest.mark.parametrize("flags", [(), ("--check", "--diff")], ids=["second-run", "check-on-converged"])
def test_nothing_changes(flags: tuple[str, ...]) -> None:
    done = outside.playbook("site.yml", *flags)
    counts = outside.recap(done.stdout)
    assert (counts["changed"], counts["failed"], counts["unreachable"]) == (0, 0, 0), done.stdout[-6000:]


def test_facts_are_gathered_at_most_once() -> None:
    assert outside.playbook("site.yml", "--tags", "nginx").stdout.count("TASK [Gathering Facts]") <= 1
