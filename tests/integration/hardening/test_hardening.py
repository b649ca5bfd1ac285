# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict profile on a server with containers and nginx: what it keeps out, and what goes on. Needs the bed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.outside import ROOT, STATE, address, bed, run

HERE = Path(__file__).parent
NAME = "hardening-strict"
SSH_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
STRICT: dict[str, Any] = {"hardening_profile": "strict", "hardening_ssh_users": ["admin"]}


class Machine:
    """A container on the bed's network."""

    def __init__(self, name: str) -> None:
        self.name = name

    def shell(self, command: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, "bash"], input=command, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()


class Server(Machine):
    """The server, as its operator reaches it."""

    @property
    def address(self) -> str:
        return address(self.name)

    def ansible(self, program: str, *words: str, check: bool = True, **variables: Any) -> str:
        done = run(
            str(ROOT / ".venv/bin" / program), *words, "-i", f"{self.address},",
            "-e", json.dumps({
                "ansible_user": "admin", "ansible_ssh_private_key_file": str(STATE / "id_ed25519"),
                "ansible_ssh_common_args": SSH_OPTIONS, **variables,
            }),
            check=check,
        )  # fmt: skip
        assert check or done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def play(self, *options: str, check: bool = True, **variables: Any) -> str:
        # Whoever looks so often would run into the limit of new connections.
        allowed = {"hardening_ssh_allowed_sources": [self.operator()]}
        playbook = variables.pop("playbook", str(HERE / "server.yml"))
        return self.ansible("ansible-playbook", playbook, *options, check=check, **STRICT | allowed | variables)

    def report(self, **variables: Any) -> dict[str, dict[str, str]]:
        """The report's entries by control."""
        output = self.play("-v", playbook=str(ROOT / "playbooks/hardening.yml"), **variables)
        entries = yaml.safe_load(
            output[output.index("    counts:") : output.index("\n\n", output.index("    counts:"))]
        )
        return {entry["id"]: entry for entry in entries["entries"]}

    def login(self, user: str = "admin") -> str:
        """What ``id`` says over a new connection; or how SSH refuses."""
        key = ["-i", str(STATE / "id_ed25519"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        done = run("ssh", *SSH_OPTIONS.split(), *key, f"{user}@{self.address}", "id -un", check=False)
        return (done.stdout + done.stderr).strip()

    def operator(self) -> str:
        """The address that the server sees its operator come from."""
        return self.shell("ip route | grep -oP 'default via \\K\\S+'")


def changed(output: str) -> int:
    return int(re.findall(r"changed=(\d+)", output)[-1])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    bed("server", "down", NAME)
    bed("server", "up", NAME)
    yield Server(NAME)
    bed("server", "down", NAME)


def test_check_mode_on_a_bare_server(server: Server) -> None:
    output = server.play("--check", "--diff")
    assert "failed=0" in output
    left = (
        "/etc/ufw/ufw.conf /etc/fail2ban /var/lib/mainstay /etc/mainstay /etc/modprobe.d/mainstay* /etc/sudoers.d/00*"
    )
    assert server.shell(f"ls -d {left} 2>/dev/null; true") == ""


def test_first_and_second_run(server: Server) -> None:
    first = server.play("-v")
    assert "proven: true" in first
    assert changed(server.play()) == 0
    assert changed(server.play("--check", "--diff")) == 0


def test_every_control_holds(server: Server) -> None:
    entries = server.report()
    assert {name: e["why"] for name, e in entries.items() if e["state"] == "failed"} == {}
    assert sum(e["state"] == "passed" for e in entries.values()) > 40
    assert entries["logs-audit"]["why"] == "the kernel belongs to the machine under the container"
    assert entries["ssh-no-forwarding"]["why"] == "not in profile strict: on request"


def test_the_report_sees_what_is_not_so(server: Server) -> None:
    server.shell(
        "echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects; chmod 0666 /etc/crontab; "
        "echo 'Defaults !use_pty' > /etc/sudoers.d/00-mainstay; fail2ban-client stop recidive"
    )
    entries = server.report()
    failed = {name: e["why"] for name, e in entries.items() if e["state"] == "failed"}
    assert set(failed) == {"net-redirects", "cron-files", "accounts-sudo", "bans-recidive"}
    assert failed["net-redirects"] == "net.ipv4.conf.all.accept_redirects is 1"
    assert failed["cron-files"] == "/etc/crontab has mode 0666 of user 0"
    assert failed["accounts-sudo"] == "/etc/sudoers.d/00-mainstay was changed"
    server.shell("fail2ban-client reload")
    assert changed(server.play()) > 0
    assert [e["id"] for e in server.report().values() if e["state"] == "failed"] == []


def test_waivers(server: Server) -> None:
    waiver = {"control": "accounts-su", "reason": "the old deploy tool needs su", "until": "2999-01-01"}
    before = server.shell("cat /etc/pam.d/su")
    server.play(hardening_waivers=[waiver])
    assert "group=sugroup" not in server.shell("grep -v '^#' /etc/pam.d/su; getent group sugroup; true")
    assert server.report(hardening_waivers=[waiver])["accounts-su"] == {
        "id": "accounts-su", "title": "su is for root", "state": "waived",
        "why": "until 2999-01-01: the old deploy tool needs su",
    }  # fmt: skip
    ended = server.play(hardening_waivers=[{**waiver, "until": "2020-01-01"}])
    assert "The waiver of 'accounts-su' has ended on 2020-01-01: the control is in force again" in ended
    assert server.shell("cat /etc/pam.d/su") == before


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "controls that are none": (
        {"hardening_controls": {"ssh-rooot": False, "kernel-ptrace": "maybe"}},
        [
            "hardening_controls.ssh-rooot: there is no control of this name (there are: ssh-keys-only, ssh-root,",
            "hardening_controls.kernel-ptrace: 'maybe' is neither true nor false",
        ],
    ),
    "a waiver without an end": (
        {"hardening_waivers": [{"control": "ssh-root", "reason": " ", "until": "soon"}]},
        ["hardening_waivers[0].reason: is missing", "hardening_waivers[0].until: 'soon' is not a day (try '"],
    ),
    "the operator is none of the users": (
        {"hardening_ssh_users": ["deploy"]},
        ["hardening_ssh_users: you are connected as 'admin', who is not among deploy"],
    ),
    "the operator is not on the allow-list": (
        {"hardening_ssh_allowed_sources": ["203.0.113.0/24"]},
        ["which is in none of 203.0.113.0/24"],
    ),
    "a setting that sshd does not take": (
        {"hardening_ssh_options": {"Ciphers": "rot13"}},
        ["/etc/ssh/sshd_config: refused by sshd -t", "Nothing was changed"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(server: Server, name: str) -> None:
    variables, messages = WRONG[name]
    output = re.sub(r"\s+", " ", server.play(check=False, **variables))
    for message in messages:
        assert message in output
    assert server.login() == "admin"
    assert changed(server.play("--check")) == 0


def test_a_lock_out_is_undone(server: Server) -> None:
    """Nothing forbids this setting and sshd takes it, but with it no new connection comes in."""
    before = server.shell("sha256sum /etc/ssh/sshd_config; ufw status")
    output = server.play(check=False, hardening_ssh_options={"DenyUsers": "admin"})
    assert "you would not come in any more; all was put back as it was" in re.sub(r"\s+", " ", output)
    assert server.login() == "admin"
    assert server.shell("sha256sum /etc/ssh/sshd_config; ufw status") == before
    assert changed(server.play()) == 0
