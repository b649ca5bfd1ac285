# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps.schedule import longest_gap, schedule

HOUR = 3600
DAY = 24 * HOUR

GOOD = [
    pytest.param("*-*-* 02:00:00 UTC", DAY, id="daily with zone"),
    pytest.param("02:00", DAY, id="time alone"),
    pytest.param("daily", DAY, id="word"),
    pytest.param("daily UTC", DAY, id="word with zone"),
    pytest.param("hourly", HOUR, id="hourly"),
    pytest.param("*:0/15", 15 * 60, id="every quarter"),
    pytest.param("*-*-* 00/6:00:00 UTC", 6 * HOUR, id="every six hours"),
    pytest.param("*-*-* 00/5:00", 5 * HOUR, id="a step that does not divide the day"),
    pytest.param("*-*-* 02,14:30", 12 * HOUR, id="list of hours"),
    pytest.param("*-*-* 08..18:00", 14 * HOUR, id="range of hours"),
    pytest.param("*-*-* 08..18/2:00", 14 * HOUR, id="range with a step"),
    pytest.param("Sun 03:30", 7 * DAY, id="weekday"),
    pytest.param("Mon..Fri 02:00 Europe/Berlin", 3 * DAY, id="working days"),
    pytest.param("Mon,Thursday *-*-* 02:00", 4 * DAY, id="two weekdays"),
    pytest.param("weekly", 7 * DAY, id="weekly"),
    pytest.param("monthly", 31 * DAY, id="monthly"),
    pytest.param("*-*-31 01:00", 61 * DAY, id="the 31st"),
    pytest.param("*-*-01,15", 17 * DAY, id="twice a month"),
    pytest.param("quarterly", 92 * DAY, id="quarterly"),
    pytest.param("*-02-29 00:00", 1461 * DAY, id="leap day"),
    pytest.param("12-24 18:00", 366 * DAY, id="without a year"),
]


@pytest.mark.parametrize(("text", "gap"), GOOD)
def test_longest_gap(text: str, gap: int) -> None:
    assert schedule(text) == text
    assert longest_gap(text) == gap


BAD = [
    pytest.param("", "", id="empty"),
    pytest.param("*-*-* 24:00", "no hour 24", id="hour 24"),
    pytest.param("*-13-01 00:00", "no month 13", id="month 13"),
    pytest.param("*-*-00", "no day 0", id="day 0"),
    pytest.param("*-*-* 02:60", "no minute 60", id="minute 60"),
    pytest.param("*-*-* */2:00", "", id="star with a step"),
    pytest.param("*-*-* 0/0:00", "a step of 0", id="step 0"),
    pytest.param("*-*-* 5..3:00", "'5..3' runs backwards", id="range backwards"),
    pytest.param("Fri..Mon 02:00", "'Fri..Mon' runs backwards", id="weekdays backwards"),
    pytest.param("Someday 02:00", "'Someday' is no weekday", id="no weekday"),
    pytest.param("2026-*-* 02:00", "a year would end it", id="year"),
    pytest.param("daily 02:00", "", id="word with a time"),
    pytest.param("*-*-* 02:00 UTC UTC", "", id="two zones"),
    pytest.param("*-*-* 02:00; rm", "", id="something after it"),
    pytest.param("UTC", "", id="zone alone"),
    pytest.param("@hourly", "try 'hourly'", id="cron word"),
    pytest.param("*/15 * * * *", "try '*-*-* *:00/15:00 UTC'", id="cron every quarter"),
    pytest.param("0 2-4 1,15 * *", "try '*-*-01,15 02..04:00:00 UTC'", id="cron with lists"),
    pytest.param("0 2 1 * 1", "it looks like cron: such as", id="cron's day or weekday"),
    pytest.param("30m", "try '*-*-* *:00/30:00 UTC'", id="interval"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_is_no_schedule(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="is not a calendar schedule") as caught:
        schedule(text)
    assert reason in str(caught.value)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd itself is asked")
def test_systemd_takes_what_we_take() -> None:
    texts = [str(case.values[0]) for case in GOOD]
    subprocess.run(["systemd-analyze", "calendar", *texts], check=True, capture_output=True)
