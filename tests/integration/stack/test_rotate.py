# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind get other values on a server of their own. Needs the test bed.

Each service logs in to one database once a second and stops where it is refused, so that whoever runs on has the right
password. MongoDB is FerretDB here, whose image has no mongosh: what it shows is how that is told.

Rotations are killed (SIGKILL) at chosen moments by a stand-in for ``docker`` on the server, which kills its caller.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    # Not `redis-cli -u`, which would show the password in the process list.
    "cache": (
        "redis:8.0",
        "CACHE_URL",
        'key=${CACHE_URL#*default:}; REDISCLI_AUTH="${key%@*}" redis-cli -h cache PING | grep -qx PONG',
    ),
}
ENGINES = {"db": ("postgresql", "17"), "maria": ("mariadb", "11.8"), "my": ("mysql", "9"), "cache": ("redis", "8.0")}
FORMS = {"cache": "redis://default:{}@cache:6379/0"}
CONTAINERD = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
LOOP = "while {}; do sleep 1; done; echo refused; exit 1"

# Does what docker does, and at the moment that the test has chosen kills whoever told it to, with what it has begun.
# Compose is killed when an old container has died or is destroyed, and the one in its place does not run yet.
STAND_IN = r"""#!/bin/bash
[[ -e /run/docker-kill ]] || exec /usr/bin/docker "$@"
read -r moment pattern < /run/docker-kill
given=$(cat)
if [[ "$* $given" != $pattern ]] || [[ $moment == after ]]; then
  printf '%s\n' "$given" | /usr/bin/docker "$@" || exit
  [[ "$* $given" == $pattern ]] || exit 0
elif [[ $moment != before ]]; then
  now=$(date +%s)
  /usr/bin/docker "$@" &
  read -r gone < <(/usr/bin/docker events --since "$now" --filter event=$moment --format '{{.ID}}')
fi
rm /run/docker-kill
kill -KILL $PPID
[[ $moment != d* ]] || pkill -KILL -f -- '--project-name tried-blue'
"""


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

    def client(self, name: str, password: str, said: str) -> str:
        """A command that asks a database over the network, by a client in its service's container."""
        variable, value = CLIENTS[name][1], FORMS.get(name, "{}").format(password)
        client = f"$(docker ps -qf label=com.docker.compose.service=c-{name})"
        return f"docker exec -e {shlex.quote(f'{variable}={value}')} {client} sh -c {shlex.quote(said)}"

    def enters(self, name: str, password: str) -> bool:
        """Whether a password opens a database, over the network."""
        command = f"{self.client(name, password, CLIENTS[name][2])} >/dev/null 2>&1 && echo in; true"
        return self.shell(command) == "in"

    def keep(self, name: str) -> None:
        """Put something into a database that is not to be lost."""
        self._say(name, "DROP TABLE IF EXISTS {0}; CREATE TABLE {0} (n int); INSERT INTO {0} VALUES (7)", "SET kept 7")

    def kept(self, name: str) -> str:
        """What is left of it."""
        return self._say(name, "SELECT n FROM {0}", "GET kept")

    def _say(self, name: str, sql: str, command: str) -> str:
        said = CLIENTS[name][2].replace("SELECT 1", sql.format("kept" if name == "db" else "tried.kept"))
        said = said.replace("PING | grep -qx PONG", command)
        return self.shell(self.client(name, self.passwords[name], said))

    def cut_off(self, moment: str, secret: str) -> str:
        """Kill a rotation ``before`` or ``after`` docker is told what a pattern says, or at an event of containers."""
        self.shell("cat > /usr/local/sbin/docker; chmod 0755 /usr/local/sbin/docker", stdin=STAND_IN)
        self.shell("cat > /run/docker-kill", stdin=f"{moment}\n")
        try:
            said = self.rotate(secret, "-vvv", check=False)
            assert self.shell("ls /run/docker-kill", check=False) == "", "the moment never came"
            return said
        finally:
            self.shell("rm -f /usr/local/sbin/docker /run/docker-kill")

    def holding(self, text: str) -> list[str]:
        """Every file on the server that has a text in it, logs and what Docker keeps of containers among them."""
        places = "/etc /home /opt /root /run /srv /tmp /var"
        look = f"grep -rlaF --exclude-dir=overlay2 --exclude-dir=rootfs -f - {places} 2>/dev/null; true"
        done = run("bash", "-c", f'printf \'%s\\n\' "$1" | docker exec -i {NAME} bash -c "$2"', "sh", text, look)
        found = set(done.stdout.split())
        # containerd does not wipe the pages of its database that it has freed. Those in use are what it knows.
        knows = "for one in $(ctr -n moby containers ls -q); do ctr -n moby containers info $one; done"
        if CONTAINERD in found and text not in self.shell(knows):
            found.remove(CONTAINERD)
        return sorted(found)

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


UP = "compose *--project-name tried-blue* up *"


@pytest.mark.parametrize(
    ("name", "moment", "following"),
    [
        pytest.param("db", "before *ALTER ROLE*", "rotate", id="before the database takes it"),
        pytest.param("db", "after *ALTER ROLE*", "rotate", id="PostgreSQL has it"),
        pytest.param("maria", "after *ALTER USER*", "rotate", id="MariaDB has it"),
        pytest.param("my", "after *ALTER USER*", "rotate", id="MySQL has it"),
        pytest.param("cache", "after *CONFIG SET*", "rotate", id="Redis has it"),
        pytest.param("cache", "after *CONFIG SET*", "restart", id="Redis has it and restarts with the old one"),
        pytest.param("db", "after *ALTER ROLE*", "release", id="the database has it and a release is next"),
        pytest.param("db", "after *ALTER ROLE*", "old value", id="the database has it and the old one is wanted again"),
        pytest.param("db", f"before {UP}", "rotate", id="files have it"),
        pytest.param("db", f"destroy {UP}", "rotate", id="the old container is gone"),
        pytest.param("db", f"destroy {UP}", "release", id="the old container is gone and a release is next"),
        pytest.param("db", f"after {UP}", "rotate", id="nobody has seen the service well"),
    ],
)
def test_killed_in_the_middle_the_next_run_ends_it(server: Tried, name: str, moment: str, following: str) -> None:
    server.keep(name)
    old, new = server.passwords[name], f"cut-{secrets.token_hex(8)}"
    before = server.started()
    server.passwords[name] = new
    said = server.cut_off(moment, name)
    assert (old in said, new in said) == (False, False)
    assert server.shell("stat -c %a /srv/tried/rotation.json") == "600"
    if moment.startswith("before *"):
        assert server.started() == before, "what serves has not noticed"

    if following == "restart":
        server.shell("docker restart tried-data-cache-1")
    if following == "old value":
        server.passwords[name], new, old = old, old, new
    if following == "release":
        server.release("--tags", "release")
    else:
        server.rotate(name)

    assert (server.enters(name, old), server.enters(name, new)) == (False, True)
    assert server.kept(name) == "7"
    after = server.started()
    unconcerned = before.keys() - {f"c-{name}"} - ({name} if following == "restart" else set())
    assert {item: after.get(item) for item in unconcerned} == {item: before[item] for item in unconcerned}
    wait_for("the service", lambda: "(healthy)" in server.shell(f"docker ps --filter name=tried-blue-c-{name}-1"), 30)
    assert server.shell("ls /srv/tried/rotation.json", check=False) == ""
    assert server.holding(old) == []
    assert recap(server.rotate(name))["changed"] == 0
    assert recap(server.release("--tags", "release"))["changed"] == 0


@pytest.mark.parametrize("event", ["die", "destroy"])
def test_a_secret_of_services_alone_that_is_cut_off(server: Tried, event: str) -> None:
    old = server.others["TOKEN"]
    server.others["TOKEN"] = f"cut-{secrets.token_hex(8)}"
    server.cut_off(f"{event} {UP}", "TOKEN")
    server.rotate("TOKEN")
    assert server.others["TOKEN"] in server.shell("docker inspect tried-blue-token-1 | grep TOKEN")
    assert server.holding(old) == []
    assert recap(server.rotate("TOKEN"))["changed"] == 0


@contextmanager
def process_list(server: Tried) -> Iterator[set[str]]:
    """Every command line on this machine while the block runs: the controller's, the server's, its containers'."""
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    def top() -> None:
        while not stop.is_set():
            asked = "for one in $(docker ps -q); do docker top $one -eo args; done"
            seen.update(server.shell(asked, check=False).splitlines())

    threads = [threading.Thread(target=watch), threading.Thread(target=top)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("name", list(ENGINES))
def test_no_password_is_in_the_process_list(server: Tried, name: str) -> None:
    old, new = server.passwords[name], f"watched-{secrets.token_hex(8)}"
    server.passwords[name] = new
    with process_list(server) as seen:
        server.rotate(name)
    assert server.enters(name, new)
    asked = [line for line in seen if "exec --interactive --env" in line and f"tried-data-{name}-1" in line]
    assert asked, "the watcher should have seen how the database is told"
    assert [line for line in seen if old in line or new in line] == []


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
