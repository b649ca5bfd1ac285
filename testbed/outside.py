# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test server as the world sees it: its address, HTTPS, a port scan, and its operator's commands."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "testbed" / ".state"
INVENTORY = ["-i", "inventories/prod", "-i", "testbed/inventory"]
HOST = "snippetly-prod"
DOMAIN = "snippetly.example"


def run(
    *command: str, check: bool = True, timeout: float = 900, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the operator in the checkout; its output is in the failure message."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", **(env or {})},
    )
    if check and done.returncode:
        said = f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{said}")
    return done


def playbook(name: str, *args: str, check: bool = True, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook on production's inventory with the test bed's laid over it."""
    extra = ["-e", json.dumps(variables)] if variables else []
    return run(str(ROOT / ".venv/bin/ansible-playbook"), name, *INVENTORY, "--limit", HOST, *extra, *args, check=check)


def recap(output: str) -> dict[str, int]:
    """The counts of the play recap line: ``{"ok": 40, "changed": 0, …}``."""
    lines = re.findall(rf"^{HOST}\s*: (.*)$", output, re.MULTILINE)
    assert lines, output[-3000:]
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", lines[-1])}


def bed(*args: str) -> str:
    """Run the test bed's own command and return what it printed."""
    return run(str(ROOT / "testbed/bed"), *args).stdout


def address(host: str = HOST) -> str:
    """The IPv4 address of a test server on the bed's network."""
    return run(
        "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", host
    ).stdout.strip()


def on_server(command: str, check: bool = True, stdin: str | None = None) -> str:
    """What a shell command prints on the server, by the bed's back door: for looking, never for arranging results."""
    done = subprocess.run(
        ["docker", "exec", "-i", HOST, "bash", "-c", command],
        text=True,
        capture_output=True,
        check=False,
        input=stdin,
        timeout=600,
    )
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def trust() -> ssl.SSLContext:
    """Trust the test authority's root and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(STATE / "acme-root.pem")
    return context


def client(domain: str = DOMAIN, timeout: float = 20) -> httpx.Client:
    """An HTTPS client that resolves ``domain`` to the test server and verifies its chain against the test authority."""

    class ToServer(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host=address())
            return super().handle_request(request)

    return httpx.Client(base_url=f"https://{domain}", transport=ToServer(verify=trust()), timeout=timeout)


@dataclass
class User:
    """Somebody who uses the product through its public address."""

    email: str = field(default_factory=lambda: f"{uuid.uuid4().hex[:12]}@mail.example")
    password: str = field(default_factory=lambda: uuid.uuid4().hex)
    token: str = ""

    def register(self) -> User:
        """Create the account and log in."""
        answer = self.sign("register")
        assert answer.status_code == 201, answer.text
        return self.login()

    def login(self) -> User:
        """Log in with the password and keep the token."""
        answer = self.sign("login")
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]
        return self

    def sign(self, where: str) -> httpx.Response:
        """Send the credentials; wait as a person would while the server says that there were too many attempts."""
        body = {"email": self.email, "password": self.password}
        deadline = time.monotonic() + 90
        with client() as http:
            while True:
                answer = http.post(f"/api/v1/auth/{where}", json=body)
                if answer.status_code != 429 or time.monotonic() > deadline:
                    return answer
                time.sleep(3)

    def create_snippet(self, title: str) -> str:
        """Create a snippet and return its id."""
        with client() as http:
            answer = http.post(
                "/api/v1/snippets",
                json={"title": title, "language": "python", "code": "print('hello')\nprint('world')\n"},
                headers={"Authorization": f"Bearer {self.token}"},
            )
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

    def read_snippet(self, snippet: str) -> httpx.Response:
        """Read one snippet back."""
        with client() as http:
            return http.get(f"/api/v1/snippets/{snippet}", headers={"Authorization": f"Bearer {self.token}"})


def wait_for(what: str, probe: Any, timeout: float = 120, pause: float = 1.0) -> Any:
    """Ask ``probe()`` until it returns something true; the last answer or error is in the failure message."""
    deadline = time.monotonic() + timeout
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last
        except (httpx.HTTPError, OSError, AssertionError) as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {timeout} s; last: {last!r}")


def title() -> str:
    """The page title that visitors see: it names the release."""
    with client() as http:
        found = re.search(r"<title>(.*?)</title>", http.get("/").text, re.DOTALL)
        assert found
        return found.group(1).strip()


@contextmanager
def visitors(path: str = "/api/version", pause: float = 0.15) -> Iterator[list[str]]:
    """Keep asking for ``path`` while the block runs; yields the list that collects every failure."""
    failures: list[str] = []
    asked = [0]
    stop = threading.Event()

    def visit() -> None:
        while not stop.is_set():
            try:
                with client(timeout=10) as http:
                    answer = http.get(path)
                    if answer.status_code != 200:
                        failures.append(f"{time.strftime('%X')} {answer.status_code} {answer.text[:80]}")
            except httpx.HTTPError as error:
                failures.append(f"{time.strftime('%X')} {error!r}")
            asked[0] += 1
            stop.wait(pause)

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()
        assert asked[0] > 3, "the visitor asked too seldom to prove anything"


def open_ports(host: str) -> set[int]:
    """Every TCP port of ``host`` that accepts a connection, of all 65,535."""
    scan = ("nmap", "-n", "-Pn", "-p-", "-T5", "--min-rate", "4000", "--max-retries", "2", "-oG", "-", host)
    report = run(*scan, timeout=600).stdout
    return {int(port) for port in re.findall(r"(\d+)/open/tcp", report)}


def answers(host: str, port: int, timeout: float = 2) -> bool:
    """Whether a TCP connection is accepted."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False
