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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
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
    """Run a command of the operator in the checkout; its output is in the failure message.

    What Molecule sets for its own playbooks (configuration, colours) is left out: the operator has none of it.
    """
    operators = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    done = subprocess.run(
        command,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**operators, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", **(env or {})},
    )
    if check and done.returncode:
        said = f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{said}")
    return done


def playbook(
    name: str, *args: str, check: bool = True, env: dict[str, str] | None = None, **variables: Any
) -> subprocess.CompletedProcess[str]:
    """Run a playbook on production's inventory with the test bed's laid over it; ``env`` is added to the operator's."""
    extra = ["-e", json.dumps(variables)] if variables else []
    program = str(ROOT / ".venv/bin/ansible-playbook")
    return run(program, name, *INVENTORY, "--limit", HOST, *extra, *args, check=check, env=env)


def recap(output: str) -> dict[str, int]:
    """The counts of the play recap's last line: ``{"ok": 40, "changed": 0, …}``."""
    lines = re.findall(r"^\S+\s*: (ok=.*)$", output, re.MULTILINE)
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


def on_server(command: str, check: bool = True, stdin: str | None = None, host: str = HOST) -> str:
    """What a shell command prints on the server, by the bed's back door: for looking, never for arranging results."""
    done = subprocess.run(
        ["docker", "exec", "-i", host, "bash", "-c", command],
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


# In the product's own container, which knows how to reach its databases.
LOSE = """
import os, psycopg, pymongo, redis
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
if os.environ.get("MONGO_URL"):
    client = pymongo.MongoClient(os.environ["MONGO_URL"])
    client.drop_database(client.get_default_database().name)
redis.from_url(os.environ["REDIS_URL"]).flushall()
"""


def lose_everything() -> None:
    """Destroy the product's data: every table, collection and key, and the copies of backups on the server."""
    on_server("rm -rf /var/backups/mainstay/snippetly/*")
    backend = on_server("docker ps -q --filter label=com.docker.compose.service=backend").split()[0]
    on_server(f"docker exec -i {backend} python -", stdin=LOSE)


def title() -> str:
    """The page title that visitors see: it names the release."""
    with client() as http:
        found = re.search(r"<title>(.*?)</title>", http.get("/").text, re.DOTALL)
        assert found
        return found.group(1).strip()


class Visitors:
    """Ask again and again while the block runs, each of ``asks`` in a thread of its own.

    ``answers`` collects what they return, ``failures`` what they raise.
    """

    def __init__(self, *asks: Callable[[], Any], pause: float = 0.1) -> None:
        self.answers: list[Any] = []
        self.failures: list[str] = []
        self._done, self._pause = threading.Event(), pause
        self._threads = [threading.Thread(target=self._visit, args=[ask]) for ask in asks]

    def _visit(self, ask: Callable[[], Any]) -> None:
        while not self._done.wait(self._pause):
            try:
                self.answers.append(ask())
            except (httpx.HTTPError, OSError, AssertionError) as error:
                self.failures.append(f"{time.strftime('%X')} {error!r}")

    def __enter__(self) -> Visitors:
        """Let them begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Let them end."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        assert len(self.answers + self.failures) > 3, "the visitors asked too seldom to prove anything"


@contextmanager
def visitors(path: str = "/api/version") -> Iterator[list[str]]:
    """Keep asking the product for ``path`` while the block runs; yields the list that collects every failure."""

    def ask() -> None:
        with client(timeout=10) as http:
            answer = http.get(path)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:80]}"

    with Visitors(ask) as group:
        yield group.failures


def open_ports(host: str) -> set[int]:
    """Every TCP port of ``host``, an IPv4 or IPv6 address, that accepts a connection, of all 65,535."""
    family = ("-6",) if ":" in host else ()
    scan = ("nmap", *family, "-n", "-Pn", "-p-", "-T5", "--min-rate", "4000", "--max-retries", "2", "-oG", "-", host)
    report = run(*scan, timeout=600).stdout
    assert "/open/tcp" in report, f"nmap found nothing open at {host}, and has perhaps not reached it:\n{report}"
    return {int(port) for port in re.findall(r"(\d+)/open/tcp", report)}


class Machine:
    """A container on the bed's network, reached by the bed's back door."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def address(self) -> str:
        """Its IPv4 address."""
        return address(self.name)

    @cached_property
    def ipv6(self) -> str:
        """Its IPv6 address."""
        return self.shell("ip -6 -o address show dev eth0 scope global | grep -oP 'inet6 \\K[^/]+'")

    def shell(self, command: str, stdin: str | None = None, check: bool = True) -> str:
        """What a shell command prints there, without white space around it."""
        return on_server(command, check, stdin, self.name).strip()


class Server(Machine):
    """A test server, also reached as its operator does. ``variables`` go to every play."""

    def __init__(self, name: str, *inventory: str, **variables: Any) -> None:
        super().__init__(name)
        self.inventory = inventory or ("-i", f"{name},")
        self.variables = {
            "ansible_host": self.address,
            "ansible_user": "admin",
            "ansible_ssh_private_key_file": str(STATE / "id_ed25519"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            **variables,
        }

    def play(self, playbook: Path | str, *options: str, check: bool = True, **variables: Any) -> str:
        """Run a playbook; answers all that it says. Without ``check`` it has to fail."""
        program, extra = str(ROOT / ".venv/bin/ansible-playbook"), json.dumps({**self.variables, **variables})
        done = run(program, str(playbook), *self.inventory, "--limit", self.name, "-e", extra, *options, check=check)
        assert check or done.returncode != 0, done.stdout
        return done.stdout + done.stderr


def answers(host: str, port: int, timeout: float = 2) -> bool:
    """Whether a TCP connection is accepted."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False
