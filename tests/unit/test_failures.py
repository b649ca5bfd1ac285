# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a failed run names what failed."""

from __future__ import annotations

import pytest

from tests.failures import failures

REPORT = """<testsuites><testsuite>
<testcase classname="test_5_backup" name="passed"/>{}
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        pytest.param("", [], id="all-passed"),
        pytest.param(
            '<testcase classname="a" name="b"><failure message="one&#10;two">trace</failure></testcase>',
            ["a::b\n  one\n  two"],
            id="failed",
        ),
        pytest.param(
            '<testcase classname="a" name="b"><error message="">trace</error></testcase>', ["a::b\n  trace"], id="error"
        ),
    ],
)
def test_failures(cases: str, told: list[str]) -> None:
    assert failures(REPORT.format(cases)) == told
