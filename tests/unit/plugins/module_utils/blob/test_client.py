# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import client as module
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import (
    Body,
    Client,
    MissingLibraryError,
    pause,
    require,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure, StoppedError

CONNECTION = "BlobEndpoint=http://127.0.0.1:9/a;AccountName=a;AccountKey=c2VjcmV0a2V5"


@pytest.mark.parametrize(
    ("tries", "elapsed", "retry_after", "expected"),
    [
        pytest.param(0, 0.0, None, 0.25, id="first"),
        pytest.param(1, 0.3, None, 0.5, id="second"),
        pytest.param(5, 3.0, None, 1.0, id="a short outage is noticed within a second"),
        pytest.param(9, 60.0, None, 15.0, id="a quarter of a long one"),
        pytest.param(50, 3600.0, None, 30.0, id="never more than 30 s"),
        pytest.param(0, 0.0, 17.0, 17.0, id="Retry-After"),
        pytest.param(0, 0.0, 0.0, 0.0, id="Retry-After at once"),
    ],
)
def test_pause(tries: int, elapsed: float, retry_after: float | None, expected: float) -> None:
    assert pause(tries, elapsed, retry_after, 1.0) == expected
    if retry_after is None:
        assert pause(tries, elapsed, retry_after, 0.0) == expected / 2


class AnswerError(Exception):
    def __init__(self, status: int, code: str = "ServerBusy", retry_after: str = "0") -> None:
        super().__init__(f"{code} for sig=geheim")
        self.status_code, self.error_code = status, code
        self.response = type("Response", (), {"headers": {"Retry-After": retry_after}})()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(module, "_container_client", lambda *_: None)
    return Client(resolve(None, None, CONNECTION), "box")


def script(*steps: Any) -> Any:
    waiting = list(steps)

    def act() -> Any:
        step = waiting.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    act.left = waiting  # type: ignore[attr-defined]
    return act


def test_what_passes_is_tried_again(client: Client) -> None:
    assert client.call("do it", script(AnswerError(503), ConnectionResetError("x"), AnswerError(500), "done")) == "done"


def test_a_refusal_is_not_tried_again(client: Client) -> None:
    act = script(AnswerError(403, "AuthorizationFailure"), "never")
    with pytest.raises(
        BlobError, match=r"^Cannot do it in container 'box' of account 'a' .*the key is not accepted"
    ) as caught:
        client.call("do it", act)
    assert act.left == ["never"]
    assert caught.value.code == "AuthorizationFailure"
    assert "geheim" not in str(caught.value)


def test_a_service_that_never_answered_is_given_up_soon(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_ANSWER", 0.3)
    with pytest.raises(BlobError, match="refuses connections"):
        client.call("do it", script(*[ConnectionRefusedError("x")] * 50))


def test_one_that_answered_is_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_ANSWER", 0.0)
    client.call("begin", script("there"))
    assert client.call("do it", script(ConnectionRefusedError("x"), ConnectionRefusedError("x"), "back")) == "back"


def test_too_long_an_outage(client: Client) -> None:
    client.outage = 10.0
    with pytest.raises(BlobError, match="busy or ill"):
        client.call("do it", script(AnswerError(503, retry_after="60"), "never"))


def test_the_deadline_ends_everything(client: Client) -> None:
    client.timeout = 0.2
    client.restart()
    started = time.monotonic()
    with pytest.raises(BlobError, match=r"Gave up after 0\.2 s \(timeout\)"):
        client.call("do it", script(*[AnswerError(503, retry_after="30")] * 5))
    assert time.monotonic() - started < 2


def test_stopping_wakes_one_that_waits(client: Client) -> None:
    threading.Timer(0.1, client.stop.set).start()
    started = time.monotonic()
    with pytest.raises(StoppedError):
        client.call("do it", script(*[AnswerError(503, retry_after="30")] * 5))
    assert time.monotonic() - started < 2


def test_a_failure_may_be_a_result_after_a_lost_answer(client: Client) -> None:
    seen: list[tuple[str, bool]] = []

    def lost(failure: Failure, repeated: bool) -> str | None:
        seen.append((failure.kind, repeated))
        return "it was ours" if repeated else None

    assert (
        client.call("do it", script(ConnectionResetError("x"), AnswerError(409, "BlobAlreadyExists")), lost=lost)
        == "it was ours"
    )
    assert seen == [("dropped", False), ("answer", True)]


def test_a_bug_is_not_hidden(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        client.call("do it", script(ZeroDivisionError()))


def test_a_body_comes_in_pieces_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 3)
    data, checks = b"0123456789", iter([None] * 4 + [StoppedError()] * 9)

    def check() -> None:
        if error := next(checks):
            raise error

    body = Body(10, lambda offset, size: data[offset : offset + size], check)
    assert len(body) == 10
    assert list(body) == [b"012", b"345", b"678", b"9"]
    with pytest.raises(StoppedError):
        list(body)


def test_a_missing_library_names_the_interpreter() -> None:
    with pytest.raises(MissingLibraryError, match=r"^the Python package no-such is missing for .*python"):
        require("no_such_module_at_all", "no-such")
