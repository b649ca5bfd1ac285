# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the kernel's audit: their form, and whether the kernel has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import audit

RULES = (Path(__file__).parents[5] / "roles/hardening/templates/audit.rules.j2").read_text()
WATCH = re.compile(r"-w /\S+ -p [rwxa]{1,4} -k [a-z_]{1,31}")
FIELD = r"(?:-F (?:arch=b64|auid>=1000|auid!=unset)|-C [a-z]+!=[a-z]+|-S [a-z0-9_]+(?:,[a-z0-9_]+)*)"
SYSCALL = re.compile(rf"-a always,exit -F arch=b64(?: {FIELD})+ -k [a-z_]{{1,31}}")
# Each is in the tables of x86-64 and of arm64; auditctl stops at a name that it does not know, with all that follow.
SYSCALLS = {
    "adjtimex", "settimeofday", "clock_settime", "sethostname", "setdomainname", "init_module", "finit_module",
    "delete_module", "execve", "mount",
}  # fmt: skip


@pytest.mark.parametrize("line", [row for row in RULES.splitlines() if not row.startswith("#")])
def test_each_line_is_a_rule_that_auditctl_takes(line):
    assert WATCH.fullmatch(line) or SYSCALL.fullmatch(line)
    assert {name for names in re.findall(r"-S (\S+)", line) for name in names.split(",")} <= SYSCALLS


def test_no_rule_is_there_twice():
    assert len(set(audit.rules(RULES))) == len(audit.rules(RULES)) == len(RULES.splitlines()) - 1


# As auditctl lists them (src/auditctl-listing.c of audit-userspace).
GIVEN_BACK = [
    pytest.param("-w /etc/passwd -p wa -k identity", "-w /etc/passwd -p wa -k identity", True, id="as it was"),
    pytest.param("-w /etc/ssh -p aw -k ssh", "-w /etc/ssh/ -p wa -k ssh", True, id="a directory"),
    pytest.param(
        "-a always,exit -F arch=b64 -S settimeofday,adjtimex -k time",
        "-a always,exit -F arch=b64 -S adjtimex,settimeofday -F key=time", True, id="calls in the kernel's order",
    ),
    pytest.param(
        "-a always,exit -F arch=b64 -S mount -F auid>=1000 -F auid!=unset -k mounts",
        "-a always,exit -F arch=x86_64 -S mount -F auid>=1000 -F auid!=-1 -F key=mounts", True,
        id="nobody as a number, an older auditctl",
    ),
    pytest.param(
        "-a always,exit -F arch=b64 -C euid!=uid -F auid!=unset -S execve -k as_another",
        "-a always,exit -F arch=b64 -S execve -C uid!=euid -F auid!=-1 -F key=as_another", True,
        id="a comparison turned round",
    ),
    pytest.param("-w /etc/ssh -p wa -k ssh", "No rules\n", False, id="none"),
    pytest.param("-w /etc/ssh -p wa -k ssh", "-w /etc/ssh -p w -k ssh", False, id="another permission"),
    pytest.param("-w /etc/ssh -p wa -k ssh", "-w /etc/sshd -p wa -k ssh", False, id="another path"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "listed", "there"), GIVEN_BACK)
def test_missing(rule, listed, there):
    assert audit.missing(f"# a comment\n-b 8192\n{rule}\n", listed) == ([] if there else [rule])
