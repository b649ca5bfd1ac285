# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample product's server burns down. What is left is the inventory, a store and the private key; a bare server is
put in its place, and one playbook brings the product back. Needs the test bed. Takes as long as two first runs."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.cloud.places import STATE
from testbed.outside import INVENTORY, ROOT, Machine, bed, run

NAME, DOMAIN = "t-recover", "recover.example"
DATABASES = ("postgres", "mongo", "redis")
GOAL = 15 * 60
PLAYBOOK = str(ROOT / ".venv/bin/ansible-playbook")


class Product:
    """The sample product on production's own inventory, on a server of its own, with one store and a prefix there."""

    def __init__(self) -> None:
        self.variables = {
            "snippetly_domain": DOMAIN,
            "snippetly_backups_near": [],
            "snippetly_backups_near_readers": {},
            "snippetly_backups_prefix": f"recover-{secrets.token_hex(4)}",
        }
        self.email, self.password = f"{secrets.token_hex(6)}@mail.example", secrets.token_hex(16)

    def begin(self) -> None:
        """A bare server, to which the product's names point."""
        bed("server", "down", NAME)
        bed("server", "up", NAME)
        self.server = Machine(NAME)
        for domain in (DOMAIN, f"www.{DOMAIN}"):
            bed("dns", domain, self.server.address)
        host = {"ansible_host": self.server.address, "ansible_user": "admin"}
        self.place = STATE / f"{NAME}.json"
        self.place.write_text(json.dumps({"snippetly": {"hosts": {NAME: host}}}))

    def play(self, playbook: str, *options: str, **variables: Any) -> str:
        """Run a playbook; answers all that it says, on one line."""
        extra = json.dumps({**self.variables, **variables})
        where = [*INVENTORY, "-i", str(self.place), "--limit", NAME]
        done = run(PLAYBOOK, playbook, *where, "-e", extra, *options, timeout=1800)
        return " ".join((done.stdout + done.stderr).replace("''", "'").split())

    def ask(self, path: str, data: dict[str, str] | None = None, token: str = "") -> str:
        """What the product answers to the world; the chain is verified."""
        command = ["curl", "-sS", "--fail-with-body", "-m", "20", "--cacert", str(STATE / "acme-root.pem")]
        command += ["--resolve", f"{DOMAIN}:443:{self.server.address}"]
        command += ["-H", f"Authorization: Bearer {token}"] if token else []
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(data)] if data else []
        return run(*command, f"https://{DOMAIN}{path}").stdout

    def token(self, step: str = "login") -> str:
        """Sign up, or log in."""
        answer = self.ask(f"/api/v1/auth/{step}", {"email": self.email, "password": self.password})
        return str(json.loads(answer).get("access_token", ""))

    def serves(self) -> str:
        """Which release the server says that it serves."""
        state = json.loads(self.server.shell("cat /var/lib/mainstay/app_stack/snippetly.json"))
        return str(state["serving"]["release"])

    def certificate(self) -> str:
        """The number of the certificate that the server has."""
        return self.server.shell("openssl x509 -noout -serial -in /etc/letsencrypt/live/snippetly/cert.pem")


@pytest.fixture
def product() -> Iterator[Product]:
    found = Product()
    found.begin()
    yield found
    bed("server", "down", NAME)


def test_a_server_burns_down(product: Product) -> None:
    product.play("site.yml")
    product.play("playbooks/backup.yml")
    # The state is backed up, and then another release comes: the manifests of what is backed up later tell of it.
    product.play("playbooks/deploy.yml", snippetly_release="good-2")
    product.token("register")
    snippet = {"title": "what was there", "language": "python", "code": "print(1)\n"}
    made = json.loads(product.ask("/api/v1/snippets", snippet, product.token()))
    version, certificate = product.ask("/api/version"), product.certificate()
    product.play("playbooks/backup.yml", backups_selected=[f"snippetly-{name}" for name in DATABASES])

    product.begin()
    began = time.monotonic()
    said = product.play("playbooks/recover.yml")
    took = time.monotonic() - began

    told = re.findall(r"snippetly runs good-2, which served when set \d{8}-\d{6} of (snippetly-\w+) was made", said)
    assert told == [f"snippetly-{DATABASES[-1]}"], said
    assert "The inventory names good-1, and the next run of site.yml releases that" in said
    assert product.ask("/api/version") == version
    assert product.serves() == "good-2"
    assert product.certificate() == certificate, "the authority was not asked for another one"
    there = json.loads(product.ask(f"/api/v1/snippets/{made['id']}", token=product.token()))
    assert there["title"] == "what was there"
    print(f"\nThe product served again {took:.0f} s after the server was bare.")
    assert took < GOAL, f"{took:.0f} s"
