# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles docker and app_stack on a server of their own, in the order of its life. Needs the test bed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from testbed.outside import INVENTORY, Server, Visitors, bed, recap, wait_for

HERE = Path(__file__).parent
NAME = "t-stack-test"
DOMAIN = "snippetly.example"
# Everything that a shell, Compose or an env file might take for something else.
NASTY = 'no\'such "thing" as $HOME ${PATH} $$ \\ #1'
SECRETS = {
    "DATABASE_URL": "postgresql://snippetly:{{ snippetly_postgres_password }}@postgres:5432/snippetly",
    "REDIS_URL": "redis://:{{ snippetly_redis_password }}@redis:6379/0",
    "JWT_SECRET": "{{ snippetly_jwt_secret }}",
    "NASTY": NASTY,
}


class Released(Server):
    """A test server with the product, as its operator and as the world reach it."""

    def site(self, *options: str, **variables: Any) -> str:
        return self.play(HERE / "stack.yml", *options, **variables)

    def release(self, tag: str, **variables: Any) -> str:
        return self.site("--tags", "release", snippetly_release=tag, **variables)

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(verify=False, timeout=10) as http:  # the certificate is the temporary one
            url = f"https://{self.address}{path}"
            return http.get(url, headers={"Host": DOMAIN}, extensions={"sni_hostname": DOMAIN})

    def serving(self) -> str:
        return str(self.get("/api/health").json()["release"])

    def visitors(self) -> Visitors:
        def ask(path: str) -> None:
            # The product's own limit of requests is no failure.
            assert self.get(path).status_code in (200, 429)

        return Visitors(lambda: ask("/"), lambda: ask("/api/health"))

    def containers(self) -> dict[str, Any]:
        found = json.loads(self.shell("docker inspect $(docker ps --all --quiet)"))
        return {item["Name"].strip("/"): item for item in found}

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.shell("cat /var/lib/mainstay/app_stack/snippetly.json")))


def changed(output: str) -> int:
    return recap(output)["changed"]


# What depends on the versions of Docker and Compose is tried with both; what is our own logic with one.
both = pytest.mark.parametrize("server", ["trixie", "bookworm"], indirect=True, scope="module")
one = pytest.mark.parametrize("server", ["trixie"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    bed("server", "down", NAME)
    bed("server", "up", NAME, "--release", request.param)
    inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"snippetly": {"hosts": {NAME: {"snippetly_secrets": SECRETS}}}}))
    sizes = {"server": {"memory": "16g", "cpus": 4}}
    yield Released(NAME, *INVENTORY, "-i", str(inventory), snippetly_mongo_enabled=False, **sizes)
    bed("server", "down", NAME)


@both
def test_a_bare_server_is_told_what_would_happen(server: Released) -> None:
    said = server.site("--check", "--diff")
    assert "release good-1-" in said
    assert "databases: start them" in said
    assert server.shell("ls /srv; command -v docker", check=False) == ""


@both
def test_the_first_release_and_a_second_run(server: Released) -> None:
    said = server.site("-vvv", "--diff")
    assert server.serving() == "good-1"
    for form in (NASTY, json.dumps(NASTY)[1:-1], repr(NASTY)[1:-1]):
        assert form not in said
    again = server.site()
    assert changed(again) == 0, again
    assert changed(server.site("--check", "--diff")) == 0


@both
def test_everything_that_runs_is_confined(server: Released) -> None:
    for name, item in server.containers().items():
        host = item["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Type"] == "journald", name
        assert item["Config"]["User"].split(":")[0] not in ("", "0", "root"), name
        bindings = [binding for port in (host["PortBindings"] or {}).values() for binding in port]
        assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings), name
        if item["Config"]["Labels"]["com.docker.compose.project"] == "snippetly-data":
            assert list(item["NetworkSettings"]["Networks"]) == ["snippetly-data"], name
            assert not bindings, name
    assert json.loads(server.shell("docker network inspect snippetly-data"))[0]["Internal"] is True


@both
def test_secrets_reach_containers_as_they_are_and_nobody_else(server: Released) -> None:
    asked = "import os; print(os.environ['NASTY'])"
    assert server.shell(f'docker exec $(docker ps -qf name=backend) python -c "{asked}"') == NASTY
    assert server.shell("find /srv/snippetly -type f -perm /077") == ""
    assert server.shell("stat -c %a /srv/snippetly") == "750"


@both
def test_a_new_release_arrives_without_a_failed_request(server: Released) -> None:
    before = server.containers()
    with server.visitors() as visitors:
        server.release("good-2")
    assert server.serving() == "good-2"
    assert len(visitors.answers) > 20
    assert visitors.failures == []
    after = server.containers()
    for database in ("snippetly-data-postgres-1", "snippetly-data-redis-1"):
        assert after[database]["State"]["StartedAt"] == before[database]["State"]["StartedAt"], (
            "databases outlive releases"
        )
    assert changed(server.release("good-2")) == 0


@one
@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (
            "unhealthy",
            ["unhealthy was refused; good-2 serves as before", "/api/health answered 503", "unhealthy by design"],
        ),
        ("bad-migration", ["migrate (run: before_release) ended with exit code 1", "nothing was changed"]),
        (
            "no-such-release",
            ["snippetly-frontend:no-such-release cannot be pulled", "no such tag", "Nothing was changed"],
        ),
    ],
    ids=["unhealthy", "bad migration", "no such release"],
)
def test_a_bad_release_is_refused(server: Released, tag: str, expected: list[str]) -> None:
    with server.visitors() as visitors:
        said = server.release(tag, check=False)
    for part in expected:
        assert part in said
    assert visitors.failures == []
    assert server.serving() == "good-2"
    assert all(
        ":good-2@" in item["Config"]["Image"] for name, item in server.containers().items() if "-data-" not in name
    )


@one
def test_a_release_that_falls_when_it_serves_is_undone(server: Released) -> None:
    said = server.release("crashing", check=False, app_stack_watch=60)
    assert "backend stopped" in said
    assert "crashing after 30 s" in said
    assert server.serving() == "good-2"
    assert server.state["candidate"] is None


@one
def test_a_run_that_was_cut_off_is_cleaned_up(server: Released) -> None:
    server.play(HERE / "cut_off.yml", snippetly_release="good-1")
    # Both slots run now, on one network with the databases; each must find its own.
    for slot in ("blue", "green"):
        own = server.containers()[f"snippetly-{slot}-frontend-1"]["NetworkSettings"]["Networks"][
            f"snippetly-{slot}_default"
        ]
        asked = 'import socket; print({found[4][0] for found in socket.getaddrinfo("frontend", 80)})'
        found = server.shell(f"docker exec snippetly-{slot}-worker-1 python -c '{asked}'")
        assert found == str({own["IPAddress"]})
    with server.visitors() as visitors:
        server.release("good-2")
    assert visitors.failures == []
    assert server.serving() == "good-2"
    assert len({name.split("-")[1] for name in server.containers()} - {"data"}) == 1


@one
def test_rollback_and_what_follows(server: Released) -> None:
    with server.visitors() as visitors:
        server.play("playbooks/rollback.yml", app="snippetly")
    assert visitors.failures == []
    assert server.serving() == "good-1"
    again = server.release("good-2")
    assert "was rolled back" in again
    assert changed(again) == 0
    assert server.serving() == "good-1"
    server.release("good-2", app_stack_force=True)
    assert server.serving() == "good-2"
    said = server.play("playbooks/rollback.yml", check=False, app="snippetli")
    assert "snippetli is on none of these servers; there are: snippetly" in said


@one
def test_what_is_gone_is_started_again(server: Released) -> None:
    server.shell("docker rm --force $(docker ps --quiet --filter name=worker) snippetly-data-redis-1")
    server.release("good-2")
    assert server.get("/api/health").json()["status"] == "ok"
    assert changed(server.release("good-2")) == 0


@one
def test_a_database_that_does_not_start_is_put_back(server: Released, tmp_path: Path) -> None:
    common = {"memory": "256m"}
    postgres = {
        "name": "postgres",
        "engine": "postgresql",
        "version": "17",
        "password": "{{ snippetly_postgres_password }}",
    }
    wrong = {
        "name": "redis",
        "engine": "redis",
        "image": "postgres",
        "version": "17",
        "password": "{{ snippetly_redis_password }}",
    }
    file = tmp_path / "databases.yml"
    file.write_text(yaml.safe_dump({"snippetly_databases": [{**postgres, **common}, {**wrong, **common}]}))
    said = server.site("--tags", "release", "-e", f"@{file}", check=False)
    assert "the databases are back to what they were" in said
    assert "redis-server" in said
    wait_for("the app", lambda: server.get("/api/health").json()["status"] == "ok", timeout=30)
    server.release("good-2")
    assert changed(server.release("good-2")) == 0


@both
def test_the_engine_is_reloaded_where_that_will_do_and_containers_outlive_its_restart(server: Released) -> None:
    def engine_and_app() -> list[str]:
        engine = "systemctl show --value --property ExecMainStartTimestamp docker"
        app = "docker inspect --format '{{.State.StartedAt}}' snippetly-data-postgres-1"
        return server.shell(f"{engine}; {app}").splitlines()

    options = {
        "registry-mirrors": ["http://mirror.test:5000"],
        "insecure-registries": ["mirror.test:5000", "other.test:5000"],
    }
    before = engine_and_app()
    server.site("--tags", "docker", docker_daemon_options=options)
    assert "other.test:5000" in server.shell("docker info --format '{{.RegistryConfig.IndexConfigs}}'")
    assert engine_and_app() == before
    server.site("--tags", "docker", docker_daemon_options={**options, "log-opts": {"labels": "x"}})
    after = engine_and_app()
    assert (after[0] != before[0], after[1]) == (True, before[1])
    said = server.site("--tags", "docker", check=False, docker_daemon_options={"no-such": 1})
    assert "no-such" in said
    assert "Nothing was written" in said


@one
def test_a_wrong_login_names_the_registry_and_hides_the_password(server: Released) -> None:
    wrong = [{"host": "registry.test:5000", "username": "snippetly", "password": "wrong-password-123"}]
    said = server.site("--tags", "docker", "-vvv", check=False, docker_registries=wrong)
    assert "the login of snippetly to registry registry.test:5000 failed" in said
    assert "refuses the username or password" in said
    assert "wrong-password-123" not in said
    server.site("--tags", "docker")
    assert changed(server.site("--tags", "docker")) == 0
    assert server.shell("stat -c %a /root/.docker/config.json") == "600"


@both
def test_it_is_all_there_after_a_reboot(server: Released) -> None:
    slots = set(server.containers())
    bed("server", "reboot", NAME)
    wait_for("the app", lambda: server.get("/api/health").json()["status"] == "ok", timeout=60)
    assert set(server.containers()) == slots
    assert server.serving() == "good-2"
    assert changed(server.release("good-2")) == 0


@both
def test_absent(server: Released) -> None:
    said = server.play(HERE / "absent.yml", "--check", "--diff")
    assert "network snippetly-data" in said
    server.play(HERE / "absent.yml")
    assert server.shell("ls /srv /var/lib/mainstay/app_stack; command -v dockerd", check=False).split() == [
        "/srv:",
        "/var/lib/mainstay/app_stack:",
    ]
    assert server.shell("ls /opt/app-data/snippetly").split() == ["postgres", "redis"], "data is nobody's to remove"
    assert changed(server.play(HERE / "absent.yml")) == 0
