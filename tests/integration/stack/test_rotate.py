# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind get other values on a server of their own. Needs the test bed.

Each service logs in to one database once a second and stops where it is refused, so that whoever runs on has the right
password. MongoDB is FerretDB here, whose image has no mongosh: what it shows is how that is told.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.outside import INVENTORY, ROOT, Server, bed, recap, run, wait_for

HERE = Path(__file__).parent
NAME = "t-rotate-test"

# What a client says in its container, by the variable that only it has.
CLIENTS = {
    "db": ("postgres:17", "PGPASSWORD", "psql -h db -U tried -d tried -qAtc 'SELECT 1'"),
    "maria": (
        "mariadb:11.8",
        "MARIA_PASSWORD",
        'MYSQL_PWD="$MARIA_PASSWORD" mariadb -h maria -u tried -BNe "SELECT 1"',
    ),
    "my": ("mysql:9", "MY_PASSWORD", 'MYSQL_PWD="$MY_PASSWORD" mysql -h my -u tried -BNe "SELECT 1"'),
    "cache": ("redis:8.0", "CACHE_URL", 'redis-cli -u "$CACHE_URL" PING | grep -qx PONG'),
}
ENGINES = {"db": ("postgresql", "17"), "maria": ("mariadb", "11.8"), "my": ("mysql", "9"), "cache": ("redis", "8.0")}
FORMS = {"cache": "redis://default:{}@cache:6379/0"}
LOOP = "while {}; do sleep 1; done; echo refused; exit 1"


def service(name: str, image: str, script: str, secrets: list[str] | None, **more: Any) -> dict[str, Any]:
    health = {"command": ["sh", "-c", more.pop("health", "true")], "timeout": "10s", "interval": "1s"}
    named = {} if secrets is None else {"secrets": secrets}
    common = {"memory": "128m", "user": "999:999", "stop_timeout": "1s", "health": health}
    return {"name": name, "image": image, "command": ["sh", "-c", script], **common, **named, **more}


class Tried(Server):
    """A server with an app, an inventory that says what its secrets are, and a look at both."""

    def __init__(self, folder: Path) -> None:
        super().__init__(NAME, *INVENTORY, "-i", str(folder / "hosts.yml"), server={"memory": "16g", "cpus": 4})
        self.folder = folder
        self.passwords = {name: f"first-{name}-password" for name in ENGINES}
        self.others = {"TOKEN": "first-token-value"}
        self.mongo = ""
        self.tag = "17"

    def write(self) -> None:
        """Write the inventory as an operator would after `ansible-vault edit`."""
        clients = [
            service(f"c-{name}", image, LOOP.format(said), [variable], health=said)
            for name, (image, variable, said) in CLIENTS.items()
        ]
        held = {
            variable: FORMS.get(name, "{}").format(self.passwords[name])
            for name, (_image, variable, _said) in CLIENTS.items()
        }
        secrets = {**held, **self.others}
        token = service(
            "token", "postgres", "sleep infinity", list(self.others), health='case "$TOKEN" in bad*) exit 1; esac'
        )
        alone = service("alone", "postgres", "sleep infinity", [])
        databases = [
            {"name": name, "engine": engine, "version": version, "password": self.passwords[name]}
            for name, (engine, version) in ENGINES.items()
        ]
        if self.mongo:
            mongo = {"name": "mongo", "engine": "mongodb", "version": "ferretdb-1.24.0", "password": self.mongo}
            databases.append(mongo)
        common = {"memory": "512m"}
        app = {
            "name": "tried",
            "release": self.tag,
            "strategy": "recreate",
            "services": [*clients, token, alone],
            "databases": [{**item, **common} for item in databases],
            "secrets": secrets,
        }
        host = {"apps": [app], "docker_registries": []}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"snippetly": {"hosts": {NAME: host}}}))

    def release(self, *options: str, **more: Any) -> str:
        self.write()
        return self.play(HERE / "rotate.yml", *options, **more)

    def rotate(self, secret: str, *options: str, **more: Any) -> str:
        self.write()
        return self.play("playbooks/rotate.yml", *options, app="tried", secret=secret, **more)

    def started(self) -> dict[str, str]:
        """When each container was started, by its service."""
        found = json.loads(self.shell("docker inspect $(docker ps --quiet)"))
        return {item["Config"]["Labels"]["com.docker.compose.service"]: item["State"]["StartedAt"] for item in found}

    def enters(self, name: str, password: str) -> bool:
        """Whether a password opens a database, over the network."""
        _image, variable, said = CLIENTS[name]
        value = FORMS.get(name, "{}").format(password)
        client = f"$(docker ps -qf label=com.docker.compose.service=c-{name})"
        given = f"docker exec -e {shlex.quote(f'{variable}={value}')} {client} sh -c {shlex.quote(said)}"
        command = f"{given} >/dev/null 2>&1 && echo in; true"
        return self.shell(command) == "in"

    def holding(self, text: str) -> list[str]:
        """Every file on the server that has a text in it, logs and what Docker keeps of containers among them."""
        places = "/etc /home /opt /root /run /srv /tmp /var"
        look = f"grep -rlaF --exclude-dir=overlay2 --exclude-dir=rootfs -f - {places} 2>/dev/null; true"
        done = run("bash", "-c", f'printf \'%s\\n\' "$1" | docker exec -i {NAME} bash -c "$2"', "sh", text, look)
        return sorted(done.stdout.split())

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.shell("cat /var/lib/mainstay/app_stack/tried.json")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    mirror = run("docker", "port", "mirror.test", "5000").stdout.splitlines()[0]
    for image in ("mariadb:11.8", "mysql:9"):
        run("docker", "tag", image, f"{mirror}/library/{image}")
        run("docker", "push", "--quiet", f"{mirror}/library/{image}")
    bed("server", "down", NAME)
    bed("server", "up", NAME, "--release", "trixie")
    tried = Tried(tmp_path_factory.mktemp("inventory"))
    tried.release()
    yield tried
    bed("server", "down", NAME)


@pytest.mark.parametrize("name", list(ENGINES))
def test_the_password_of_a_database(server: Tried, name: str) -> None:
    old, new = server.passwords[name], f"second-{name}-\"pass'w\\ord"
    if name == "cache":
        new = f"second-{name}-password"
    before, identity = server.started(), server.state["serving"]["id"]
    server.passwords[name] = new
    said = server.rotate(name, "--check", "--diff", "-vvv")
    assert f"change the password of {name} in the database" in said
    assert "would be rotated" in said
    assert server.started() == before
    assert (server.enters(name, old), server.enters(name, new)) == (True, False)

    said += server.rotate(name, "--diff", "-vvv")
    assert f"restarted             c-{name}" in said
    for form in {value for secret in (old, new) for value in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}:
        assert form not in said
    after = server.started()
    assert {item for item in before if after[item] != before[item]} == {f"c-{name}"}
    assert (server.enters(name, old), server.enters(name, new)) == (False, True)
    assert server.state["serving"]["id"] == identity
    assert server.holding(old) == []

    assert recap(server.rotate(name))["changed"] == 0
    assert recap(server.release("--tags", "release"))["changed"] == 0
    assert server.started() == after


def test_databases_have_it_after_a_restart(server: Tried) -> None:
    server.shell("docker restart $(docker ps -qf label=com.docker.compose.project=tried-data)")
    for name, password in server.passwords.items():
        assert re.fullmatch("second-.*", password)
        health = f"docker inspect -f '{{{{.State.Health.Status}}}}' tried-data-{name}-1"
        wait_for(name, lambda asked=health: server.shell(asked) == "healthy", timeout=90)
        assert server.enters(name, password)


def test_a_secret_of_services_alone(server: Tried) -> None:
    before, old = server.started(), server.others["TOKEN"]
    server.others["TOKEN"] = "second-token-value"
    server.rotate("TOKEN")
    after = server.started()
    assert {item for item in before if after[item] != before[item]} == {"token"}
    assert "second-token-value" in server.shell("docker inspect tried-blue-token-1 | grep TOKEN")
    assert server.holding(old) == []


def test_a_value_that_does_not_work_is_taken_back(server: Tried) -> None:
    before = server.started()
    server.others["TOKEN"] = "bad-token-value"
    said = server.rotate("TOKEN", check=False)
    assert "TOKEN was not rotated; everything has the old value again" in said
    server.others["TOKEN"] = "second-token-value"
    assert {item for item, at in server.started().items() if at != before[item]} == {"token"}
    assert recap(server.rotate("TOKEN"))["changed"] == 1, "only what the inventory wants is written again"


def test_a_password_that_services_cannot_use_is_taken_back(server: Tried) -> None:
    """The service is told the password by a form that the database does not take: with something behind it."""
    old = server.passwords["maria"]
    server.passwords["maria"] = "third-maria-password"
    FORMS["maria"] = "{}-and-more"
    try:
        said = server.rotate("maria", check=False)
    finally:
        del FORMS["maria"]
    assert "the password of maria, MARIA_PASSWORD was not rotated; everything has the old value again" in said
    assert "third-maria-password" not in said
    assert (server.enters("maria", old), server.enters("maria", "third-maria-password")) == (True, False)
    server.passwords["maria"] = old
    assert server.holding("third-maria-password") == [
        "/srv/tried/wanted/data/secrets/maria",
        "/srv/tried/wanted/release/env/service-c-maria.env",
    ]
    server.release("--tags", "release")
    assert server.holding("third-maria-password") == []


def test_it_goes_on_where_it_was_cut_off(server: Tried) -> None:
    """The database has the new password already and nothing else has; then the other way round."""
    old, new = server.passwords["db"], "third-db-password"
    psql = "docker exec -i tried-data-db-1 psql -U tried -d tried"
    server.shell(f"{psql} -c \"ALTER ROLE tried PASSWORD '{new}'\"")
    server.passwords["db"] = new
    before = server.started()
    server.rotate("PGPASSWORD")
    assert {item for item, at in server.started().items() if at != before[item]} <= {"c-db"}
    assert (server.enters("db", old), server.enters("db", new)) == (False, True)

    server.shell(f"{psql} -c \"ALTER ROLE tried PASSWORD 'something-else-again'\"")
    assert not server.enters("db", new)
    server.rotate("db")
    assert server.enters("db", new)
    assert recap(server.rotate("db"))["changed"] == 0


def test_going_back_keeps_the_new_password_and_pruned_releases_leave_nothing(server: Tried) -> None:
    server.others["TOKEN"] = "third-token-value"
    server.release("--tags", "release")
    assert server.holding("second-token-value") == [], "releases that are kept have today's value"
    old, new = server.passwords["db"], "fourth-db-password"
    server.passwords["db"] = new
    server.rotate("db")
    server.play("playbooks/rollback.yml", app="tried")
    assert server.enters("db", new)
    assert (
        server.shell("docker inspect -f '{{.State.Status}}' $(docker ps -aqf label=com.docker.compose.service=c-db)")
        == "running"
    )
    assert server.holding(old) == []


def test_a_secret_that_is_no_more_goes_with_the_last_release_that_had_it(server: Tried) -> None:
    planted = "planted-Wd5kJ8rTq2Zx6Vb1"
    server.others["LEGACY"] = planted
    server.release("--tags", "release", app_stack_force=True)
    assert "LEGACY" in server.shell("docker inspect $(docker ps -qf label=com.docker.compose.service=token)")
    del server.others["LEGACY"]
    server.release("--tags", "release")
    (kept,) = server.holding(planted)
    assert re.fullmatch(r"/srv/tried/releases/17-\w+/env/service-token\.env", kept), "to go back to"
    server.others["TOKEN"] = "fourth-token-value"
    server.release("--tags", "release", app_stack_keep=1)
    assert server.holding(planted) == []


def test_what_killed_runs_have_left_is_swept(server: Tried) -> None:
    planted = "planted-Hq7vN2wKx7Lm4Rt9"
    for path in (
        "data.before/secrets/db",
        ".data.partial/secrets/db",
        "releases/.17-0.partial/env/app.env",
        "releases/17-1/env/app.env",
    ):
        server.shell(f"mkdir -p $(dirname /srv/tried/{path}); echo {planted} > /srv/tried/{path}")
    assert len(server.holding(planted)) == 4
    said = server.release("--tags", "release", "--check", "--diff", app_stack_force=True)
    assert "remove /srv/tried/data.before, which a run that was cut off has left behind" in said
    server.release("--tags", "release", app_stack_force=True)
    assert server.holding(planted) == []


def test_the_timers_of_backups_log_in_with_it(server: Tried) -> None:
    server.release("--tags", "runtime")
    old, new = server.passwords["db"], "fifth-db-password"
    assert "/etc/mainstay/inventory.yml" in server.holding(old)
    server.passwords["db"] = new
    server.rotate("db", app_stack_force=True)
    assert "/etc/mainstay/inventory.yml" in server.holding(new)
    assert server.holding(old) == []


@pytest.mark.skipif((ROOT / ".cache/go/unavailable").exists(), reason="the bed has no stand-in of MongoDB here")
def test_mongodb_needs_mongosh_which_the_stand_in_lacks(server: Tried) -> None:
    server.mongo = "first-mongo-password"
    server.release("--tags", "release", app_stack_force=True)
    server.mongo = "second-mongo-password"
    said = server.rotate("mongo", check=False)
    assert "tried-data-mongo-1 has no mongosh" in said
    server.mongo = "first-mongo-password"
    server.release("--tags", "release", app_stack_force=True)


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        pytest.param("TOKENS", "there is no secret 'TOKENS'. There are: db (a database)", id="no such secret"),
    ],
)
def test_what_is_not_there_is_named(server: Tried, secret: str, expected: str) -> None:
    assert expected in server.rotate(secret, check=False)
