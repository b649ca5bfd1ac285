# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles nginx and certbot on a server of their own, in the order of its life. Needs the test bed."""

from __future__ import annotations

import json
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.outside import ROOT, STATE, address, bed, run, wait_for

HERE = Path(__file__).parent
SECRET = "planted" + secrets.token_urlsafe(24)
HEADERS = (
    "strict-transport-security",
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
)


# What Debian 12 cannot count is refused there, see test_a_limit_that_this_server_cannot_count.
RESET = {"trixie": "2/8s", "bookworm": "2/m"}
# As the catalogue of limits has them: path, rate, how many pass, and the seconds of the window.
WINDOWS = {
    "two an hour": ("/api/recover", "2/h", 2, 3600),
    "three a day": ("/api/export", "3/d", 3, 86400),
}


class Visitors:
    """Asks a page again and again, each time on a new connection, until told to stop."""

    def __init__(self, server: Server) -> None:
        self.server, self.slots, self.failures = server, [], []  # type: ignore[var-annotated]
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def _ask(self) -> None:
        while not self.done.is_set():
            try:
                self.slots.append(self.server.slot())
            except Exception as error:
                self.failures.append(error)

    def __enter__(self) -> Visitors:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()


class Server:
    """A test server, as its operator and as the world reach it."""

    def __init__(self, name: str, **variables: Any) -> None:
        self.name, self.variables = name, variables
        self.address = address(name)

    def play(self, file: str, *options: str, check: bool = True, **variables: Any) -> str:
        """Run a playbook of this folder; answers its output, with the standard error where it failed."""
        done = run(
            str(ROOT / ".venv/bin/ansible-playbook"), str(HERE / file), "-i", f"{self.name},", *options,
            "-e", json.dumps({
                "ansible_host": self.address, "ansible_user": "admin", "ansible_become": True,
                "ansible_ssh_private_key_file": str(STATE / "id_ed25519"),
                "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                **self.variables,
                **variables,
            }),
            check=check,
        )  # fmt: skip
        assert check or done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def shell(self, command: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, "bash", "-c", command],
            input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def get(self, url: str, *options: str) -> tuple[int, dict[str, str], str]:
        """Status, headers (names in lower case, duplicates joined by ' | ') and body; the chain is verified."""
        command = ["curl", "-sS", "-i", "-m", "10", "--cacert", str(STATE / "acme-root.pem"), *options]
        for name in ("edge.example", "www.edge.example"):
            command += [part for port in (80, 443) for part in ("--resolve", f"{name}:{port}:{self.address}")]
        answer = run(*command, url).stdout
        head, _blank, body = answer.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.splitlines()
        headers: dict[str, str] = {}
        for line in lines:
            name, _colon, value = line.partition(":")
            key = name.lower()
            headers[key] = f"{headers[key]} | {value.strip()}" if key in headers else value.strip()
        return int(first.split()[1]), headers, body

    def slot(self) -> str:
        return str(json.loads(self.get("https://edge.example/")[2])["slot"])


def changed(output: str) -> int:
    return int(re.findall(r"changed=(\d+)", output)[-1])


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    name = f"t-edge-{request.param}"
    bed("server", "up", name, "--release", request.param)
    windows = [
        {"path": path, "upstream": "edge_api", "zone": f"edge_{seconds}", "rate": rate}
        for path, rate, _count, seconds in WINDOWS.values()
    ]
    server = Server(
        name, edge_reset_rate=RESET[request.param], edge_windows=windows if request.param == "trixie" else []
    )
    for domain in ("edge.example", "www.edge.example"):
        bed("dns", domain, server.address)
    server.shell("cat >/root/backend.py", (HERE / "backend.py").read_text())
    yield server
    bed("server", "down", name)


def test_check_mode_on_a_bare_server(server: Server) -> None:
    output = server.play("site.yml", "--check", "--diff")
    assert "failed=0" in output
    assert (
        server.shell("ls -d /etc/nginx /etc/letsencrypt /etc/mainstay /var/lib/mainstay 2>&1 || true").count(
            "cannot access"
        )
        == 4
    )


def test_an_external_account_that_is_not_known(server: Server) -> None:
    eab = {"kid": "edge", "hmac_key": SECRET}
    output = server.play("site.yml", "--diff", "-vvv", check=False, certbot_eab=eab)
    assert "Suspect: certbot_eab: the authority does not accept this key" in output
    assert "the temporary certificate goes on being served" in output
    assert server.get("https://edge.example/", "--insecure")[0] == 503
    assert SECRET not in output
    holders = server.shell(f"grep -rlF -e {SECRET} /etc /var /tmp /root /home 2>/dev/null || true")
    assert holders.split() == ["/etc/mainstay/certbot.ini"]
    assert server.shell("stat -c %a /etc/mainstay/certbot.ini").strip() == "600"


def test_first_and_second_run(server: Server) -> None:
    server.play("site.yml", "--diff")
    assert changed(server.play("site.yml")) == 0
    assert changed(server.play("site.yml", "--check", "--diff")) == 0


def test_without_a_release_a_page_says_so(server: Server) -> None:
    for options in ((), ("-d", "x=1")):
        status, headers, body = server.get("https://edge.example/", *options)
        assert status == 503
        assert headers["retry-after"] == "10"
        assert "Back in a moment" in body
        assert all(headers[name] for name in HEADERS)


def test_a_release_answers(server: Server) -> None:
    for port, slot in ((20001, "blue"), (20002, "green"), (20003, "blue"), (20004, "green")):
        server.shell(f"systemd-run --quiet --unit edge-{port} python3 /root/backend.py {port} {slot}")
    server.shell("for i in $(seq 50); do curl -sf 127.0.0.1:20004 >/dev/null && exit 0; sleep 0.1; done; exit 1")
    status, headers, body = server.get(
        "https://edge.example/hello?x=1", "-H", "X-Forwarded-For: 6.6.6.6", "-H", "Proxy: evil"
    )
    assert status == 200
    assert headers["x-frame-options"] == "DENY"
    assert "x-powered-by" not in headers
    said = json.loads(body)
    assert said["path"] == "/hello?x=1"
    asked = {name.lower(): value for name, value in said["headers"].items()}
    assert asked["host"] == "edge.example"
    assert asked["x-forwarded-proto"] == "https"
    assert asked["x-forwarded-for"] == asked["x-real-ip"] != "6.6.6.6"
    assert not asked.get("proxy")
    websocket = ("--http1.1", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade")
    asked = json.loads(server.get("https://edge.example/", *websocket)[2])["headers"]
    assert (asked["Upgrade"], asked["Connection"].lower()) == ("websocket", "upgrade")


ANSWERS = {
    "redirect to HTTPS": ("http://edge.example/a?b=c", 301, "https://edge.example/a?b=c"),
    "redirect to the canonical name": ("https://www.edge.example/a?b=c", 301, "https://edge.example/a?b=c"),
    "both at once": ("http://www.edge.example/", 301, "https://edge.example/"),
    "private path": ("https://edge.example/api/metrics", 404, None),
    "below a private path": ("https://edge.example/api/metrics/x", 404, None),
    "private path in disguise": ("https://edge.example/api/x/..%2fmetrics", 404, None),
    "private path in capitals": ("https://edge.example/API/Metrics", 404, None),
    "private path with parameters": ("https://edge.example/api/metrics;x=1", 404, None),
    "file below a private path": ("https://edge.example/api/metrics/x.js", 404, None),
    "dot-file": ("https://edge.example/.env", 404, None),
    "dot-file in disguise": ("https://edge.example/x/%2e%67it/config", 404, None),
    "script in a dot-directory": ("https://edge.example/.git/hooks.js", 404, None),
    "dot-file where dots are welcome": ("https://edge.example/.well-known/.env", 404, None),
    "well known": ("https://edge.example/.well-known/security.txt", 200, None),
    "our own pages": ("https://edge.example/.mainstay/503.html", 404, None),
    "route": ("https://edge.example/api/x", 200, None),
    "no challenge": ("http://edge.example/.well-known/acme-challenge/x", 404, None),
}


@pytest.mark.parametrize(("url", "status", "location"), ANSWERS.values(), ids=ANSWERS)
def test_answers(server: Server, url: str, status: int, location: str | None) -> None:
    answer, headers, _body = server.get(url, "--path-as-is")
    assert answer == status
    assert headers.get("location") == location
    if url.startswith("https"):
        assert all(headers[name] for name in HEADERS)


COMPRESSION = {
    "style": ("/files/x.css", "br"),
    "script": ("/files/x.js", "br"),
    "page, which may hold secrets": ("/files/x.html", None),
    "data, which may hold secrets": ("/api/x", None),
    "image, compressed by itself": ("/files/x.png", None),
}


@pytest.mark.parametrize(("path", "encoding"), COMPRESSION.values(), ids=COMPRESSION)
def test_compression_where_it_is_safe(server: Server, path: str, encoding: str | None) -> None:
    for accepted, expected in (("br, gzip", encoding), ("gzip", encoding and "gzip"), ("identity", None)):
        headers = server.get(
            f"https://edge.example{path}", "-H", f"Accept-Encoding: {accepted}", "-o", "/dev/null", "-D", "-"
        )[1]
        assert headers.get("content-encoding") == expected


CACHING = {
    "with a hash in its name": ("/files/app.0123abcd.js", "public, max-age=31536000, immutable"),
    "without one": ("/files/application-component.js", "no-cache"),
    "page": ("/files/x.html", "no-cache"),
    "data": ("/api/x", "no-cache"),
    "as the app says": ("/files/app.0123abcd.js?own-cache", "max-age=7"),
}


@pytest.mark.parametrize(("path", "said"), CACHING.values(), ids=CACHING)
def test_caching(server: Server, path: str, said: str) -> None:
    assert server.get(f"https://edge.example{path}")[1]["cache-control"] == said


def test_pages_for_people_and_for_programs(server: Server) -> None:
    status, headers, body = server.get("https://edge.example/.env", "-H", "Accept: text/html,*/*;q=0.8")
    assert (status, headers["content-type"]) == (404, "text/html")
    assert "<h1>Not found</h1>" in body
    status, headers, body = server.get("https://edge.example/.env", "-H", "Accept: */*")
    assert (headers["content-type"], json.loads(body)["status"]) == ("application/problem+json", 404)
    server.shell("head -c 11000000 /dev/zero >/root/large")
    code = (
        "curl -sk --http1.1 --resolve edge.example:443:127.0.0.1 --data-binary @/root/large https://edge.example/api/x"
    )
    assert json.loads(server.shell(code))["title"] == "Too large"


def test_maintenance(server: Server) -> None:
    assert changed(server.play("maintenance.yml", closed=True)) == 1
    assert changed(server.play("maintenance.yml", closed=True)) == 0
    for path in ("/", "/api/x", "/files/x.css"):
        status, headers, body = server.get(f"https://edge.example{path}", "-d", "x=1")
        assert (status, headers["retry-after"]) == (503, "10")
        assert json.loads(body)["title"] == "Closed for maintenance"
        assert all(headers[name] for name in HEADERS)
    assert server.get("http://edge.example/.well-known/acme-challenge/x")[0] == 404
    assert server.shell("curl -sf http://127.0.0.1:9080/edge/api")
    assert changed(server.play("site.yml")) == 0
    assert changed(server.play("maintenance.yml", closed=False)) == 1
    assert server.get("https://edge.example/")[0] == 200
    assert "nginx serves no app 'nope'" in server.play("maintenance.yml", check=False, app="nope", closed=True)


def test_rate_limit(server: Server) -> None:
    answers = [server.get("https://edge.example/api/auth/login")[0] for _ in range(6)]
    assert answers == [200, 200, 200, 429, 429, 429]
    for path in ("/api/Auth/Login", "/api/AUTH/x.js", "/api/%41uth/login"):
        assert server.get(f"https://edge.example{path}")[0] == 429, path
    assert server.get("https://edge.example/api/other")[0] == 200
    assert server.get("https://edge.example/API/auth/login")[0] == 200, "another service's"


def test_rate_limit_says_when_to_come_back(server: Server) -> None:
    status, headers, body = server.get("https://edge.example/api/auth/login", "-d", "x=1")
    assert (status, headers["retry-after"], headers["cache-control"]) == (429, "12", "no-store")
    assert "Too many" in body
    assert all(headers[name] for name in HEADERS)
    assert server.get("https://edge.example/api/auth/x.js")[0] == 429


def test_a_window_lets_its_count_through_and_no_more(server: Server) -> None:
    if server.variables["edge_reset_rate"] == "2/m":
        pytest.skip("this server's njs cannot count windows")
    policy = '"edge_2";q=2;w=8'
    began = time.monotonic()
    for left in ("1", "0"):
        status, headers, _body = server.get("https://edge.example/api/reset")
        assert (status, headers["ratelimit-policy"]) == (200, policy)
        assert re.fullmatch(rf'"edge_2";r={left};t=[78]', headers["ratelimit"])
        assert all(headers[name] for name in HEADERS)
    server.shell("nginx -s reload")
    status, headers, body = server.get("https://edge.example/api/reset")
    assert (status, headers["ratelimit-policy"]) == (429, policy)
    assert "Too many" in body
    assert all(headers[name] for name in HEADERS)
    wait = int(headers["retry-after"])
    assert headers["ratelimit"] == f'"edge_2";r=0;t={wait}'
    assert server.get("https://edge.example/api/RESET")[0] == 429
    assert 0 < wait <= 8
    time.sleep(max(0.0, wait - 1.5))
    assert server.get("https://edge.example/api/reset")[0] == 429
    time.sleep(max(0.0, began + 8.5 - time.monotonic()))
    assert server.get("https://edge.example/api/reset")[0] == 200
    assert server.get("https://edge.example/api/other")[0] == 200


@pytest.mark.parametrize("name", WINDOWS)
def test_hours_and_days_are_counted(server: Server, name: str) -> None:
    """The literal rates: the request after the last is refused, until the first of them is an hour or a day ago."""
    if server.variables["edge_reset_rate"] == "2/m":
        pytest.skip("this server's njs cannot count windows")
    path, _rate, count, seconds = WINDOWS[name]
    began = time.monotonic()
    for left in range(count - 1, -1, -1):
        status, headers, _body = server.get(f"https://edge.example{path}", "-d", "x=1")
        assert (status, headers["ratelimit-policy"]) == (200, f'"edge_{seconds}";q={count};w={seconds}')
        assert "retry-after" not in headers
        assert headers["ratelimit"].startswith(f'"edge_{seconds}";r={left};t=')
    status, headers, body = server.get(f"https://edge.example{path}", "-d", "x=1")
    assert (status, headers["ratelimit-policy"]) == (429, f'"edge_{seconds}";q={count};w={seconds}')
    wait = int(headers["retry-after"])
    assert seconds - (time.monotonic() - began) - 1 <= wait <= seconds
    assert headers["ratelimit"] == f'"edge_{seconds}";r=0;t={wait}'
    assert headers["cache-control"] == "no-store"
    assert "Too many" in body
    assert server.get("https://edge.example/api/other")[0] == 200


def test_many_at_once_are_counted_one_by_one(server: Server) -> None:
    if server.variables["edge_reset_rate"] == "2/m":
        pytest.skip("this server's njs cannot count windows")
    time.sleep(8.5)
    ask = "curl -skZ --parallel-immediate --parallel-max 40 --resolve edge.example:443:127.0.0.1 -o /dev/null"
    codes = server.shell(f"{ask} -w '%{{http_code}}\n' 'https://edge.example/api/reset?[1-40]' 2>/dev/null").split()
    assert sorted(codes) == ["200"] * 2 + ["429"] * 38


def test_ipv6_is_counted_by_network(server: Server) -> None:
    sources = ["fd99:0:0:1::1", "fd99:0:0:1:ffff::2", "fd99:0:0:1::3", "fd99:0:0:1::4", "fd99:0:0:2::1"]
    for source in sources:
        server.shell(f"ip -6 address replace {source}/128 dev lo")

    def ask(path: str, source: str) -> str:
        resolve = "--resolve edge.example:443:[::1]"
        return server.shell(
            f"curl -sk6 --interface {source} {resolve} -o /dev/null -w '%{{http_code}}' https://edge.example{path}"
        )

    assert [ask("/api/auth/login", source) for source in sources] == ["200", "200", "200", "429", "200"]
    assert [ask("/api/reset", source) for source in sources[1:]] == ["200", "200", "429", "200"]
    assert '"client":"fd99:0:0:1::3"' in server.shell("tail -20 /var/log/nginx/access.log")


def test_a_limit_that_this_server_cannot_count(server: Server) -> None:
    if server.variables["edge_reset_rate"] != "2/m":
        pytest.skip("this server's njs can count windows")
    before = server.shell("cat /etc/nginx/mainstay/sites/edge.conf")
    output = " ".join(server.play("site.yml", check=False, edge_reset_rate="2/h").split())
    assert "site 'edge': rate_limits: /api/reset: '2/h': needs njs 0.8 or later" in output
    assert server.shell("cat /etc/nginx/mainstay/sites/edge.conf") == before


def test_a_nonce_is_the_apps_and_new_for_each_request(server: Server) -> None:
    policy = "default-src 'none'; script-src 'nonce-{nonce}'"
    server.play("site.yml", nginx_headers={"Content-Security-Policy": policy})
    seen = set()
    for options in ((), ("-H", "X-Request-ID: forged"), ("-d", "x=1")):
        _status, headers, body = server.get("https://edge.example/", *options)
        found = re.fullmatch(
            r"default-src 'none'; script-src 'nonce-([0-9a-f]{32})'", headers["content-security-policy"]
        )
        assert found, headers["content-security-policy"]
        assert {name.lower(): value for name, value in json.loads(body)["headers"].items()}["x-request-id"] == found[1]
        seen.add(found[1])
    assert len(seen) == 3
    server.play("site.yml")


def test_protocols(server: Server) -> None:
    assert server.get("https://edge.example/", "--http2", "-o", "/dev/stdout")[0] == 200
    assert run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_version}", "--cacert", str(STATE / "acme-root.pem"),
               "--resolve", f"edge.example:443:{server.address}", "https://edge.example/").stdout == "2"  # fmt: skip
    for options in (["--tls-max", "1.1"], ["--resolve", f"other.example:443:{server.address}"]):
        url = "https://other.example/" if "other" in options[1] else f"https://{server.address}/"
        assert run("curl", "-k", "-sS", "-m", "5", *options, url, check=False).returncode == 35
    assert run("curl", "-sS", "-m", "5", f"http://{server.address}/", check=False).returncode != 0


def test_a_proxy_before_us_is_believed_and_nobody_else(server: Server) -> None:
    def asked(source: str) -> str:
        ask = "curl -sk --resolve edge.example:443:127.0.0.1 -H 'X-Forwarded-For: 6.6.6.6, 198.51.100.7'"
        said = server.shell(f"{ask} --interface {source} https://edge.example/ || true")
        return str(json.loads(said)["headers"]["X-Forwarded-For"]) if said else "nothing"

    assert asked("127.0.0.5") == "127.0.0.5"
    server.play("site.yml", nginx_trusted_proxies=["127.0.0.5/32"], nginx_only_trusted_proxies=True)
    assert asked("127.0.0.5") == "198.51.100.7"
    assert asked("127.0.0.1") == "127.0.0.1"

    def status(client: str) -> str:
        ask = "curl -sk --resolve edge.example:443:127.0.0.1 -o /dev/null -w '%{http_code}' --interface 127.0.0.5"
        return server.shell(f"{ask} -H 'X-Forwarded-For: {client}' https://edge.example/")

    bans = "/var/lib/fail2ban/mainstay-nginx"
    server.shell(f"mkdir -p {bans} && echo 'deny 198.51.100.7;' > {bans}/x.conf && systemctl reload nginx")
    wait_for("the ban", lambda: status("198.51.100.7") == "403", timeout=10)
    assert status("198.51.100.8") == "200", "who comes by the same proxy and is not banned"
    server.shell(f"rm -r {bans} && systemctl reload nginx")
    wait_for("the end of the ban", lambda: status("198.51.100.7") == "200", timeout=10)
    assert run("curl", "-sk", "-m", "5", f"https://{server.address}/", check=False).returncode == 35
    status = run("curl", "-sk", "-m", "5", "--resolve", f"edge.example:443:{server.address}", "https://edge.example/",
                 "-H", "X-Forwarded-For: 127.0.0.5", check=False)  # fmt: skip
    assert (status.returncode, status.stdout) in ((52, ""), (92, ""), (16, ""))
    server.play("site.yml")
    assert asked("127.0.0.5") == "127.0.0.5"


def test_tls_1_3_alone(server: Server) -> None:
    server.play("site.yml", nginx_tls="modern")
    url = ("--resolve", f"edge.example:443:{server.address}", "https://edge.example/")
    assert run("curl", "-sk", "-m", "5", "--tls-max", "1.2", *url, check=False).returncode == 35
    assert (
        run("curl", "-sk", "-m", "5", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", *url, check=False).returncode == 35
    )
    assert server.slot() == "blue"
    server.play("site.yml")
    assert run("curl", "-sk", "-m", "5", "--tls-max", "1.2", "-o", "/dev/null", *url, check=False).returncode == 0


def test_http3_where_nginx_can(server: Server) -> None:
    server.play("site.yml", nginx_http3=True)
    ask = "curl -sk --resolve edge.example:443:127.0.0.1 -o /dev/null https://edge.example/"
    if server.variables["edge_reset_rate"] == "2/m":
        assert "alt-svc" not in server.get("https://edge.example/")[1]
    else:
        assert server.get("https://edge.example/")[1]["alt-svc"] == 'h3=":443"; ma=86400'
        assert server.shell(f"{ask} --http3-only -w %{{http_version}}") == "3"
    server.play("site.yml")


def test_metrics_listener_is_for_loopback(server: Server) -> None:
    said = json.loads(server.shell("curl -sf http://127.0.0.1:9080/edge/api"))
    assert (said["path"], said["headers"]["Host"]) == ("/api/metrics", "edge.example")
    assert "Active connections" in server.shell("curl -sf http://127.0.0.1:9080/nginx")
    assert run("curl", "-m", "3", f"http://{server.address}:9080/nginx", check=False).returncode == 7


def test_access_log_is_json_without_queries(server: Server) -> None:
    server.get("https://edge.example/logged?token=planted")
    lines = [json.loads(line) for line in server.shell("cat /var/log/nginx/access.log").splitlines()]
    assert lines[-1]["path"] == "/logged"
    assert lines[-1]["status"] == 200
    assert "planted" not in json.dumps(lines)


def test_certificate_metric(server: Server) -> None:
    text = server.shell("cat /var/lib/prometheus/node-exporter/mainstay_certificates.prom")
    ends = re.findall(
        r'^mainstay_certificate_not_after_timestamp_seconds\{name="edge",domain="(\S+)"\} (\d+)$', text, re.M
    )
    assert [domain for domain, _end in ends] == ["edge.example", "www.edge.example"]
    context = ssl.create_default_context(cafile=str(STATE / "acme-root.pem"))
    with (
        socket.create_connection((server.address, 443)) as plain,
        context.wrap_socket(plain, server_hostname="edge.example") as tls,
    ):
        served = tls.getpeercert()
    assert served
    assert ssl.cert_time_to_seconds(str(served["notAfter"])) == int(ends[0][1])


def test_switch_without_a_lost_request(server: Server) -> None:
    with Visitors(server) as visitors:
        for weights in ({"blue": 0, "green": 100}, {"blue": 100}, {"green": 1}):
            assert changed(server.play("switch.yml", weights=weights)) == 1
    assert not visitors.failures
    assert set(visitors.slots) == {"blue", "green"}
    assert {server.slot() for _ in range(8)} == {"green"}


def test_the_role_leaves_the_slot_alone(server: Server) -> None:
    assert changed(server.play("site.yml")) == 0
    assert changed(server.play("switch.yml", weights={"green": 100})) == 1
    assert changed(server.play("switch.yml", weights={"green": 100})) == 0
    assert changed(server.play("switch.yml", "--check", weights={"blue": 100})) == 1
    assert server.slot() == "green"


def test_canary(server: Server) -> None:
    server.play("switch.yml", weights={"blue": 3, "green": 1})
    slots = [server.slot() for _ in range(40)]
    assert 4 <= slots.count("green") <= 16
    server.play("switch.yml", weights={"green": 100})


def test_a_refused_switch_changes_nothing(server: Server) -> None:
    state = "cat /var/lib/mainstay/nginx/edge.json /etc/nginx/mainstay/upstreams.d/edge.conf"
    before = server.shell(state)
    server.shell("echo nonsense >/etc/nginx/conf.d/nonsense.conf")
    output = server.play("switch.yml", check=False, weights={"blue": 100})
    server.shell("rm /etc/nginx/conf.d/nonsense.conf")
    assert "nginx refused to switch, so traffic stays where it was" in output
    assert "nonsense" in output
    assert server.shell(state) == before
    assert server.slot() == "green"


WRONG_SWITCHES = {
    "unknown app": ({"app": "nope", "weights": {"blue": 1}}, "nginx serves no app 'nope' on this server (known: edge)"),
    "unknown slot": ({"weights": {"red": 1}}, "weights: 'red' is not a slot of 'edge' (known: blue, green)"),
    "nobody serves": ({"weights": {"blue": 0}}, "leaves no slot to serve"),
}


@pytest.mark.parametrize(("variables", "message"), WRONG_SWITCHES.values(), ids=WRONG_SWITCHES)
def test_wrong_switches(server: Server, variables: dict[str, Any], message: str) -> None:
    assert message in server.play("switch.yml", check=False, **variables)


def test_a_configuration_that_nginx_refuses_is_not_written(server: Server) -> None:
    before = server.shell("sha256sum /etc/nginx/nginx.conf")
    output = server.play("site.yml", check=False, nginx_max_body_size="lots")
    assert '"client_max_body_size" directive invalid value in /etc/nginx/nginx.conf' in output
    assert "Nothing was written" in output
    assert server.shell("sha256sum /etc/nginx/nginx.conf") == before
    assert server.slot() == "green"


def test_a_domain_that_does_not_lead_here(server: Server) -> None:
    domains = ["edge.example", "www.edge.example", "nowhere.example"]
    output = server.play("site.yml", check=False, edge_domains=domains)
    assert (
        "certificate 'edge' (edge.example, www.edge.example, nowhere.example) was not issued; the old certificate goes "
        "on being served. Refused by https://acme.test" in output
    )
    assert "the old certificate goes on being served" in output
    assert re.search(r"nowhere\.example: .*Suspect: its DNS record", output)
    assert server.slot() == "green"
    assert changed(server.play("site.yml")) >= 1
    assert changed(server.play("site.yml")) == 0


AUTHORITIES = {
    "not trusted": ({"certbot_ca_bundle": "/etc/mainstay/tls/edge/temporary/fullchain.pem"}, "certbot_ca_bundle"),
    "no directory there": ({"certbot_directory": "https://acme.test:14000/no-such-dir"}, "certbot_directory"),
    "nobody there": ({"certbot_directory": "https://acme.test:1/dir"}, "certbot_directory"),
    "no such host": ({"certbot_directory": "https://no-such-host.test/dir"}, "certbot_directory"),
}


@pytest.mark.parametrize(("variables", "suspect"), AUTHORITIES.values(), ids=AUTHORITIES)
def test_a_wrong_authority(server: Server, variables: dict[str, Any], suspect: str) -> None:
    asked = {"edge_domains": ["edge.example"], **variables}
    output = server.play("site.yml", check=False, **asked)
    assert f"Suspect: {suspect}" in output
    assert "the old certificate goes on being served" in output
    assert server.slot() == "green"


def test_renewal_hands_the_certificate_on(server: Server) -> None:
    server.play("site.yml")
    before = server.shell("cat /var/lib/mainstay/certbot/deployed")
    server.shell("certbot renew --force-renewal --no-random-sleep-on-renew -q")
    assert server.shell("cat /var/lib/mainstay/certbot/deployed") != before
    server.shell("systemctl start mainstay-certbot.service")
    assert server.shell("systemctl show -P Result mainstay-certbot.service").strip() == "success"
    assert changed(server.play("site.yml")) == 0


def test_absent(server: Server) -> None:
    server.play("site.yml", edge_state="absent")
    places = "/etc/nginx/mainstay /var/lib/mainstay/nginx/* /etc/mainstay/* /var/lib/mainstay/trees/*"
    left = server.shell(f"ls -d {places} 2>/dev/null || true")
    assert left == ""
    assert run("curl", "-m", "3", f"http://{server.address}/", check=False).returncode == 7
    assert changed(server.play("site.yml", edge_state="absent")) == 0
