# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from testbed.cloud import servers
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


def test_a_container_that_goes_between_two_looks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {
        "server": {"IPAMConfig": {"IPv4Address": "172.30.77.40"}},
        "of another's test": {"IPAMConfig": None},
        "without an address": {"IPAMConfig": {}},
    }
    monkeypatch.setattr(servers, "docker", lambda *_words: "\n".join(["gone", *map(str, range(len(there)))]))
    networks = list(there.values())
    monkeypatch.setattr(
        servers,
        "inspect",
        lambda name: None if name == "gone" else {"NetworkSettings": {"Networks": {"bed": networks[int(name)]}}},
    )
    assert servers.given_addresses() == {"172.30.77.40"}
