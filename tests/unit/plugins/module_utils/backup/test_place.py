# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import ALONE, GUARD, Place, ToolError

HERE = Place()


@pytest.mark.parametrize(
    ("place", "env", "guarded", "command"),
    [
        pytest.param(HERE, {}, False, ["pg_dump", "-Fc"], id="host"),
        pytest.param(HERE, {"A": "secret"}, False, ["pg_dump", "-Fc"], id="host with a secret"),
        pytest.param(HERE, {}, True, ["sh", "-c", GUARD, "sh", "pg_dump", "-Fc"], id="host, guarded"),
        pytest.param(
            Place("c-1"), {}, False, ["docker", "exec", "--interactive", "c-1", "pg_dump", "-Fc"], id="container"
        ),
        pytest.param(
            Place("c-1"),
            {"B": "x", "A": "secret"},
            False,
            ["docker", "exec", "--interactive", "--env", "A", "--env", "B", "c-1", "pg_dump", "-Fc"],
            id="container with secrets",
        ),
        pytest.param(
            Place(image="postgres:16", files=("/etc/ca.pem",)),
            {"A": "secret"},
            False,
            ["docker", "run", "--interactive", *ALONE, "--volume=/etc/ca.pem:/etc/ca.pem:ro", "--env", "A",
             "postgres:16", "pg_dump", "-Fc"],
            id="image",
        ),
    ],
)  # fmt: skip
def test_commands_hold_names_of_secrets_only(
    place: Place, env: dict[str, str], guarded: bool, command: list[str]
) -> None:
    assert place.command(["pg_dump", "-Fc"], env, guarded) == command


def test_what_a_tool_prints() -> None:
    assert HERE.run(["sh", "-c", "echo $A"], env={"A": "secret"}) == "secret\n"


def test_a_tool_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    with (tmp_path / "x").open("rb") as file, HERE.running(["cat"], source=file) as tool:
        assert tool.stdout.read() == b"content"


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "guarded"])
@pytest.mark.parametrize(
    ("argv", "error", "missing"),
    [
        pytest.param(
            ["sh", "-c", "echo no luck >&2; exit 3"], "sh in this host failed with status 3: no luck", False, id="fails"
        ),
        pytest.param(["sh", "-c", "exit 1"], "failed with status 1: it said nothing", False, id="fails silently"),
        pytest.param(["there-is-no-such-tool"], "there-is-no-such-tool is not installed", True, id="is missing"),
    ],
)
def test_a_tool_that(argv: list[str], error: str, missing: bool, guarded: bool) -> None:
    with pytest.raises(ToolError, match=error) as caught, HERE.running(argv, guarded=guarded) as tool:
        tool.stdout.read()
    assert caught.value.missing == missing


def test_a_tool_that_prints_all_and_then_fails_has_failed() -> None:
    with pytest.raises(ToolError, match="status 1"), HERE.running(["sh", "-c", "echo data; exit 1"]) as tool:
        assert tool.stdout.read() == b"data\n"


def test_a_tool_that_takes_too_long() -> None:
    begin = time.monotonic()
    with (
        pytest.raises(ToolError, match="did not finish within 0 s and was stopped"),
        HERE.running(["sleep", "60"], timeout=0.3) as tool,
    ):
        tool.stdout.read()
    assert time.monotonic() - begin < 10


def test_when_the_reader_fails_the_tool_goes_too() -> None:
    with pytest.raises(ValueError, match="mine"), HERE.running(["sleep", "60"]) as tool:
        raise ValueError("mine")
    assert tool.process.poll() is not None


def test_much_on_standard_error_does_not_block() -> None:
    assert HERE.run(["sh", "-c", "head -c 1000000 /dev/zero >&2; echo done"]) == "done\n"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_guarded_tool_dies_with_whoever_started_it(tmp_path: Path) -> None:
    """As in a container: the tool is no child of ours, all that it shares with us is the standard input."""
    note = tmp_path / "pid"
    process = subprocess.Popen(
        HERE.command(["sh", "-c", f"echo $$ > {note}; exec sleep 60"], {}, guarded=True), stdin=subprocess.PIPE
    )
    while not (note.exists() and note.read_text().strip()):
        time.sleep(0.02)
    pid = int(note.read_text())
    assert alive(pid)
    assert process.stdin
    process.stdin.close()
    process.wait(timeout=10)
    assert not alive(pid)


def test_a_guarded_tool_is_nice() -> None:
    assert min(int(HERE.run(["nice"])) + 10, 19) == int(HERE.run(["nice"], guarded=True))


@pytest.mark.parametrize(
    ("status", "said", "error", "missing"),
    [
        (1, "Error response from daemon: No such container: c-1", "container 'c-1' is not there or not running", False),
        (1, "Error response from daemon: container 4f is not running", "container 'c-1' is not there or not", False),
        (
            127,
            'OCI runtime exec failed: exec failed: unable to start container process: exec: "pg_dump": executable file'
            " not found in $PATH: unknown",
            "pg_dump is not installed in container 'c-1'",
            True,
        ),
        (126, 'exec: "pg_dump": executable file not found in $PATH: unknown', "pg_dump is not installed in", True),
        (1, "pg_dump: error: query failed", "pg_dump in container 'c-1' failed with status 1: pg_dump: error", False),
    ],
)
def test_what_docker_says(status: int, said: str, error: str, missing: bool) -> None:
    failure = Place("c-1").failure("pg_dump", status, said)
    assert error in str(failure)
    assert failure.missing == missing


def test_without_docker_it_is_docker_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="docker is not installed on this host"):
        Place("c-1").run(["pg_dump"])


def test_a_signal_ends_the_tool() -> None:
    with pytest.raises(ToolError, match="status -15"), HERE.running(["sleep", "60"]) as tool:
        tool.process.send_signal(signal.SIGTERM)
        assert io.BytesIO(tool.stdout.read()).read() == b""
