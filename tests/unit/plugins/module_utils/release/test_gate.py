# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import (
    Check,
    Gate,
    http_get,
    judge,
    tcp_connect,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError

WEB = Container("shop-blue-web-1", "shop-blue", "web", "web:1", "running")


@pytest.mark.parametrize(
    ("container", "forgiven", "expected"),
    [
        pytest.param(WEB, 0, None, id="runs"),
        pytest.param(replace(WEB, status="created"), 0, None, id="is about to start"),
        pytest.param(None, 0, "web has no container", id="gone"),
        pytest.param(
            replace(WEB, status="exited", exit_code=3),
            0,
            "web stopped with exit code 3 instead of running",
            id="exited",
        ),
        pytest.param(
            replace(WEB, status="restarting", exit_code=1),
            0,
            "web stopped with exit code 1 instead of running",
            id="restarting",
        ),
        pytest.param(replace(WEB, restarts=1), 0, "web stopped and had to be started again", id="restarted"),
        pytest.param(replace(WEB, restarts=2), 2, None, id="restarted long ago"),
        pytest.param(
            replace(WEB, status="exited", exit_code=137, oom_killed=True),
            0,
            "web stopped with exit code 137 (killed: it needed more memory than its limit) instead of running",
            id="out of memory",
        ),
        pytest.param(replace(WEB, status="paused"), 0, "web is paused", id="paused"),
    ],
)
def test_judge(container: Container | None, forgiven: int, expected: str | None) -> None:
    assert judge(container, "web", forgiven) == expected


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Engine:
    """Answers for Docker; ``life`` gives the container at a time since the start."""

    def __init__(self, time: Time, life: Callable[[float], Container | None], exec_code: int = 0) -> None:
        self.time, self.life, self.exec_code, self.begin = time, life, exec_code, time.now

    def containers(self, *projects: str) -> list[Container]:
        found = self.life(self.time.now - self.begin)
        return [found] if found else []

    def logs(self, container: str, secrets: list[str]) -> list[str]:
        return [f"log of {container}"]

    def check(self, container: Container, timeout: float) -> tuple[int, str]:
        return self.exec_code, "no\n"


def gate(life: Callable[[float], Container | None], exec_code: int = 0) -> tuple[Gate, Time]:
    time = Time()
    return Gate(cast(Docker, Engine(time, life, exec_code)), clock=time.clock, sleep=time.sleep), time


def always(container: Container) -> Callable[[float], Container]:
    return lambda _age: container


CHECKED = replace(WEB, check=["true"])


@pytest.mark.parametrize(
    ("life", "check", "exec_code", "took"),
    [
        pytest.param(always(WEB), Check("web"), 0, (3, 6), id="nothing to ask: stays up"),
        pytest.param(always(CHECKED), Check("web"), 0, (0, 0), id="its command"),
        pytest.param(
            lambda age: CHECKED if age > 8 else replace(CHECKED, status="created"),
            Check("web"),
            0,
            (8, 12),
            id="starts late",
        ),
    ],
)
def test_wait(
    life: Callable[[float], Container | None], check: Check, exec_code: int, took: tuple[float, float]
) -> None:
    one, time = gate(life, exec_code)
    one.wait("shop-blue", [check])
    assert took[0] <= time.now - 100 <= took[1]


@pytest.mark.parametrize(
    ("life", "exec_code", "reason", "took"),
    [
        pytest.param(
            always(CHECKED),
            1,
            "web: its health command failed with exit code 1 (no); it did not become well in 20 s",
            (20, 23),
            id="time out",
        ),
        pytest.param(
            lambda age: WEB if age < 1 else replace(WEB, status="exited", exit_code=2),
            0,
            "web stopped with exit code 2",
            (0, 3),
            id="crash at once",
        ),
        pytest.param(
            always(replace(WEB, status="created")),
            0,
            "cannot be asked: it is created",
            (20, 23),
            id="never starts",
        ),
        pytest.param(lambda _age: None, 0, "web has no container", (0, 0), id="no container"),
    ],
)
def test_wait_refuses(
    life: Callable[[float], Container | None], exec_code: int, reason: str, took: tuple[float, float]
) -> None:
    one, time = gate(life, exec_code)
    with pytest.raises(RefusedError) as caught:
        one.wait("shop-blue", [Check("web", timeout=20)])
    assert reason in caught.value.reason
    assert took[0] <= time.now - 100 <= took[1]
    assert caught.value.log == ([] if "no container" in reason else ["log of shop-blue-web-1"])


def test_wait_looks_again_at_those_that_were_well_first() -> None:
    time = Time()
    slow = replace(WEB, name="shop-blue-slow-1", service="slow", check=["true"])
    engine = Engine(time, always(WEB))

    def containers(*projects: str) -> list[Container]:
        age = time.now - 100
        return [replace(CHECKED, restarts=int(age > 3)), replace(slow, status="running" if age > 5 else "created")]

    engine.containers = containers  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="web stopped and had to be started again"):
        Gate(cast(Docker, engine), clock=time.clock, sleep=time.sleep).wait("shop-blue", [Check("web"), Check("slow")])


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    hosts: list[str] = []  # noqa: RUF012 - shared with the test on purpose

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        if self.path == "/hang":
            threading.Event().wait(1)
        if self.path == "/garbage":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/200", None),
        ("/204", None),
        ("/302", None),
        ("/399", None),
        ("/404", "answered 404"),
        ("/503", "answered 503"),
        ("/hang", "gave no answer in 0 s"),
        ("/garbage", "broke the connection off"),
    ],
)
def test_http_get(port: int, path: str, expected: str | None) -> None:
    answer = http_get(port, path, "shop.example", 0.3)
    assert answer == expected if expected is None else expected in str(answer)
    assert Answers.hosts[-1] == "shop.example"


def test_a_port_that_nobody_listens_on(closed_port: int) -> None:
    assert http_get(closed_port, "/", None, 1) == "refused the connection"
    assert tcp_connect(closed_port, 1) == "refused the connection"


def test_tcp_connect(port: int) -> None:
    assert tcp_connect(port, 1) is None


def test_watch_forgives_one_bad_answer_but_not_two(monkeypatch: pytest.MonkeyPatch) -> None:
    one, time = gate(always(WEB))
    answers = iter([None, "answered 503", None, "answered 503", None])
    monkeypatch.setattr(one, "ask", lambda *_: next(answers))
    one.watch("shop-blue", [Check("web", 1, "/h")], 5)
    assert time.now == 105
    answers = iter([None, "answered 503", "answered 503"])
    with pytest.raises(RefusedError, match=r"web: GET http://127.0.0.1:1/h answered 503, after it was well"):
        one.watch("shop-blue", [Check("web", 1, "/h")], 5)


def test_watch_sees_a_crash() -> None:
    one, time = gate(lambda age: replace(WEB, restarts=int(age >= 2)))
    with pytest.raises(RefusedError, match="had to be started again"):
        one.watch("shop-blue", [Check("web")], 30)
    assert time.now == 102
