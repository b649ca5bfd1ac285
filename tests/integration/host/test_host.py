# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles hardening and monitoring on a server of their own, in the order of its life. Needs the test bed."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus

from testbed.outside import ROOT, STATE, Machine, Server, answers, bed, recap, run, wait_for

HERE = Path(__file__).parent
SECRET = secrets.token_urlsafe(24)
SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter", "prometheus-node-exporter")


class Watched(Server):
    """A test server with the roles of this test, and its Prometheus."""

    def converge(self, *options: str, check: bool = True, **variables: Any) -> str:
        return self.play(HERE / "host.yml", *options, check=check, **variables)

    def harden(self, *options: str, check: bool = True, **variables: Any) -> str:
        return self.converge("--tags", "hardening", *options, check=check, **variables)

    def login(self, user: str) -> str:
        """What ``id`` says to the operator, who has a key, as a user; or how SSH refuses."""
        command = [*SSH, "-i", str(STATE / "id_ed25519"), "-o", "BatchMode=yes", f"{user}@{self.address}", "id -un"]
        done = run(*command, check=False)
        return (done.stdout + done.stderr).strip()

    def address_of_operator(self) -> str:
        """The address that the server sees its operator come from."""
        return self.shell("ip route | grep -oP 'default via \\K\\S+'")

    def prometheus(self, path: str) -> Any:
        return json.loads(self.shell(f"curl -sS --fail '127.0.0.1:9090/api/v1/{path}'"))["data"]

    def query(self, expression: str) -> dict[str, float]:
        """Values by instance."""
        found = self.prometheus(f"query?query={quote(expression)}")["result"]
        return {series["metric"].get("instance", ""): float(series["value"][1]) for series in found}


def changed(output: str) -> int:
    return recap(output)["changed"]


# What depends on the versions of programs is tried with both; what is our own logic with one.
both = pytest.mark.parametrize("server", ["trixie", "bookworm"], indirect=True, scope="module")
one = pytest.mark.parametrize("server", ["trixie"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Watched]:
    name = f"host-{request.param}"
    bed("server", "down", name)
    bed("server", "up", name, "--release", request.param)
    server = Watched(name, host_secret=SECRET)
    server.shell("mkdir -p /root/.ssh && cp /home/admin/.ssh/authorized_keys /root/.ssh/ && chmod 600 /root/.ssh/*")
    server.shell("cat > /root/site.py", (HERE / "site.py").read_text())
    yield server
    bed("server", "down", name)


@pytest.fixture(scope="module")
def stranger(server: Watched) -> Iterator[Machine]:
    """Another machine on the same network."""
    name = f"{server.name}-stranger"
    run("docker", "rm", "--force", name)
    image = run("docker", "inspect", "-f", "{{.Config.Image}}", server.name).stdout.strip()
    network = run(
        "docker", "inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", server.name
    ).stdout.strip()
    run("docker", "run", "--detach", "--rm", "--name", name, "--network", network, image, "sleep", "infinity")
    yield Machine(name)
    run("docker", "rm", "--force", name)


def guess(machine: Machine, target: str, user: str) -> str:
    """Try to log in by password; SSH's answer says what the server would have taken instead."""
    return machine.shell(
        " ".join([*SSH, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", f"{user}@{target}", "id", "2>&1"]), check=False
    )


@both
def test_check_mode_on_a_bare_server(server: Watched) -> None:
    output = server.converge("--check", "--diff")
    assert "failed=0" in output
    assert SECRET not in output
    left = "/etc/ufw/ufw.conf /etc/fail2ban /etc/prometheus /var/lib/mainstay /etc/ssh/sshd_config.d/00*"
    assert server.shell(f"ls -d {left} 2>/dev/null; true") == ""


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the operator is not on the allow-list": (
        {"hardening_ssh_allowed_sources": ["203.0.113.0/24"]},
        "which is in none of 203.0.113.0/24: add it, or connect from an address that is in the list",
    ),
    "an allow-list that is none": (
        {"hardening_ssh_allowed_sources": ["office"]},
        "hardening_ssh_allowed_sources[0]: 'office' is not an address or network",
    ),
    "root, who is connected, would be forbidden": (
        {"ansible_user": "root", "hardening_ssh_options": {"PermitRootLogin": False}},
        "hardening_ssh_options.PermitRootLogin: 'false' would lock out root",
    ),
    "a receiver without an address": (
        {
            "hardening_state": "absent",
            "monitoring_alert_receivers": [{"name": "a", "type": "email", "to": "a@b.example"}],
        },
        "monitoring_alert_receivers[0].smarthost: is missing, a receiver of type 'email' needs it",
    ),
}


@one
@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_changes(server: Watched, name: str) -> None:
    variables, message = REFUSED[name]
    output = server.converge(check=False, **variables)
    assert message in output
    assert changed(output) == 0


@one
def test_refused_without_a_key(server: Watched) -> None:
    """Somebody who came in by another way than a key of his own would not come back."""
    server.shell("useradd -m guest && echo 'guest ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/guest")
    server.shell("cp -r /home/admin/.ssh /home/guest/ && chown -R guest: /home/guest/.ssh")
    # A connection that stands, whose key is then taken away under it.
    control = f"/tmp/{server.name}"
    shared = ["-o", f"ControlPath={control}", *SSH[1:]]
    master = ["ssh", *shared, "-MNf", "-i", str(STATE / "id_ed25519"), f"guest@{server.address}"]
    subprocess.run(master, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.shell("echo '# none' > /home/guest/.ssh/authorized_keys")
    output = server.harden(check=False, ansible_user="guest", ansible_ssh_common_args=" ".join(shared))
    run("ssh", *shared, "-O", "exit", f"guest@{server.address}", check=False)
    server.shell("userdel -r guest 2>/dev/null; rm /etc/sudoers.d/guest")
    assert "user 'guest' has no key on the server: add one first (ssh-copy-id guest@" in output
    assert changed(output) == 0


@both
def test_first_and_second_run(server: Watched) -> None:
    server.shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=shop.example "
        "-addext subjectAltName=DNS:shop.example -keyout /root/host-test.key -out /etc/ssl/host-test.pem 2>&1"
    )
    server.shell("systemd-run --quiet --unit host-test-site python3 /root/site.py")
    first = server.converge("--diff", "-vvv")
    assert SECRET not in first
    assert (
        server.shell(f"grep -rlF {SECRET} /etc /var /tmp /root || true") == "/etc/prometheus/mainstay/alertmanager.yml"
    )
    assert server.shell("stat -c '%a %U %G' /etc/prometheus/mainstay/alertmanager.yml") == "640 root prometheus"
    assert changed(server.converge()) == 0
    assert changed(server.converge("--check", "--diff")) == 0
    # An alert waits for two minutes: test_somebody_is_told looks for it when others have passed the time.
    server.shell("systemd-run --unit host-test-fails false; true")


@both
def test_the_operator_comes_in_as_himself_alone(server: Watched) -> None:
    assert server.login("admin") == "admin"
    assert server.login("root").endswith("Permission denied (publickey).")


@both
@pytest.mark.parametrize("family", ["address", "ipv6"], ids=["IPv4", "IPv6"])
def test_the_third_failure_is_the_last_for_two_hours(server: Watched, stranger: Machine, family: str) -> None:
    target = getattr(server, family)
    before = server.shell("fail2ban-client get sshd banip").split()
    for attempt in (1, 2, 3):
        # "(publickey)" is all that the server offers: a password is never asked for.
        assert guess(stranger, target, "admin").endswith("Permission denied (publickey)."), f"attempt {attempt}"
        if attempt < 3:
            assert server.shell("fail2ban-client get sshd banip").split() == before
    ban = "fail2ban-client get sshd banip --with-time | tail -1"
    wait_for("the ban", lambda: len(server.shell("fail2ban-client get sshd banip").split()) > len(before), timeout=20)
    assert " + 7200 = " in server.shell(ban)
    assert "Connection refused" in guess(stranger, target, "admin")
    server.shell("fail2ban-client unban --all")


@both
def test_everything_is_closed_but_what_is_named(server: Watched, stranger: Machine) -> None:
    server.shell("systemd-run --quiet --unit host-test-open python3 -m http.server --bind :: 8080")
    server.shell("for i in $(seq 50); do curl -s localhost:8080 >/dev/null && exit 0; sleep 0.1; done; exit 1")
    listening = {int(port) for port in server.shell("ss -ltnH | grep -oP ':\\K\\d+(?= )'").split()}
    assert {22, 443, 8080, 9090} <= listening
    assert {port for port in listening if answers(server.address, port, timeout=1)} == {22}
    probe = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{}' && echo open || echo closed"
    for target in (server.address, server.ipv6):
        assert "open" in stranger.shell(probe.format(target, 22), check=False)
        assert "closed" in stranger.shell(probe.format(target, 8080), check=False)
    server.shell("systemctl stop host-test-open")


@one
def test_the_operator_is_never_banned(server: Watched) -> None:
    ignored = f"grep -c 'Ignore {server.address_of_operator()} ' /var/log/fail2ban.log"
    before = int(server.shell(ignored, check=False))
    for _each in range(4):
        server.login("root")
    wait_for("fail2ban to see it", lambda: int(server.shell(ignored, check=False)) >= before + 4, timeout=20)
    assert server.address_of_operator() not in server.shell("fail2ban-client get sshd banip")
    server.shell("echo / > /proc/net/xt_recent/DEFAULT")  # what ufw's limit has counted in the last 30 seconds
    assert server.login("admin") == "admin"


@one
def test_an_allow_list_shuts_everybody_else_out(server: Watched, stranger: Machine) -> None:
    server.shell("fail2ban-client unban --all")
    assert changed(server.harden(hardening_ssh_allowed_sources=[server.address_of_operator(), "2001:db8::/32"])) > 0
    for target in (server.address, server.ipv6):
        assert "denied" not in guess(stranger, target, "root")
    # No limit for those on the list: more than five at once.
    assert [server.login("admin") for _each in range(8)] == ["admin"] * 8
    assert changed(server.harden()) > 0
    assert guess(stranger, server.address, "root").endswith("Permission denied (publickey).")


@one
def test_forwarding_outlives_a_reload_of_all_settings(server: Watched) -> None:
    """Docker's containers live by it. (The bed keeps the machine's own settings out of the server's reach.)"""
    server.shell("sysctl --system")
    assert server.shell("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.log_martians").split() == ["1", "1"]
    server.shell("ufw reload")
    assert server.shell("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.log_martians").split() == ["1", "1"]
    server.shell("echo 0 > /proc/sys/net/ipv4/ip_forward")
    assert changed(server.harden()) == 1
    assert server.shell("sysctl -n net.ipv4.ip_forward") == "1"


@one
def test_rules_of_others_go_and_drift_comes_back(server: Watched) -> None:
    own = {"hardening_firewall_rules": [{"port": 8444}, {"port": 8445, "from": "192.0.2.0/24"}]}
    assert changed(server.harden(**own)) == 1
    for rule in ("80/tcp ", "443/tcp ", "8444/tcp ", "8445/tcp "):
        assert f"\n{rule}" in server.shell("ufw status verbose"), "the operator's beside the apps'"
    server.shell("ufw allow 8443/tcp && ufw delete allow 443/tcp && ufw default allow incoming")
    assert changed(server.harden("--check", "--diff")) == 1
    assert changed(server.harden()) == 1
    status = server.shell("ufw status verbose")
    assert not re.search("844[345]", status)
    assert "443/tcp" in status
    assert "deny (incoming)" in status


@both
def test_monitoring_listens_on_loopback_within_its_memory(server: Watched) -> None:
    listening = server.shell("ss -ltnH | awk '{print $4}'").split()
    for port in (9090, 9093, 9100, 9115):
        assert [a for a in listening if a.endswith(f":{port}")] == [f"127.0.0.1:{port}"]
    limits = server.shell(f"systemctl show -P MemoryMax {' '.join(PROGRAMS)} | grep .").split()
    assert [int(limit) // 2**20 for limit in limits] == [512, 128, 64, 64]


@both
@pytest.mark.parametrize("program", PROGRAMS)
def test_monitoring_runs_in_a_sandbox(server: Watched, program: str) -> None:
    said = server.shell(f"systemd-analyze security --no-pager {program}.service | tail -1")
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= 3.0


@both
def test_the_sandbox_hides_nothing_that_is_counted(server: Watched) -> None:
    """The node exporter has the same series, by names and labels, as one without a sandbox beside it."""
    command = server.shell("tr '\\0' '\\n' < /proc/$(pidof prometheus-node-exporter)/cmdline").splitlines()
    beside = shlex.join(word.replace(":9100", ":9101") for word in command)
    server.shell(f"systemd-run --quiet --unit host-test-free -p User=prometheus {beside}")

    def series(port: int) -> str:
        return server.shell(f"curl -sSf 127.0.0.1:{port}/metrics | grep -o '^node_.* ' | sort")

    wait_for("the same", lambda: series(9101) == series(9100), timeout=30)
    assert 'node_scrape_collector_success{collector="timex"} 1' in server.shell("curl -sSf 127.0.0.1:9100/metrics")
    server.shell("systemctl stop host-test-free")


@both
def test_targets_are_up_and_probes_verify(server: Watched) -> None:
    up = wait_for("all targets", lambda: [
        t for t in [server.prometheus("targets")["activeTargets"]] if {x["health"] for x in t} == {"up"}
    ], timeout=150)[0]  # fmt: skip
    assert {t["labels"]["job"] for t in up} == {
        "prometheus", "alertmanager", "node", "blackbox", "shop-api", "probe", "certificate",
    }  # fmt: skip
    assert {t["scrapeInterval"] for t in up if t["labels"]["job"] != "certificate"} == {"15s"}
    assert server.query("shop_orders_total") == {"host-test": 7}
    assert wait_for(
        "probes", lambda: server.query("probe_success") == {"https://shop.example/health": 1, "shop.example": 1}
    )
    days = server.query('(probe_ssl_earliest_cert_expiry{job="certificate"} - time()) / 86400')
    assert 9 < days["shop.example"] < 10
    assert server.query('node_systemd_unit_state{name="ssh.service", state="active"}') == {"host-test": 1}


@both
def test_a_metrics_file_is_read(server: Watched) -> None:
    path = "/var/lib/prometheus/node-exporter/mainstay_backups.prom"
    server.shell(f"echo 'mainstay_backup_last_success_timestamp_seconds{{backup=\"shop-db\"}} 1' > {path}")
    wait_for("the metric", lambda: server.query("mainstay_backup_last_success_timestamp_seconds") == {"host-test": 1})
    wait_for("the alert", lambda: [
        a for a in server.prometheus("alerts")["alerts"] if a["labels"]["alertname"] == "BackupTooOld"
    ])  # fmt: skip


@both
def test_rules(server: Watched) -> None:
    """Every alert fires when it should and is silent when it should be: promtool's own cases."""
    shop = {"app": "shop"}
    backups = [{"name": "shop-db", **shop, "max_age": 93600, "rpo": 21600}]
    targets = {"backups": backups, "recoveries": [{**shop, "rto": 900}]}
    server.shell("mkdir -p /root/rules && cp /etc/prometheus/mainstay/rules/mainstay.yml /root/rules/rules.yml")
    server.shell("cat > /root/rules/expected.yml", yaml.safe_dump(prometheus.expectations(targets)))
    server.shell("cat > /root/rules/cases.yml", (HERE / "rules_test.yml").read_text())
    assert "SUCCESS" in server.shell("promtool test rules /root/rules/cases.yml")


def test_every_rule_has_a_case() -> None:
    rules = yaml.safe_load((ROOT / "roles/monitoring/files/rules.yml").read_text())
    cases = (HERE / "rules_test.yml").read_text()
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    assert {alert for alert in alerts if alert not in cases} == set()


@both
def test_somebody_is_told(server: Watched) -> None:
    told = wait_for("the alert", lambda: re.search(
        r"^(.*) (\{.*host-test-fails\.service.*\})$", server.shell("cat /root/alerts.log", check=False), re.MULTILINE
    ), timeout=300, pause=3)  # fmt: skip
    assert told[1] == "Basic " + base64.b64encode(f"mainstay:{SECRET}".encode()).decode()
    message = json.loads(told[2])
    alert = next(a for a in message["alerts"] if a["labels"]["alertname"] == "UnitFailed")
    assert alert["labels"]["server"] == "host-test"
    assert alert["annotations"]["summary"] == "host-test-fails.service has failed"


@one
def test_a_bad_setting_changes_nothing(server: Watched) -> None:
    before = server.shell("cat /etc/ssh/sshd_config")
    output = server.harden(check=False, hardening_ssh_options={"MaxAuthTries": "three"})
    assert "/etc/ssh/sshd_config: refused by sshd -t" in output
    assert server.shell("cat /etc/ssh/sshd_config") == before


@one
def test_a_kernel_setting_that_the_kernel_refuses_is_told(server: Watched) -> None:
    output = server.harden(hardening_sysctl={"net.ipv4.conf.all.rp_filter": 7000000000000})
    assert "net.ipv4.conf.all.rp_filter (the kernel refuses '7000000000000': Invalid argument)" in output
    assert server.shell("sysctl -n net.ipv4.conf.all.rp_filter") == "1"
    assert changed(server.harden()) > 0


@both
def test_reboot(server: Watched) -> None:
    # On the list, so that waiting for the server does not run into the limit of new connections.
    allowed = [server.address_of_operator()]
    server.harden(hardening_ssh_allowed_sources=allowed)
    bed("server", "reboot", server.name)
    assert server.login("admin") == "admin"
    assert "Status: active" in server.shell("ufw status")
    server.shell("systemd-run --quiet --unit host-test-site python3 /root/site.py")
    for unit in ("fail2ban", "unattended-upgrades", *PROGRAMS):
        wait_for(unit, lambda unit=unit: server.shell(f"systemctl is-active {unit}", check=False) == "active")
    assert changed(server.converge(hardening_ssh_allowed_sources=allowed)) == 0


@both
def test_absent(server: Watched) -> None:
    for changes in (True, False):
        output = server.converge(hardening_state="absent", monitoring_state="absent")
        assert (changed(output) > 0) is changes
    left = "ls -d /etc/prometheus/mainstay /etc/ssh/sshd_config.d/00* /etc/sysctl.d/90-mainstay.conf 2>/dev/null; true"
    assert server.shell(left) == ""
    assert (
        server.shell("ss -ltnH | grep -c ':9[01][0-9][0-9]' || true") == "1"
    )  # the app's metrics, which are ours here
    assert server.login("admin") == "admin"
