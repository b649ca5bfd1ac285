# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from testbed.cloud.docker import BedError
from testbed.cloud.servers import POOL, choose


def test_a_server_gets_the_address_of_its_name_or_the_next_free_one() -> None:
    first = choose("t-one", [])
    assert choose("t-one", []) == first
    assert choose("t-one", [first]) == POOL[(POOL.index(first) + 1) % len(POOL)]
    assert choose("t-one", [address for address in POOL if address != POOL[0]]) == POOL[0]


def test_no_address_left() -> None:
    with pytest.raises(BedError, match="the bed has no address left for 't-one'"):
        choose("t-one", POOL)
