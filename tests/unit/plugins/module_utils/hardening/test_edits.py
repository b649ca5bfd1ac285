# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import edits
from ansible_collections.mainstay.platform.plugins.module_utils.hardening.controls import BY_ID

PAM = "# auth\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\t\t\tpam_deny.so\n"
ACCOUNT = "account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so\naccount\trequisite\tpam_deny.so\n"
UNIX = r"auth\s+\S+(?: \S+\])?\s+pam_unix\.so"


def edit(match, line):
    return {"path": "/etc/x", "match": match, "line": line}


CASES = [
    pytest.param("A 1\nUMASK 022\nB 2\n", edit(r"UMASK\s", "UMASK 027"), "A 1\nUMASK 027\nB 2\n", id="in its place"),
    pytest.param("A 1\n", edit(r"UMASK\s", "UMASK 027"), "A 1\nUMASK 027\n", id="at the end"),
    pytest.param("A 1", edit(r"UMASK\s", "UMASK 027"), "A 1\nUMASK 027\n", id="at the end, without a line's end"),
    pytest.param(
        "[Journal]\n#Storage=auto\n[Other]\n", edit("Storage=", "Storage=persistent"),
        "[Journal]\n#Storage=auto\nStorage=persistent\n[Other]\n", id="after its comment, in the right section",
    ),
    pytest.param("X=1\ny\nX=2\n", edit("X=", "X=3"), "X=3\ny\n", id="once, where it was twice"),
    pytest.param("X=3\n", edit("X=", "X=3"), "X=3\n", id="as it is"),
    pytest.param("unlock_time = 1\n", edit(r"root_unlock_time\s*=", "root_unlock_time = 9"),
                 "unlock_time = 1\nroot_unlock_time = 9\n", id="no other name's end"),
    pytest.param(PAM, edit(UNIX, "-nullok"), PAM.replace(" nullok", ""), id="a word away"),
    pytest.param(PAM, edit(UNIX, "+rounds=11"), PAM.replace("nullok", "nullok rounds=11"), id="a word more"),
    *(
        pytest.param(ACCOUNT, asdict(change), ACCOUNT.replace("unix.so", "unix.so no_pass_expiry"), id="of accounts")
        for change in BY_ID["accounts-passwords"].edits if change.path == "/etc/pam.d/common-account"
    ),
    pytest.param("Debian 13 \\n \\l\n\n", edit("", "Keep out."), "Keep out.\n", id="the whole file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "change", "expected"), CASES)
def test_apply(text, change, expected):
    assert edits.apply(text, change) == expected
    assert edits.apply(expected, change) == expected


REVERSIBLE = [case for case in CASES if case.id != "once, where it was twice"]


@pytest.mark.parametrize(("text", "change", "expected"), REVERSIBLE)
def test_undo(text, change, expected):
    back = edits.undo(expected, change, text)
    assert back == (text if text.endswith("\n") else text + "\n")


def test_undo_leaves_what_others_have_changed_since():
    original, change = "A 1\nUMASK 022\n", edit(r"UMASK\s", "UMASK 027")
    assert edits.undo("A 2\nUMASK 027\nB 3\n", change, original) == "A 2\nUMASK 022\nB 3\n"
    assert edits.undo("A 2\nUMASK 077\n", change, original) == "A 2\nUMASK 077\n"
