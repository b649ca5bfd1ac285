# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError


class Recorded(Docker):
    """Answers from a table of ``(first words, exit code, stdout, stderr)`` and records what was run."""

    def __init__(self, *answers: tuple[str, int, str, str]) -> None:
        super().__init__("docker")
        self.answers, self.ran = answers, list[str]()

    def run(
        self,
        *words: str,
        timeout: float | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        line = " ".join(words)
        self.ran.append(line)
        for start, code, out, err in self.answers:
            if line.startswith(start):
                return subprocess.CompletedProcess(words, code, out, err)
        return subprocess.CompletedProcess(words, 0, "", "")


# Docker 26.1 on Debian 13, shortened.
INSPECTED = {
    "Name": "/shop-data-redis-1",
    "RestartCount": 1,
    "State": {"Status": "running", "ExitCode": 0, "OOMKilled": False},
    "Config": {
        "Image": "redis:8.0",
        "Labels": {"com.docker.compose.project": "shop-data", "com.docker.compose.service": "redis"},
        "Healthcheck": {"Test": ["CMD-SHELL", "redis-cli ping | grep PONG"], "Interval": 30000000000},
    },
}


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (["CMD-SHELL", "a | b"], ["/bin/sh", "-c", "a | b"]),
        (["CMD", "a", "b"], ["a", "b"]),
        (["NONE"], []),
        (None, []),
    ],
    ids=["shell", "words", "switched off", "none"],
)
def test_container(test: list[str] | None, expected: list[str]) -> None:
    config: dict[str, Any] = {**INSPECTED["Config"], "Healthcheck": {"Test": test}}  # type: ignore[dict-item]
    assert Container.of({**INSPECTED, "Config": config}) == Container(
        "shop-data-redis-1", "shop-data", "redis", "redis:8.0", "running", restarts=1, check=expected
    )


@pytest.mark.parametrize(
    ("image", "digests", "expected"),
    [
        ("web:1", ["web@sha256:aa"], "web:1@sha256:aa"),
        ("docker.io/library/web:1", ["web@sha256:aa"], "docker.io/library/web:1@sha256:aa"),
        (
            "r.test:5000/shop/web:1",
            ["other/web@sha256:bb", "r.test:5000/shop/web@sha256:aa"],
            "r.test:5000/shop/web:1@sha256:aa",
        ),
        ("r.test:5000/web", ["r.test:5000/web@sha256:aa"], "r.test:5000/web@sha256:aa"),
        ("web:1", [], "sha256:id"),
        ("web@sha256:aa", [], "web@sha256:aa"),
    ],
    ids=["tag", "long name", "registry with port", "no tag", "not from a registry", "pinned already"],
)
def test_pinned(image: str, digests: list[str], expected: str) -> None:
    docker = Recorded(("image inspect", 0, json.dumps([{"Id": "sha256:id", "RepoDigests": digests}]), ""))
    assert docker.pinned(image) == expected


def test_containers_leave_out_one_shot_runs_and_those_that_have_gone() -> None:
    docker = Recorded(("ps", 0, "b\na\n", ""), ("inspect", 1, json.dumps([INSPECTED]), "Error: No such container: b"))
    assert [container.name for container in docker.containers("shop-data")] == ["shop-data-redis-1"]
    assert "label=com.docker.compose.oneoff=False" in docker.ran[0]
    assert docker.ran[1] == "inspect --type container a b"


def test_commands_of_compose() -> None:
    docker = Recorded()
    docker.up(Project("shop-blue", "/srv/shop/releases/v1", ("compose.yml", "slot-blue.yml")), ["web"])
    docker.down("shop-blue")
    assert docker.ran == [
        "ps --all --quiet --filter label=com.docker.compose.project=shop-blue --filter status=created",
        "compose --ansi never --project-name shop-blue --project-directory /srv/shop/releases/v1 "
        "--file /srv/shop/releases/v1/compose.yml --file /srv/shop/releases/v1/slot-blue.yml "
        "up --detach --no-build --pull never --remove-orphans web",
        "compose --ansi never --project-name shop-blue down --remove-orphans",
    ]


def test_what_a_killed_run_of_compose_has_created_is_removed_first() -> None:
    docker = Recorded(("ps", 0, "1a2b\n3c4d\n", ""))
    docker.renew(Project("shop-blue", "/srv/shop", ("compose.yml",)), ["web"])
    assert docker.ran[1] == "rm 1a2b 3c4d"
    assert docker.ran[2].endswith("up --detach --no-build --pull never --no-deps --force-recreate web")


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        (("network inspect", 0, '[{"Internal": true}]', ""), False),
        (("network inspect", 1, "[]", "Error: No such network"), True),
    ],
    ids=["there", "missing"],
)
def test_network(answer: tuple[str, int, str, str], made: bool) -> None:
    docker = Recorded(answer)
    assert docker.network("shop-data", internal=True) is made
    assert docker.ran[1:] == (["network create --internal --label mainstay=app_stack shop-data"] if made else [])


@pytest.mark.parametrize(
    ("call", "answer", "message"),
    [
        pytest.param(
            lambda docker: docker.network("shop-data", True),
            ("network inspect", 0, '[{"Internal": false}]', ""),
            "network shop-data exists and is not internal",
            id="a network that lets everything out",
        ),
        pytest.param(
            lambda docker: docker.pull("r.test:5000/web:2"),
            ("pull", 1, "", "Error response from daemon: manifest unknown"),
            "image r.test:5000/web:2 cannot be pulled: r.test:5000 has no such tag",
            id="pull",
        ),
        pytest.param(
            lambda docker: docker.up(Project("shop-blue", "/x", ())),
            ("compose", 1, "", " Network x  Creating\nError: port is already allocated\n"),
            "`docker compose up` of shop-blue failed:  Network x  Creating; Error: port is already allocated",
            id="up",
        ),
        pytest.param(
            lambda docker: docker.must("ps"),
            ("ps", 1, "", "Cannot connect"),
            "`docker ps` failed: Cannot connect",
            id="no engine",
        ),
    ],
)
def test_errors(call: Any, answer: tuple[str, int, str, str], message: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        call(Recorded(answer))
    assert message in str(caught.value)


def test_a_server_without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReleaseError, match="docker is not installed"):
        Docker().must("ps")
