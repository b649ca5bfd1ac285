# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import sysctl


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.7/rp_filter", "/proc/sys/net/ipv4/conf/eth0.7/rp_filter"),
    ],
    ids=["dots", "slashes keep dots"],
)
def test_path(key, expected):
    assert sysctl.path(key) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "1"), (0, "0"), ("4096\t87380\t6291456\n", "4096 87380 6291456"), ("2", "2")],
    ids=["bool", "int", "tabs", "text"],
)
def test_canonical(value, expected):
    assert sysctl.canonical(value) == expected


@pytest.mark.parametrize(
    ("wanted", "live", "container", "write", "skip"),
    [
        pytest.param({"net.a": 1}, {"net.a": "1\n"}, False, {}, {}, id="as wanted"),
        pytest.param(
            {"net.a": 1, "kernel.b": 2},
            {"net.a": "0\n", "kernel.b": "0\n"},
            False,
            {"net.a": "1", "kernel.b": "2"},
            {},
            id="a machine",
        ),
        pytest.param(
            {"net.a": 1, "kernel.b": 2, "fs.c": 1},
            {"net.a": "0\n", "kernel.b": "0\n", "fs.c": "1\n"},
            True,
            {"net.a": "1"},
            {"kernel.b": sysctl.NOT_OURS},
            id="a container: only the network is its own",
        ),
        pytest.param({"net.a": 1}, {"net.a": None}, False, {}, {"net.a": sysctl.NO_SUCH}, id="no such key"),
    ],
)
def test_plan(wanted, live, container, write, skip):
    assert sysctl.plan(wanted, live, container) == sysctl.Plan(write, skip)


def test_expand():
    settings = {"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.*.rp_filter": 1, "vm.swappiness": 10}
    files = [f"/proc/sys/net/ipv4/conf/{name}/rp_filter" for name in ("all", "eth0", "eth0.7")]
    assert sysctl.expand(settings, {"/proc/sys/net/ipv4/conf/*/rp_filter": files}.__getitem__) == {
        "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.eth0.rp_filter": 1, "net/ipv4/conf/eth0.7/rp_filter": 1,
        "vm.swappiness": 10,
    }  # fmt: skip


def test_config():
    assert sysctl.config({"net.a": True, "net.b": "1 2"}, "# Ours") == "# Ours.\nnet.a = 1\nnet.b = 1 2\n"
    assert sysctl.config({}, "# Ours") == ""


def test_by_reason():
    skipped = {"kernel.a": sysctl.NOT_OURS, "net.b": sysctl.NO_SUCH, "fs.c": sysctl.NOT_OURS}
    assert sysctl.by_reason(skipped) == (
        "kernel.a, fs.c (belongs to the machine under the container); net.b (this kernel has no such setting)"
    )
