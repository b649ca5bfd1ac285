# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a grader would have otherwise, and which of it benchmarks/findings.yml explains: `make grade` insists on all."""

from __future__ import annotations

import pytest

from benchmarks import grade


@pytest.mark.parametrize(
    ("failing", "suggestions", "units", "expected"),
    [
        pytest.param(["no_such_rule"], [], {}, {"openscap": ["no_such_rule"]}, id="a rule of OpenSCAP"),
        pytest.param(
            [], ["NONE-0001 Do this", "NONE-0001 Do that", "USB-3000 Install USBGuard"], {}, {"lynis": ["NONE-0001"]},
            id="a test of lynis",
        ),
        pytest.param([], [], {"new.service": 9.2, "small.service": 3.0}, {"systemd": ["new.service"]}, id="a unit"),
        pytest.param([], [], {"sshXservice": 9.2}, {"systemd": ["sshXservice"]}, id="a unit with nearly such a name"),
        pytest.param([], [], {"nginx.service": 9.9, "sshd@x.service": 9.6}, {}, id="a target, and a reason"),
    ],
)  # fmt: skip
def test_unexplained(
    failing: list[str], suggestions: list[str], units: dict[str, float], expected: dict[str, list[str]]
) -> None:
    assert grade.unexplained(failing, suggestions, units) == {"openscap": [], "lynis": [], "systemd": []} | expected
