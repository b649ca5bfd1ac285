# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config_tree as a task, on a server of its own. Needs the test bed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.outside import bed

from .test_edge import Server, changed

SECRET = "planted" + secrets.token_urlsafe(24)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    bed("server", "up", "edge-tree")
    yield Server("edge-tree")
    bed("server", "down", "edge-tree")


def settle(server: Server, *options: str, check: bool = True, **variables: Any) -> str:
    return server.play("tree.yml", *options, check=check, secret=SECRET, **variables)


def test_check_mode_says_what_a_run_does(server: Server) -> None:
    foretold = settle(server, "--check", "--diff")
    assert server.shell("ls /etc/edge-test /var/lib/mainstay 2>&1 || true").count("cannot access") == 2
    assert settle(server, "--diff") == foretold
    assert "+number 2 says hello" in foretold
    assert "/etc/edge-test/key: content is created, not shown because it is secret" in foretold


def test_what_is_there(server: Server) -> None:
    assert server.shell("cat /etc/edge-test/first") == "# Ansible managed\nnumber 1 says hello\n"
    assert server.shell("cd /etc/edge-test; stat -c '%n %U %a' deep/two.conf key deep").splitlines() == [
        "deep/two.conf www-data 640",
        "key root 600",
        "deep root 755",
    ]
    assert changed(settle(server)) == 0
    assert changed(settle(server, "--check", "--diff")) == 0


def test_a_secret_stays_one(server: Server) -> None:
    output = settle(server, "-vvv", "--diff", files=[{"content": "{{ secret }}!", "dest": "key", "secret": True}])
    assert "/etc/edge-test/key: content changes, not shown because it is secret" in output
    assert SECRET not in output
    holders = server.shell(f"grep -rlF -e {SECRET} /etc /var /tmp /root /home 2>/dev/null || true")
    assert holders.split() == ["/etc/edge-test/key"]
    settle(server)


def test_stale_files_go_unless_somebody_changed_them(server: Server) -> None:
    server.shell("echo mine >>/etc/edge-test/deep/two.conf; echo theirs >/etc/edge-test/theirs")
    output = settle(server, files=[{"content": "x", "dest": "one.conf"}])
    assert server.shell("cd /etc/edge-test; find . -type f -o -type l | sort").split() == [
        "./deep/two.conf",
        "./one.conf",
        "./theirs",
    ]
    assert "/etc/edge-test/deep/two.conf: kept" in " ".join(output.split())


REFUSED = {
    "unknown variable": (
        {"files": [{"src": "page.j2", "dest": "a"}, {"src": "nope.j2", "dest": "b"}]},
        "files[1] 'b': src: Could not find or access 'nope.j2'",
    ),
    "undefined in a template": (
        {"files": [{"src": "page.j2", "dest": "a"}]},
        "files[0] 'a': template page.j2: 'number' is undefined",
    ),
    "missing user": (
        {"files": [{"content": "x", "dest": "a", "owner": "nobody-here"}]},
        "/etc/edge-test/a: user 'nobody-here' does not exist on this server; create it first",
    ),
    "validator of a file": (
        {"files": [{"content": "x", "dest": "a", "validate": "grep -H y %s /nope"}]},
        "/etc/edge-test/a: refused by `grep -H y /etc/edge-test/a /nope` (exit code 2)",
    ),
    "validator of the tree": (
        {"files": [{"content": "x", "dest": "a"}], "validate": "ls %s/nope"},
        "ls: cannot access '/etc/edge-test/nope'",
    ),
    "missing validator": (
        {"files": [{"content": "x", "dest": "a"}], "validate": "no-such-program %s"},
        "no-such-program, which validates /etc/edge-test, is not installed",
    ),
}


@pytest.mark.parametrize(("variables", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(server: Server, variables: dict[str, Any], message: str) -> None:
    before = server.shell("find /etc/edge-test /var/lib/mainstay -type f -exec sha256sum {} + | sort")
    output = settle(server, check=False, **variables)
    assert message in output
    assert "/.ansible/tmp/" not in output
    assert server.shell("find /etc/edge-test /var/lib/mainstay -type f -exec sha256sum {} + | sort") == before


def test_a_full_disk_loses_nothing(server: Server) -> None:
    server.shell(
        "mkdir /etc/edge-small && mount -t tmpfs -o size=64k tmpfs /etc/edge-small && echo old >/etc/edge-small/a"
    )
    files = [
        {"content": "new", "dest": "/etc/edge-small/a"},
        {"content": "x" * 100_000, "dest": "/etc/edge-small/b"},
    ]
    output = settle(server, check=False, files=files)
    assert "No space left on device" in output
    assert server.shell("cd /etc/edge-small; grep -r . .") == "./a:old\n"
    server.shell("umount /etc/edge-small")


def test_absent(server: Server) -> None:
    settle(server, state="absent")
    assert server.shell("cd /etc/edge-test; find . -type f | sort").split() == ["./deep/two.conf", "./theirs"]
    assert changed(settle(server, state="absent")) == 0
