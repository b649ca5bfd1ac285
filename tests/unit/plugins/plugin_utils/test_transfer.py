# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.plugin_utils.transfer import MIB, duration, progress


@pytest.mark.parametrize(
    ("done", "total", "seconds", "moved", "expected"),
    [
        pytest.param(512, 2048, 10.0, 512, "'x': 512 of 2048 MiB (25 %), 51.2 MiB/s, 30 s left", id="under way"),
        pytest.param(512, 2048, 10.0, 0, "'x': 512 of 2048 MiB (25 %), 0.0 MiB/s, nothing more in 10 s", id="stalled"),
        pytest.param(0, 0, 5.0, 0, "'x': 0 of 0 MiB (0 %), 0.0 MiB/s, nothing more in 5 s", id="empty"),
        pytest.param(1, 20481, 10.0, 1, "'x': 1 of 20481 MiB (0 %), 0.1 MiB/s, 56 h 53 min left", id="slow"),
    ],
)
def test_progress(done: int, total: int, seconds: float, moved: int, expected: str) -> None:
    assert progress("x", done * MIB, total * MIB, seconds, moved * MIB) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5940, "99 min"), (7500, "2 h 5 min")]
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
