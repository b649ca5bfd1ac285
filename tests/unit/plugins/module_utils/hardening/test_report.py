# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import report

ON = {"id": "a-b", "title": "What", "state": "on", "why": ""}


@pytest.mark.parametrize(
    ("control", "findings", "expected"),
    [
        pytest.param(ON, [("passed", "x"), ("passed", "y")], ("passed", ""), id="all is well"),
        pytest.param(
            ON, [("passed", "x"), ("failed", "y is 1"), ("failed", "z")], ("failed", "y is 1; z"), id="one fails"
        ),
        pytest.param(ON, [("failed", "y"), ("failed", "y")], ("failed", "y"), id="said once"),
        pytest.param(
            ON, [("passed", "x"), ("not applicable", "no such key")], ("not applicable", "no such key"),
            id="not all of it can be looked at",
        ),
        pytest.param(ON, [], ("passed", ""), id="nothing to look at"),
        pytest.param({**ON, "state": "waived", "why": "until"}, [], ("waived", "until"), id="waived"),
    ],
)  # fmt: skip
def test_judge(control, findings, expected):
    entry = report.judge(control, findings)
    assert (entry["state"], entry["why"]) == expected


@pytest.mark.parametrize(
    ("wanted", "effective", "expected"),
    [
        pytest.param({"PermitRootLogin": "no"}, {"permitrootlogin": ["no"]}, [("passed", "PermitRootLogin")], id="so"),
        pytest.param({"MaxAuthTries": 3}, {"maxauthtries": ["6"]}, [("failed", "MaxAuthTries is 6")], id="not so"),
        pytest.param({"Banner": "/a"}, {}, [("failed", "Banner is not set")], id="not there"),
        pytest.param(
            {"PermitRootLogin": "prohibit-password"}, {"permitrootlogin": ["without-password"]},
            [("passed", "PermitRootLogin")], id="by its older name",
        ),
        pytest.param({"AllowUsers": "a b"}, {"allowusers": ["a", "b"]}, [("passed", "AllowUsers")], id="a list"),
    ],
)  # fmt: skip
def test_sshd(wanted, effective, expected):
    assert report.sshd(wanted, effective) == expected


@pytest.mark.parametrize(
    ("key", "live", "container", "expected"),
    [
        pytest.param("net.ipv4.x", "1\n", False, ("passed", "net.ipv4.x"), id="so"),
        pytest.param("net.ipv4.x", "0", True, ("failed", "net.ipv4.x is 0"), id="a container's own"),
        pytest.param("kernel.x", "0", False, ("failed", "kernel.x is 0"), id="a machine's"),
        pytest.param(
            "kernel.x",
            "0",
            True,
            ("not applicable", "kernel.x belongs to the machine under the container"),
            id="not its own",
        ),
        pytest.param("kernel.x", None, False, ("not applicable", "this kernel has no kernel.x"), id="no such key"),
    ],
)
def test_sysctl(key, live, container, expected):
    assert report.sysctl({key: 1}, {key: live}, container) == [expected]


@pytest.mark.parametrize(
    ("network", "said"),
    [
        pytest.param("bridge bridge docker0", "", id="Docker's first"),
        pytest.param("shop-blue_default bridge", "", id="an app's"),
        pytest.param("shop bridge br-shop", "", id="a name that fits"),
        pytest.param("host host", "", id="none of its own"),
        pytest.param(
            "shop bridge shop0",
            "the network 'shop' has a bridge 'shop0' outside of the wall: let its name begin with br-",
            id="a name of its own",
        ),
        pytest.param(
            "lan macvlan", "the network 'lan' is a macvlan, which goes past the wall: make it a bridge", id="a macvlan"
        ),
    ],
)  # fmt: skip
def test_beyond_the_wall(network, said):
    assert report.beyond_the_wall(f"bridge bridge docker0\n{network}\n") == ([("failed", said)] if said else [])


def test_table():
    entries = [
        {"id": "a-long-one", "title": "A", "state": "passed", "why": ""},
        {"id": "b", "title": "B", "state": "failed", "why": "b is 1"},
        {"id": "c", "title": "C", "state": "waived", "why": "until 2027-01-01: so"},
    ]
    assert report.table(entries) == [
        "b           failed          b is 1",
        "a-long-one  passed          A",
        "c           waived          until 2027-01-01: so",
        "1 failed, 1 passed, 1 waived, 0 not applicable",
    ]
