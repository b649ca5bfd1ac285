# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hardening_system puts in force at once: rules of the kernel's audit, options of mounts."""

from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.mainstay.platform.plugins.modules import hardening_system

RULE, OTHER = "-w /etc/ssh -p wa -k ssh", "-w /etc/pam.d -p wa -k pam"


class Server:
    """A server with an audit of its own and one mount, seen through the module's commands."""

    def __init__(self, rules=(), refuses="", options="rw,nosuid", **params):
        self.params = {"audit_rules": [], "mounts": [], **params}
        self.check_mode = False
        self.rules, self.refuses, self.options = list(rules), refuses, options
        self.changes, self.warnings = [], []

    def get_bin_path(self, name, opt_dirs=()):
        return name

    def warn(self, message):
        self.warnings.append(message)

    def fail_json(self, msg):
        raise AssertionError(msg)

    def run_command(self, command, environ_update=None):
        if command == ["auditctl", "-l"]:
            return (1, "", "Operation not permitted") if self.refuses == "all" else (0, "\n".join(self.rules), "")
        if command[0] == "findmnt":
            return (0, f"{self.options}\n", "") if self.options else (1, "", "")
        self.changes.append(" ".join(command))
        if self.refuses:
            return (1, "", "permission denied") if command[0] == "mount" else (0, "immutable mode", "")
        if command[0] == "augenrules":
            paths = self.params["audit_rules"]
            self.rules = [line for path in paths for line in path.read_text().splitlines()]
        return 0, "", ""


LOAD = ["augenrules --load"]
AUDIT = [
    pytest.param([RULE], [], [], "", LOAD, True, "", id="a new file"),
    pytest.param([RULE], [RULE], [RULE], "", [], False, "", id="all there"),
    pytest.param([RULE], [], [RULE], "", LOAD, False, "", id="there since the start"),
    pytest.param([RULE], [RULE], [], "", LOAD, True, "", id="somebody has taken them out of the kernel"),
    pytest.param([RULE], [RULE, OTHER], [RULE, OTHER], "", LOAD, True, "", id="a rule less"),
    pytest.param([], [RULE], [RULE], "", LOAD, True, "", id="the control is off"),
    pytest.param([], [], [OTHER], "", [], False, "", id="never on: the operator's own stay"),
    pytest.param([RULE], [], [], "new", LOAD, False, "no new audit rules before the next start", id="immutable"),
    pytest.param([RULE], [], [], "all", [], False, "takes no audit rules", id="a kernel without"),
]


@pytest.mark.parametrize(("wanted", "loaded", "there", "refuses", "commands", "changes", "warning"), AUDIT)
def test_audit(tmp_path, wanted, loaded, there, refuses, commands, changes, warning):
    file = tmp_path / "90.rules"
    file.write_text("\n".join(wanted))
    server = Server(there, refuses, audit_rules=[file] if wanted else [])
    known = {"audit": loaded}
    assert bool(hardening_system.settle_audit(server, known)) is changes
    assert server.changes == commands
    assert known["audit"] == wanted
    assert [warning in said for said in server.warnings] == [True] * bool(warning)


MOUNTS = [
    pytest.param("rw,nosuid", "", ["mount -o remount,noexec /dev/shm"], True, "", id="without the option"),
    pytest.param("rw,noexec", "", [], False, "", id="with it"),
    pytest.param("", "", [], False, "", id="not mounted"),
    pytest.param(
        "rw", "all", ["mount -o remount,noexec /dev/shm"], False, "is from the next start on: permission denied",
        id="the engine's, in a container",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "refuses", "commands", "changes", "warning"), MOUNTS)
def test_mounts(options, refuses, commands, changes, warning):
    server = Server((), refuses, options, mounts=[{"path": "/dev/shm", "option": "noexec"}])
    assert bool(hardening_system.settle_mounts(server)) is changes
    assert server.changes == commands
    assert [warning in said for said in server.warnings] == [True] * bool(warning)


@pytest.mark.parametrize(
    ("uid", "home", "settled"),
    [
        pytest.param(os.getuid(), "mine", True, id="its own"),
        pytest.param(os.getuid() + 1, "mine", False, id="of another: a program's is often /"),
        pytest.param(os.getuid(), "gone", False, id="none"),
    ],
)
def test_homes(tmp_path, monkeypatch, uid, home, settled):
    (tmp_path / "mine").mkdir()
    entry = pwd.struct_passwd(("user", "x", uid, uid, "", str(tmp_path / home), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry])
    monkeypatch.setattr(hardening_system, "FIRST_USER", 0)
    server = Server(modes=[{"path": "{home}", "mode": "0750", "owner": None, "group": None}])
    assert hardening_system.places(server) == ({str(tmp_path / home): (0o750, None, None)} if settled else {})
