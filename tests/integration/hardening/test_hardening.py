# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict profile on a server with containers and nginx: what it keeps out, and what goes on. Needs the bed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.outside import ROOT, STATE, Machine, Server, bed, recap, run, wait_for

HERE = Path(__file__).parent
NAME = "t-hard"
SSH_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
STRICT: dict[str, Any] = {"hardening_profile": "strict", "hardening_ssh_users": ["admin"]}


def reaches(machine: Machine, target: str, port: int) -> bool:
    """Whether a TCP connection from one machine to another comes about."""
    return "open" in machine.shell(
        f"timeout 3 bash -c 'exec 3<>/dev/tcp/{target}/{port}' && echo open || true", check=False
    )


class Strict(Server):
    """A server with the strict profile, as its operator reaches it."""

    def harden(self, *options: str, check: bool = True, **variables: Any) -> str:
        # Whoever looks so often would run into the limit of new connections.
        allowed = {"hardening_ssh_allowed_sources": [self.operator]}
        playbook = variables.pop("playbook", HERE / "server.yml")
        return self.play(playbook, *options, check=check, **STRICT | allowed | variables)

    def report(self, **variables: Any) -> dict[str, dict[str, str]]:
        """The report's entries by control."""
        output = self.harden("-v", playbook=ROOT / "playbooks/hardening.yml", **variables)
        entries = yaml.safe_load(
            output[output.index("    counts:") : output.index("\n\n", output.index("    counts:"))]
        )
        return {entry["id"]: entry for entry in entries["entries"]}

    def login(self, user: str = "admin") -> str:
        """What ``id`` says over a new connection; or how SSH refuses."""
        key = ["-i", str(STATE / "id_ed25519"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        done = run("ssh", *SSH_OPTIONS.split(), *key, f"{user}@{self.address}", "id -un", check=False)
        return (done.stdout + done.stderr).strip()

    @cached_property
    def operator(self) -> str:
        """The address that the server sees its operator come from."""
        return self.shell("ip route | grep -oP 'default via \\K\\S+'")

    def ways_in(self) -> str:
        """All that decides who comes in: files and what is in force."""
        return self.shell(
            "sha256sum /etc/ssh/sshd_config /etc/ufw/user.rules /etc/ufw/user6.rules /etc/sysctl.d/90-mainstay.conf "
            "/etc/mainstay/containers.nft; ufw status verbose; nft -s list table inet mainstay; "
            "sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter net.ipv4.ip_forward"
        )

    def access(self, **arguments: Any) -> list[str]:
        """The command by which a controller calls hardening_access without the checks of the role before it."""
        return [
            str(ROOT / ".venv/bin/ansible"), self.name, "-i", f"{self.name},", "-e", json.dumps(self.variables),
            "--become", "-m", "mainstay.platform.hardening_access", "-a", json.dumps(arguments),
        ]  # fmt: skip

    def box(self, name: str, network: str, command: str, *options: str) -> None:
        """Start a container of busybox."""
        self.shell(f"docker rm -f {name} >/dev/null 2>&1; docker run -d --name {name} --network {network} "
                   f"{' '.join(options)} box {command}")  # fmt: skip

    def from_box(self, name: str, target: str, port: int) -> bool:
        """Whether a container reaches a port."""
        return "open" in self.shell(
            f"docker exec {name} /busybox timeout 3 /busybox nc -w 2 {target} {port} </dev/null && echo open || true",
            check=False,
        )


def changed(output: str) -> int:
    return recap(output)["changed"]


def words(output: str) -> str:
    """Output without its line breaks."""
    return re.sub(r"\s+", " ", output)


# What the distribution's programs decide is tried with both; what is our own logic, or takes long, with one.
both = pytest.mark.parametrize("server", ["trixie", "bookworm"], indirect=True, scope="module")
one = pytest.mark.parametrize("server", ["trixie"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Strict]:
    bed("server", "down", NAME)
    bed("server", "up", NAME, "--release", request.param)
    # As in the bed's inventory, from its mirror: Debian 12 has Docker from there.
    key = hashlib.sha256((STATE / "docker-apt-key.asc").read_bytes()).hexdigest()
    docker = {"docker_apt_url": "http://packages.test/linux/debian", "docker_apt_key_checksum": f"sha256:{key}"}
    yield Strict(NAME, ansible_ssh_common_args=SSH_OPTIONS, **docker)
    bed("server", "down", NAME)


@contextmanager
def machine(server: Strict, name: str) -> Iterator[Machine]:
    """Another machine on the same network."""
    run("docker", "rm", "--force", name)
    shown = json.loads(run("docker", "inspect", server.name).stdout)[0]
    network = next(iter(shown["NetworkSettings"]["Networks"]))
    run(
        "docker", "run", "--detach", "--rm", "--name", name, "--network", network, "--cap-add", "NET_ADMIN",
        shown["Config"]["Image"], "sleep", "infinity",
    )  # fmt: skip
    yield Machine(name)
    run("docker", "rm", "--force", name)


@pytest.fixture(scope="module")
def stranger(server: Strict) -> Iterator[Machine]:
    """Who attacks."""
    with machine(server, f"{NAME}-stranger") as found:
        yield found


@pytest.fixture(scope="module")
def visitor(server: Strict) -> Iterator[Machine]:
    """Who means well."""
    with machine(server, f"{NAME}-visitor") as found:
        yield found


@pytest.fixture(scope="module")
def boxes(server: Strict) -> Strict:
    """Containers of two apps: one with a database in a network of its own, one that is in the hands of an attacker."""
    server.shell(
        "DEBIAN_FRONTEND=noninteractive apt-get -qy install busybox-static >/dev/null 2>&1; mkdir -p /tmp/box && "
        "cp /bin/busybox /tmp/box/busybox && "
        "tar -C /tmp/box -c . | docker import -c 'ENTRYPOINT [\"/busybox\"]' - box && "
        "docker network create --internal shop-data && docker network create shop-blue_default && "
        "docker network create --ipv6 --subnet fd00:b0b::/64 blog-blue_default"
    )
    server.box("db", "shop-data", "httpd -f -p 5432")
    server.box("app", "shop-blue_default", "httpd -f -p 8000", "-p 127.0.0.1:20011:8000")
    server.box("open", "blog-blue_default", "httpd -f -p 8000", "-p 0.0.0.0:18080:8000", "-p [::]:18080:8000")
    server.box("implied", "blog-blue_default", "httpd -f -p 8000", "-p 18081:8000")
    server.box("attacker", "blog-blue_default", "sleep 100000")
    return server


@both
def test_check_mode_on_a_bare_server(server: Strict) -> None:
    output = server.harden("--check", "--diff")
    assert "failed=0" in output
    left = (
        "/etc/ufw/ufw.conf /etc/fail2ban /var/lib/mainstay /etc/mainstay /etc/modprobe.d/mainstay* /etc/sudoers.d/00*"
    )
    assert server.shell(f"ls -d {left} 2>/dev/null; true") == ""


@both
def test_first_and_second_run(server: Strict) -> None:
    first = server.harden("-v")
    assert "proven: true" in first
    assert changed(server.harden()) == 0
    assert changed(server.harden("--check", "--diff")) == 0


@both
def test_every_control_holds(server: Strict) -> None:
    entries = server.report()
    assert {name: e["why"] for name, e in entries.items() if e["state"] == "failed"} == {}
    assert sum(e["state"] == "passed" for e in entries.values()) > 40
    assert entries["logs-audit"]["why"] == "the kernel belongs to the machine under the container"
    assert entries["ssh-no-forwarding"]["why"] == "not in profile strict: on request"


@both
def test_the_report_sees_what_is_not_so(server: Strict) -> None:
    server.shell(
        "echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects; chmod 0666 /etc/crontab; "
        "echo 'Defaults !use_pty' > /etc/sudoers.d/00-mainstay; fail2ban-client stop recidive; "
        "mount -o remount,exec /dev/shm"
    )
    entries = server.report()
    failed = {name: e["why"] for name, e in entries.items() if e["state"] == "failed"}
    assert set(failed) == {"net-redirects", "cron-files", "accounts-sudo", "bans-recidive", "files-shm"}
    assert failed["net-redirects"] == "net.ipv4.conf.all.accept_redirects is 1"
    assert failed["cron-files"] == "/etc/crontab has mode 0666 of user 0"
    assert failed["accounts-sudo"] == "/etc/sudoers.d/00-mainstay was changed"
    assert failed["files-shm"].startswith("/dev/shm is mounted without noexec")
    server.shell("fail2ban-client reload")
    assert changed(server.harden()) > 0
    assert "noexec" in server.shell("findmnt -no OPTIONS /dev/shm").split(",")
    assert [e["id"] for e in server.report().values() if e["state"] == "failed"] == []


@one
def test_waivers(server: Strict) -> None:
    waiver = {"control": "accounts-su", "reason": "the old deploy tool needs su", "until": "2999-01-01"}
    server.harden()
    before = server.shell("cat /etc/pam.d/su")
    assert "group=sugroup" in before
    server.harden(hardening_waivers=[waiver])
    assert "group=sugroup" not in server.shell("grep -v '^#' /etc/pam.d/su; getent group sugroup; true")
    assert server.report(hardening_waivers=[waiver])["accounts-su"] == {
        "id": "accounts-su", "title": "su is for root", "state": "waived",
        "why": "until 2999-01-01: the old deploy tool needs su",
    }  # fmt: skip
    ended = server.harden(hardening_waivers=[{**waiver, "until": "2020-01-01"}])
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


@one
@pytest.mark.parametrize("name", WRONG)
def test_refused(server: Strict, name: str) -> None:
    variables, messages = WRONG[name]
    output = re.sub(r"\s+", " ", server.harden(check=False, **variables))
    for message in messages:
        assert message in output
    assert server.login() == "admin"
    assert changed(server.harden("--check")) == 0


LOCKED_OUT: dict[str, dict[str, Any]] = {
    "sshd takes it, nobody comes in by it": {"hardening_ssh_options": {"DenyUsers": "admin"}},
    "no key is looked for where it is": {"hardening_ssh_options": {"AuthorizedKeysFile": "/etc/ssh/nowhere/%u"}},
    "sshd listens elsewhere": {"hardening_ssh_options": {"ListenAddress": "127.0.0.1"}},
}


@one
@pytest.mark.parametrize("name", LOCKED_OUT)
def test_a_lock_out_is_undone(server: Strict, name: str) -> None:
    """Nothing forbids these settings, but with them no new connection comes in."""
    before = server.ways_in()
    output = server.harden(check=False, **LOCKED_OUT[name])
    assert "you would not come in any more; all was put back as it was" in words(output)
    assert server.login() == "admin"
    assert server.ways_in() == before
    assert changed(server.harden()) == 0


SHUT = {
    "an allow-list": {"ssh_allowed_sources": ["203.0.113.9"]},
    "a wall": {
        "rules": [{"port": 80}, {"port": 443}],
        "container_firewall": "table inet mainstay\ndelete table inet mainstay\ntable inet mainstay {\nchain input {\n"
        "type filter hook input priority filter - 10\ntcp dport 22 ct state new drop\n}\n}\n",
    },
}


@one
@pytest.mark.parametrize("name", SHUT)
def test_a_firewall_that_shuts_the_operator_out_is_undone(server: Strict, name: str) -> None:
    before = server.ways_in()
    said = run(*server.access(**SHUT[name], second_chance=30), check=False)
    assert "you would not come in any more" in words(said.stdout + said.stderr)
    wait_for("the way in", lambda: server.login() == "admin", timeout=45)
    wait_for("the old rules", lambda: server.ways_in() == before, timeout=45)


@pytest.fixture
def another_way(server: Strict) -> Iterator[None]:
    """Answers to the operator leave by another network than he comes in by: loose filters take it, strict ones do not.

    The machine under the test takes it as well, whose own filters are off.
    """
    network = f"{NAME}-another"
    run("docker", "network", "rm", network, check=False)
    run("docker", "network", "create", network)
    run("docker", "network", "connect", network, NAME)
    gateway = run("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network).stdout.strip()
    server.shell(
        "for key in all default eth0 eth1; do echo 0 > /proc/sys/net/ipv4/conf/$key/rp_filter; done; "
        f"ip route add {server.operator}/32 via {gateway} dev eth1"
    )
    yield
    server.shell(f"ip route del {server.operator}/32")
    run("docker", "network", "disconnect", network, NAME)
    run("docker", "network", "rm", network)


@one
def test_a_kernel_setting_that_shuts_the_operator_out_is_undone(server: Strict, another_way: None) -> None:
    assert server.login() == "admin", "over the other network, while the filters are off"
    output = server.harden(check=False)
    assert "you would not come in any more" in words(output)
    filters = "sysctl -n net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter"
    wait_for("the old settings", lambda: server.shell(filters).split() == ["0", "0"], timeout=90)
    assert server.login() == "admin"


def dies(server: Strict, seconds: int) -> None:
    """A controller shuts the operator out and dies, with all its workers, while its new connection hangs."""
    command = server.access(ssh_allowed_sources=["203.0.113.9"], second_chance=seconds)
    mark = f"CONTROLLER_THAT_DIES={uuid.uuid4().hex}"
    environment = dict([mark.split("=")]) | os.environ
    subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the change", lambda: shut(server), timeout=60, pause=0.1)
    for process in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in process.read_bytes().split(b"\0"):
                os.kill(int(process.parent.name), signal.SIGKILL)
    assert shut(server)
    assert server.login() != "admin", "the way in is shut"


def shut(server: Strict) -> bool:
    status = server.shell("ufw status")
    return "203.0.113.9" in status and server.operator not in status


KEPT = "ls -A /var/lib/mainstay/hardening/second-chance 2>/dev/null; ls /etc/systemd/system | grep second-chance; true"


@one
def test_a_server_that_nobody_confirms_undoes_by_itself(server: Strict) -> None:
    server.harden()
    before = server.ways_in()
    dies(server, 12)
    wait_for("the old rules", lambda: server.ways_in() == before, timeout=30)
    assert server.login() == "admin"
    wait_for("the end of it", lambda: server.shell(KEPT) == "undone", timeout=10)
    assert changed(server.harden()) == 0
    assert server.shell(KEPT) == ""


@one
def test_a_server_that_is_restarted_before_anybody_confirms_undoes_as_it_starts(server: Strict) -> None:
    before = server.ways_in()
    dies(server, 3600)
    bed("server", "reboot", NAME)
    assert server.login() == "admin"
    assert server.ways_in() == before
    assert server.shell(KEPT) == "undone"
    # What is changed from now on is not undone by what was kept then.
    server.shell("ufw allow 8443/tcp")
    said = run(*server.access(ssh_allowed_sources=[server.operator], rules=[{"port": 80}], firewall=False))
    assert "8443" in server.shell("ufw status"), said.stdout
    assert server.shell(KEPT) == ""
    assert changed(server.harden()) > 0
    assert server.ways_in() == before


@both
def test_containers_are_behind_a_second_wall(boxes: Strict, stranger: Machine) -> None:
    inside = boxes.shell("docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' open")
    assert "open" in boxes.shell("timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/20011' && echo open")
    assert "127.0.0.1:18081->" in boxes.shell("docker ps --filter name=implied --format '{{.Ports}}'")
    assert reaches(stranger, boxes.address, 80)
    for target in (boxes.address, boxes.ipv6):
        for port in (18080, 18081, 20011):
            assert not reaches(stranger, target, port), f"[{target}]:{port}"
    # Not by way of the server as a router either.
    stranger.shell(f"ip route replace {inside}/32 via {boxes.address}")
    assert not reaches(stranger, inside, 8000)
    assert "counter packets 0 " not in boxes.shell("nft list chain inet mainstay docker_user | grep 'oifname \"br-'")


@both
def test_a_network_outside_of_the_wall_is_told(boxes: Strict) -> None:
    boxes.shell("docker network create -o com.docker.network.bridge.name=astray0 astray")
    why = "the network 'astray' has a bridge 'astray0' outside of the wall: let its name begin with br-"
    assert boxes.report()["firewall-containers"]["why"] == why
    boxes.shell("docker network rm astray")
    assert boxes.report()["firewall-containers"]["state"] == "passed"


@both
def test_an_attacker_in_a_container(boxes: Strict) -> None:
    data = boxes.shell("docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' db")
    gateway = boxes.shell("docker inspect -f '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}' attacker")
    neighbour = boxes.shell("docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' open")
    assert boxes.from_box("attacker", neighbour, 8000), "the attacker's own app"
    assert boxes.from_box("attacker", boxes.address, 80), "the sites, as anybody"
    assert not boxes.from_box("attacker", data, 5432), "another app's database"
    for target in (gateway, boxes.address):
        assert not boxes.from_box("attacker", target, 22), "the server's SSH"
        for port in (9080, 20011, 18081):
            assert not boxes.from_box("attacker", target, port), f"the server's port {port}"
    ask = "curl -s -o /dev/null -w '%{http_code}' --unix-socket /run/docker.sock http://docker/version || true"
    assert boxes.shell(ask) == "200"
    assert boxes.shell(f"runuser -u nobody -- {ask}") == "000", "somebody without rights"


@both
def test_the_metadata_address(boxes: Strict, stranger: Machine) -> None:
    """The cloud's, played by another machine: the server needs it, its containers must not have it."""
    own = stranger.shell("ip -4 -o address show dev eth0 | grep -oP 'inet \\K[^/]+'")
    stranger.shell("ip address add 169.254.169.254/32 dev lo && (python3 -m http.server 80 >/dev/null 2>&1 &)")
    boxes.shell(f"ip route add 169.254.169.254/32 via {own}")
    wait_for("the metadata", lambda: reaches(boxes, "169.254.169.254", 80), timeout=20)
    assert boxes.from_box("attacker", own, 80), "the way there is open"
    assert not boxes.from_box("attacker", "169.254.169.254", 80)
    assert "counter packets 0 " not in boxes.shell("nft list chain inet mainstay from_containers | grep 169.254")


def serving(server: Strict) -> None:
    """What the product lives by works."""
    # nginx answers, by workers of its own user that nothing kills.
    assert server.shell("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9080/nginx") == "200"
    assert server.shell("ps -o user= -C nginx | sort | uniq -c | sort -n").split()[-1] == "www-data"
    assert server.shell("grep -c 'exited on signal' /var/log/nginx/error.log || true") == "0"
    # A published port answers.
    assert "open" in server.shell("timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/20011' && echo open")
    assert server.shell("sysctl -n net.ipv4.ip_forward") == "1"
    assert "mainstay" in server.shell("nft list table inet mainstay")
    for unit in ("ssh", "docker", "nginx", "fail2ban", "cron", "apt-daily-upgrade.timer"):
        assert server.shell(f"systemctl is-active {unit}") == "active", unit


@both
def test_the_product_goes_on(boxes: Strict) -> None:
    """After each of the things that have undone hardened servers before."""
    boxes.harden()
    for name in ("app", "open", "implied", "db", "attacker"):
        boxes.shell(f"docker update --restart always {name}")
    serving(boxes)
    for command in ("sysctl --system", "ufw reload", "systemctl restart docker", "systemctl restart nftables; true"):
        boxes.shell(command)
        wait_for(f"the product after {command}", lambda: serving(boxes) is None, timeout=30)
    bed("server", "reboot", NAME)
    wait_for("the product after a restart", lambda: serving(boxes) is None, timeout=60)
    assert changed(boxes.harden()) == 0
    assert [e["id"] for e in boxes.report().values() if e["state"] == "failed"] == []


@both
def test_guessing_at_ssh(server: Strict, stranger: Machine) -> None:
    server.harden(hardening_ssh_allowed_sources=[])
    guess = f"ssh {SSH_OPTIONS} -o BatchMode=yes -o ConnectTimeout=5 admin@{server.address} id 2>&1"
    for attempt in (1, 2, 3):
        assert "Permission denied (publickey)" in stranger.shell(guess, check=False), f"attempt {attempt}"
    ban = wait_for("the ban", lambda: server.shell("fail2ban-client get sshd banip --with-time"), timeout=20)
    assert " + 7200 = " in ban
    assert "Permission denied" not in stranger.shell(guess, check=False)
    server.shell("fail2ban-client unban --all")
    server.harden()
    # The operator may fail as often as he likes.
    for _each in range(4):
        assert server.login("root").endswith("Permission denied (publickey).")
    ignored = f"grep -c 'Ignore {server.operator} ' /var/log/fail2ban.log"
    wait_for("fail2ban to see it", lambda: int(server.shell(ignored)) >= 4, timeout=20)
    assert server.operator not in server.shell("fail2ban-client get sshd banip")
    assert server.login() == "admin"


# The shop's program: takes what is asked of it, and no password.
SHOP = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/" or self.path.startswith("/search") else 404); self.end_headers()
    def do_POST(self):
        self.send_response(401); self.end_headers()
HTTPServer(("127.0.0.1", 20012), Shop).serve_forever()
"""


@pytest.fixture(scope="module")
def shop(server: Strict) -> Strict:
    server.shell("cat > /root/shop.py", SHOP)
    server.shell("systemctl stop shop 2>/dev/null; systemd-run --quiet --unit shop python3 /root/shop.py")
    wait_for("the shop", lambda: server.shell("curl -s -o /dev/null -w '%{http_code}' 127.0.0.1:20012") == "200", 20)
    return server


def visit(path: str, *options: str) -> str:
    """A command that asks the shop for something and says the status of each answer."""
    ask = "curl -sk -m 5 --resolve shop.example:443:{server} -o /dev/null -w '%{{http_code}}\n'"
    return f"{ask} {' '.join(options)} 'https://shop.example{path}' || true"


SCANNED = (
    "/wp-login.php", "/.env", "/.git/config", "/phpmyadmin/", "/vendor/phpunit/x", "/cgi-bin/luci", "/xmlrpc.php",
)  # fmt: skip
VISITS = {
    "nginx-scanners": [visit(path) for path in SCANNED],
    "nginx-bots": [visit("/", "-A", "sqlmap/1.8")] * 4,
    "nginx-limits": [visit("/search?[1-80]")],
    "nginx-logins": [visit("/api/auth/login?[1-25]", "-X", "POST")],
}


@both
@pytest.mark.parametrize("jail", VISITS)
def test_who_attacks_the_sites_is_banned_and_nobody_else(
    shop: Strict, stranger: Machine, visitor: Machine, jail: str
) -> None:
    shop.shell("fail2ban-client unban --all")
    usual = "; ".join([*[visit("/")] * 10, *[visit(f"/missing-{number}.html") for number in range(20)]])
    for person in (stranger, visitor):
        assert set(person.shell(usual.format(server=shop.address)).split()) == {"200", "404"}
    assert reaches(stranger, shop.address, 443), "a visitor who finds nothing is none"
    for command in VISITS[jail]:
        stranger.shell(command.format(server=shop.address))
    wait_for("the ban", lambda: shop.shell(f"fail2ban-client get {jail} banip") == stranger.address, timeout=20)
    wait_for("its rule", lambda: not reaches(stranger, shop.address, 443), timeout=10)
    assert " + 7200 = " in shop.shell(f"fail2ban-client get {jail} banip --with-time")
    assert visitor.shell(visit("/").format(server=shop.address)) == "200"
    shop.shell("fail2ban-client unban --all")
    wait_for("the end of the ban", lambda: reaches(stranger, shop.address, 443), timeout=10)


@both
def test_bans_behind_a_cdn(shop: Strict, visitor: Machine) -> None:
    """The visitor's machine is a CDN: all packets are its own, and only the one who attacks is refused."""
    cdn, bad, worse, good = visitor, "203.0.113.66", "2001:db8::66", "203.0.113.67"
    shop.shell("fail2ban-client unban --all")
    shop.harden(nginx_trusted_proxies=[cdn.address], hardening_trusted_proxies=[cdn.address])

    def comes(client: str, *options: str) -> str:
        return cdn.shell(visit("/", "-H", f"'X-Forwarded-For: {client}'", *options).format(server=shop.address))

    def banned() -> set[str]:
        return set(shop.shell("fail2ban-client get nginx-bots banip").split())

    for client in (bad, worse):
        for _each in range(4):
            assert comes(client, "-A", "sqlmap/1.8") in ("200", "403")
    wait_for("the bans", lambda: banned() == {bad, worse}, timeout=20)
    for client in (bad, worse):
        wait_for("its effect", lambda client=client: comes(client) == "403", timeout=15)  # type: ignore[misc]
    assert comes(good) == "200"
    # What the CDN itself asks for, as to see whether the site is there, bans nobody.
    for _each in range(5):
        assert cdn.shell(visit("/", "-A", "nikto").format(server=shop.address)) == "200"
    wait_for("fail2ban to see it", lambda: f"Ignore {cdn.address} " in shop.shell("cat /var/log/fail2ban.log"), 20)
    assert banned() == {bad, worse}
    for unit in ("mainstay-nginx-bans.service", "fail2ban.service"):
        said = shop.shell(f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(said.split(": ")[1].split()[0]) <= 3, said
    shop.shell(f"fail2ban-client unban {bad}")
    wait_for("the end of the ban", lambda: comes(bad) == "200", timeout=15)
    assert comes(worse) == "403"
    # Bans outlive a restart of fail2ban, and end with the CDN.
    shop.shell("systemctl restart fail2ban")
    wait_for("the bans that were", lambda: banned() == {worse}, timeout=20)
    wait_for("its effect", lambda: comes(worse) == "403", timeout=15)
    shop.harden()
    assert shop.shell("ls /var/lib/fail2ban/mainstay-nginx | grep conf || true") == ""
    shop.shell("fail2ban-client unban --all")


@both
def test_the_third_ban_is_for_a_week_and_from_all_ports(shop: Strict, visitor: Machine) -> None:
    with machine(shop, f"{NAME}-comes-back") as guest:
        for time in (1, 2, 3):
            assert all(reaches(guest, shop.address, port) for port in (80, 443))
            assert shop.shell("fail2ban-client get recidive banip") == "", f"before ban {time}"
            for command in VISITS["nginx-bots"]:
                guest.shell(command.format(server=shop.address))
            wait_for("the ban", lambda: shop.shell("fail2ban-client get nginx-bots banip") == guest.address, timeout=20)
            # As if its two hours were over.
            shop.shell(f"fail2ban-client set nginx-bots unbanip {guest.address}")
        wait_for("the long one", lambda: shop.shell("fail2ban-client get recidive banip") == guest.address, timeout=20)
        assert " + 604800 = " in shop.shell("fail2ban-client get recidive banip --with-time")
        wait_for("its rule", lambda: not reaches(guest, shop.address, 443), timeout=10)
        assert not reaches(guest, shop.address, 80)
        assert "meta l4proto tcp ip saddr @addr-set-recidive" in shop.shell("nft list chain inet f2b-table f2b-chain")
        assert reaches(visitor, shop.address, 443)
        shop.shell("fail2ban-client unban --all")


@both
def test_who_knocks_at_closed_ports_is_banned_and_the_operator_never(server: Strict) -> None:
    """A container does not see its kernel's log, so its lines are written by hand, and taken for it."""
    own = "/etc/fail2ban/jail.d/test.local"

    def knocks(source: str, times: int) -> None:
        line = (
            f"[UFW BLOCK] IN=eth0 OUT= MAC=02:42:ac:11:00:02 SRC={source} DST={server.address} LEN=60 TOS=0x00 "
            "PREC=0x00 TTL=64 ID=7 DF PROTO=TCP SPT=43210 DPT=8443 WINDOW=64240 RES=0x00 SYN URGP=0"
        )
        server.shell(f"for i in $(seq {times}); do logger -t kernel '{line}'; done")

    def failures() -> int:
        return int(re.findall(r"Total failed:\s+(\d+)", server.shell("fail2ban-client status port-scans"))[0])

    with machine(server, f"{NAME}-scanner") as scanner:
        server.shell(f"printf '[port-scans]\\nenabled = true\\n' > {own} && fail2ban-client reload")
        server.shell("fail2ban-client set port-scans addjournalmatch SYSLOG_IDENTIFIER=kernel")
        knocks(server.operator, 25)
        knocks(scanner.address, 19)
        wait_for("fail2ban to see them", lambda: failures() >= 19, timeout=20)
        assert server.shell("fail2ban-client get port-scans banip") == ""
        assert reaches(scanner, server.address, 80)
        knocks(scanner.address, 1)
        wait_for("the ban", lambda: server.shell("fail2ban-client get port-scans banip") == scanner.address, timeout=20)
        assert not any(reaches(scanner, server.address, port) for port in (80, 443))
        assert server.login() == "admin"
        server.shell(f"fail2ban-client unban --all; rm {own}; fail2ban-client reload")


@both
def test_absent(server: Strict) -> None:
    for changes in (True, False):
        assert (changed(server.harden(hardening_state="absent")) > 0) is changes
    left = (
        "/etc/modprobe.d/mainstay* /etc/sudoers.d/00-mainstay /etc/sysctl.d/90-mainstay.conf "
        "/etc/mainstay/containers.nft"
    )
    assert server.shell(f"ls -dA {left} 2>/dev/null; ls /var/lib/mainstay/hardening; true") == ""
    assert "faillock" not in server.shell("cat /etc/pam.d/common-*")
    assert "nullok" in server.shell("cat /etc/pam.d/common-auth")
    assert server.shell("stat -c %a /etc/crontab /etc/cron.d") == "644\n755"
    assert server.shell("dpkg --verify openssh-server login.defs libpam-runtime base-files 2>/dev/null; true") == ""
    assert server.login() == "admin"
