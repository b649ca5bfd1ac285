# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted secrets turn up nowhere they should not be."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import outside
import pytest
import yaml

PLANTED = "planted-Zq8vN2wKx7Lm4Rt9"


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that a loud release with a changed secret, a backup and a check run leave to be read."""
    folder = tmp_path_factory.mktemp("secret")
    planted = folder / "planted.yml"
    planted.write_text(yaml.safe_dump({"snippetly_jwt_secret": PLANTED}))
    processes: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            processes.update(
                outside.on_server("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; true").splitlines()
            )
            processes.update(outside.run("ps", "-eo", "args").stdout.splitlines())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        out = ""
        for name, args in (
            ("site.yml", ("-vvv", "--check", "--diff")),
            ("site.yml", ("-vvv", "--diff")),
            ("playbooks/backup.yml", ("-vvv", "--diff")),
        ):
            done = outside.playbook(name, *args, "-e", f"@{planted}")
            out += done.stdout + done.stderr
    finally:
        stop.set()
        thread.join()
    assert "serving" in out or "changed" in out
    return {
        "ansible -vvv --diff": out,
        "process list": "\n".join(sorted(processes)),
        "journal": outside.on_server("journalctl --no-pager -q -o cat"),
        "log files": outside.on_server(
            "find /var/log -type f -not -path '*/journal/*' -exec zcat -f {} + | tr -c '[:print:]' '\\n'; true"
        ),
    }


def secrets() -> dict[str, str]:
    """Every secret of the test bed by name, and the planted one."""
    found = {"planted": PLANTED}
    for path in sorted((outside.STATE / "secrets").iterdir()):
        if path.is_file():
            found[path.name] = path.read_text().strip()
    assert len(found) >= 4, "the test bed's secrets are not where this test looks"
    return found


@pytest.mark.parametrize("place", ["ansible -vvv --diff", "process list", "journal", "log files"])
def test_secrets_are_in_no(traces: dict[str, str], place: str) -> None:
    assert len(traces[place]) > 100
    assert [name for name, value in secrets().items() if value in traces[place]] == []


def test_secrets_are_in_no_world_readable_file(traces: dict[str, str]) -> None:
    patterns = "\n".join(secrets().values()) + "\n"
    hits = outside.on_server(
        "cat > /run/patterns && chmod 600 /run/patterns && "
        "find / -xdev -type f -perm -o=r -not -path '/proc/*' -not -path '/sys/*' -not -path '/usr/*' "
        "-not -path '/var/lib/docker/*' -size -20M -print0 | xargs -0 grep -lFf /run/patterns --; rm -f /run/patterns",
        stdin=patterns,
    ).split()
    unreachable = [path for path in hits if not reachable(path)]
    assert [path for path in hits if path not in unreachable] == []


def reachable(path: str) -> bool:
    """Whether somebody without rights can get at the file through its directories."""
    return bool(
        outside.on_server(
            f"setpriv --reuid=65534 --regid=65534 --clear-groups cat {path} >/dev/null 2>&1 && echo yes; true"
        ).strip()
    )


def test_the_new_secret_is_in_use(traces: dict[str, str]) -> None:
    inspected = json.loads(
        outside.on_server("docker inspect $(docker ps -q --filter label=com.docker.compose.service=backend)")
    )
    environment = "\n".join(inspected[0]["Config"]["Env"])
    assert PLANTED in environment or Path("/run/secrets").name in json.dumps(inspected[0]["Mounts"])
