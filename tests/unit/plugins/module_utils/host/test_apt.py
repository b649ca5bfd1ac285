# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import apt

# dpkg 1.22
QUERY = """\
libc6:amd64 installed
ufw installed
fail2ban config-files
nftables not-installed
"""


def test_installed():
    assert apt.installed(QUERY) == {"libc6", "ufw"}


@pytest.mark.parametrize(
    ("names", "state", "expected"),
    [
        pytest.param(["ufw", "libc6"], "present", [], id="all there"),
        pytest.param(
            ["ufw", "nftables", "fail2ban", "nftables"], "present", ["nftables", "fail2ban"], id="some missing"
        ),
        pytest.param(["ufw", "fail2ban"], "absent", ["ufw"], id="to remove"),
    ],
)
def test_todo(names, state, expected):
    assert apt.todo(names, apt.installed(QUERY), state) == expected


def test_command():
    assert apt.command(["a"], "present", recommends=False)[-3:] == ["--no-install-recommends", "install", "a"]
    assert apt.command(["a"], "present", recommends=True)[-3:] == ["--install-recommends", "install", "a"]
    assert apt.command(["a", "b"], "absent", recommends=False)[-3:] == ["remove", "a", "b"]
    assert "Dpkg::Options::=--force-confold" in apt.command(["a"], "present", recommends=False)


@pytest.mark.parametrize(
    ("age", "expected"), [(None, True), (10, False), (100, True)], ids=["no lists", "young", "old"]
)
def test_stale(age, expected):
    assert apt.stale(age, 60) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Reading package lists...\nE: Unable to locate package foo\nE: Unable to locate package bar\n",
            "the server's repositories have no package foo, bar (see /etc/apt/sources.list.d)",
            id="unknown",
        ),
        pytest.param(
            "E: Package 'docker-ce' has no installation candidate\n",
            "the server's repositories have no package docker-ce (see /etc/apt/sources.list.d)",
            id="no candidate",
        ),
        pytest.param(
            "dpkg: error processing archive x.deb (--unpack):\n cannot write: No space left on device\n",
            "the server's disk is full",
            id="disk full",
        ),
        pytest.param(
            "E: You don't have enough free space in /var/cache/apt/archives/.\n",
            "the server's disk is full",
            id="no room",
        ),
        pytest.param(
            "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)\n",
            "another apt has been at work for 5 minutes (ps -C apt-get,unattended-upgr)",
            id="locked",
        ),
        pytest.param("noise\nE: Broken packages\n", "E: Broken packages", id="anything else of apt's"),
        pytest.param("", "apt-get failed for a", id="silence"),
    ],
)
def test_reason(text, expected):
    assert apt.reason(text, ["a"]) == expected
