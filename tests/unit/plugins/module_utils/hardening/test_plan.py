# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.hardening.plan import PlanError, plan

ALGORITHMS = {
    "kex": ["curve25519-sha256", "mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com", "ecdh-sha2-nistp256"],
    "cipher": ["aes256-ctr", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "3des-cbc"],
    "mac": ["hmac-sha1", "hmac-sha2-256-etm@openssh.com"],
    "HostKeyAlgorithms": ["ssh-ed25519", "ssh-rsa"],
}
FACTS = {
    "algorithms": ALGORITHMS, "keywords": [], "user": "admin", "container": False, "router_advertisements": False,
    "time_daemon": "", "tmp_mount": True,
}  # fmt: skip


def made(facts=None, **options):
    return plan({**FACTS, **(facts or {})}, {"profile": "baseline", "today": "2026-11-21", **options})


def state(result, name):
    return next((c["state"], c["why"]) for c in result["controls"] if c["id"] == name)


@pytest.mark.parametrize(
    ("facts", "options", "name", "expected"),
    [
        pytest.param({}, {}, "ssh-root", ("on", ""), id="in the profile"),
        pytest.param({}, {}, "ssh-post-quantum", ("not applicable", "not in profile baseline: strict"), id="not in it"),
        pytest.param({}, {"profile": "strict"}, "ssh-post-quantum", ("on", ""), id="in the other one"),
        pytest.param(
            {}, {"profile": "strict"}, "ssh-no-forwarding", ("not applicable", "not in profile strict: on request"),
            id="on request",
        ),
        pytest.param({}, {"controls": {"ssh-no-forwarding": True}}, "ssh-no-forwarding", ("on", ""), id="requested"),
        pytest.param(
            {}, {"controls": {"ssh-root": False}}, "ssh-root",
            ("not applicable", "switched off in hardening_controls"), id="switched off",
        ),
        pytest.param(
            {}, {"waivers": [{"control": "ssh-root", "reason": "so", "until": "2026-11-21"}]}, "ssh-root",
            ("waived", "until 2026-11-21: so"), id="waived, to the last day",
        ),
        pytest.param(
            {}, {"waivers": [{"control": "ssh-root", "reason": "so", "until": "2026-11-20"}]}, "ssh-root", ("on", ""),
            id="a waiver that has ended",
        ),
        pytest.param(
            {"container": True}, {"profile": "strict"}, "logs-audit",
            ("not applicable", "the kernel belongs to the machine under the container"), id="a container",
        ),
        pytest.param(
            {"algorithms": {**ALGORITHMS, "kex": ["curve25519-sha256"]}}, {"profile": "strict"}, "ssh-post-quantum",
            ("not applicable", "OpenSSH is older than 9.9"), id="an old OpenSSH",
        ),
        pytest.param(
            {"time_daemon": "chronyd"}, {}, "services-time", ("not applicable", "another time daemon keeps the clock"),
            id="another time daemon",
        ),
        pytest.param(
            {"time_daemon": "chronyd"}, {"controls": {"services-time": True}}, "services-time",
            ("not applicable", "another time daemon keeps the clock"), id="switched on where it does not apply",
        ),
    ],
)  # fmt: skip
def test_state(facts, options, name, expected):
    assert state(made(facts, **options), name) == expected


@pytest.mark.parametrize(
    ("options", "errors"),
    [
        pytest.param(
            {"controls": {"ssh-rooot": False, "ssh-root": "no"}},
            ["hardening_controls.ssh-rooot: there is no control", "hardening_controls.ssh-root: 'no' is neither"],
            id="switches",
        ),
        pytest.param(
            {"waivers": [{"control": "none-such", "reason": "", "until": "tomorrow"}]},
            ["hardening_waivers[0].control: there is no control 'none-such' (docs/hardening.md lists them)",
             "hardening_waivers[0].reason: is missing", "hardening_waivers[0].until: 'tomorrow' is not a day (try"],
            id="a waiver, with all that is wrong",
        ),
        pytest.param(
            {"waivers": [{"control": "ssh-root", "reason": "so"}]}, ["hardening_waivers[0].until: '' is not a day"],
            id="a waiver without an end",
        ),
    ],
)  # fmt: skip
def test_errors(options, errors):
    with pytest.raises(PlanError) as caught:
        made(**options)
    assert len(caught.value.errors) == len(errors)
    for said, expected in zip(caught.value.errors, errors, strict=True):
        assert said.startswith(expected)


def test_an_ended_waiver_is_told():
    result = made(waivers=[{"control": "ssh-root", "reason": "so", "until": "2026-11-20"}])
    assert result["notes"] == ["The waiver of 'ssh-root' has ended on 2026-11-20: the control is in force again"]


@pytest.mark.parametrize(
    ("facts", "options", "expected"),
    [
        pytest.param(
            {}, {},
            {
                "KexAlgorithms": "mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com,curve25519-sha256",
                "MACs": "hmac-sha2-256-etm@openssh.com", "PermitRootLogin": "no",
            },
            id="algorithms that this OpenSSH has, in our order",
        ),
        pytest.param(
            {}, {"profile": "strict"},
            {
                "KexAlgorithms": "mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com",
                "Ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr",
            },
            id="the later control counts",
        ),
        pytest.param({"user": "root"}, {}, {"PermitRootLogin": "prohibit-password"}, id="root runs the role"),
        pytest.param(
            {}, {"ssh_options": {"PermitRootLogin": True, "AllowTcpForwarding": "no"}},
            {"PermitRootLogin": "yes", "AllowTcpForwarding": "no"}, id="the inventory counts most",
        ),
        pytest.param({}, {"ssh_users": ["a", "b"]}, {"AllowUsers": "a b"}, id="users"),
    ],
)  # fmt: skip
def test_sshd(facts, options, expected):
    result = made(facts, **options)["sshd"]
    assert {keyword: result[keyword] for keyword in expected} == expected


def test_keywords_that_this_openssh_has_not_are_left_out():
    known = {"keywords": ["permitrootlogin", "maxauthtries"]}
    result = made(known, ssh_users=["a"], ssh_options={"denyusers": "b", "maxauthtries": 3})["sshd"]
    assert "GSSAPIAuthentication" not in result
    assert "MaxAuthTries" not in result
    assert (result["denyusers"], result["maxauthtries"]) == ("b", "3"), "what the inventory says is not"
    assert result["AllowUsers"] == "a"


def test_what_is_off_is_neither_set_nor_looked_at():
    off = dict.fromkeys(("bans-ssh", "bans-nginx", "bans-recidive"), False)
    result = made(controls=off, sysctl={"vm.swappiness": 1})
    assert "fail2ban" not in result["packages"]
    assert "fail2ban" not in [unit["name"] for unit in result["units"]]
    assert result["sysctl"]["vm.swappiness"] == 1
    assert set(next(c for c in result["controls"] if c["id"] == "bans-ssh")) == {"id", "title", "state", "why"}


@pytest.mark.parametrize(
    ("daemon", "line"),
    [
        pytest.param("rsyslogd", "ForwardToSyslog=yes", id="auth.log is written from the journal"),
        pytest.param("", "ForwardToSyslog=no", id="nobody wants it"),
    ],
)
def test_a_syslog_daemon_gets_its_logs(daemon, line):
    result = made({"syslog_daemon": daemon})
    assert line in [edit["line"] for edit in result["edits"]]
    (control,) = [c for c in result["controls"] if c["id"] == "logs-journal"]
    assert line in [edit["line"] for edit in control["edits"]]


def test_the_banner_is_the_inventorys():
    edits = made(banner="Keep out.")["edits"]
    assert {edit["line"] for edit in edits if edit["path"].startswith("/etc/issue")} == {"Keep out."}
