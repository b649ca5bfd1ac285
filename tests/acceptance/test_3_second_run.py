# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running again changes nothing, and check mode tells the truth."""

from __future__ import annotations

from pathlib import Path

import ansible_mitogen
import outside
import pytest

MITOGEN = {
    "ANSIBLE_STRATEGY_PLUGINS": str(Path(ansible_mitogen.__file__).parent / "plugins" / "strategy"),
    "ANSIBLE_STRATEGY": "mitogen_linear",
}


@pytest.mark.parametrize("flags", [(), ("--check", "--diff")], ids=["second-run", "check-on-converged"])
def test_nothing_changes(flags: tuple[str, ...]) -> None:
    done = outside.playbook("site.yml", *flags)
    counts = outside.recap(done.stdout)
    assert (counts["changed"], counts["failed"], counts["unreachable"]) == (0, 0, 0), done.stdout[-6000:]


def test_facts_are_gathered_at_most_once() -> None:
    assert outside.playbook("site.yml", "--tags", "nginx").stdout.count("TASK [Gathering Facts]") <= 1


def test_the_site_runs_under_mitogen_unchanged() -> None:
    """Drift included: a file that somebody has changed is put right, and nothing else is touched."""
    outside.on_server("echo '# changed by hand' >> /etc/nginx/mainstay/proxy.conf")
    for changed in (True, False):
        done = outside.playbook("site.yml", env=MITOGEN)
        counts = outside.recap(done.stdout)
        assert (counts["changed"] > 0, counts["failed"], counts["unreachable"]) == (changed, 0, 0), done.stdout[-6000:]
    assert "changed by hand" not in outside.on_server("cat /etc/nginx/mainstay/proxy.conf")
