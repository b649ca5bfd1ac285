# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import MIB, ROOT, Proxy, Service


def play(tmp_path: Path, tasks: list[dict[str, Any]], *arguments: str, python: str = sys.executable) -> Any:
    """Run tasks on this machine; the output, and each task's result."""
    book = tmp_path / "play.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "vars": {"ansible_python_interpreter": python},
                    "tasks": tasks,
                }
            ]
        )
    )
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json" if not arguments else "ansible.builtin.default",
        "ANSIBLE_CACHE_PLUGIN": "memory",
    }
    ansible = Path(sys.executable).parent / "ansible-playbook"
    command = [str(ansible), "-i", "localhost,", "-c", "local", str(book), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    output = done.stdout + done.stderr
    if arguments:
        return output
    found = json.loads(done.stdout[done.stdout.index("{") :])
    return [task["hosts"]["localhost"] for play in found["plays"] for task in play["tasks"]]


def connection(service: Service, credential: dict[str, str]) -> dict[str, Any]:
    return {"account_url": service.url, "container": "box", "credential": credential}


def test_there_and_back(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    access = connection(service, service.account_key())
    put = {"mainstay.platform.blob_upload": access | {"src": str(files["middle"]), "name": name, "metadata": {"n": 1}}}
    get = {"mainstay.platform.blob_download": access | {"name": name, "dest": str(tmp_path / "out"), "mode": "0640"}}
    look = {"mainstay.platform.blob_info": access | {"prefix": name}}
    check = {"check_mode": True}
    results = play(tmp_path, [put | check, put, put | check, put, get | check, get, get | check, get, look])
    assert [result["changed"] for result in results] == [True, True, False, False, True, True, False, False, False]
    sent = results[1]
    assert sent["url"] == f"{service.url}/box/{name.replace('/', '%2F')}" or sent["url"] == f"{service.url}/box/{name}"
    assert sent["size"] == sent["transferred_bytes"] == files["middle"].stat().st_size
    assert sent["etag"] and sent["digest"].startswith("md5tree-8388608-")
    assert (tmp_path / "out").read_bytes() == files["middle"].read_bytes()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
    [found] = results[-1]["objects"]
    assert (found["name"], found["size"], found["metadata"]) == (name, sent["size"], {"n": "1"})


def test_a_long_transfer_is_seen_at_the_terminal(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, proxy: Proxy
) -> None:
    """Both ways last some nine seconds; the first look is after five."""
    proxy.limit = proxy.limit_down = 2 * MIB
    access = connection(service, service.account_key())
    access["account_url"] = access["account_url"].replace(str(service.port), str(proxy.port))
    put = {"mainstay.platform.blob_upload": access | {"src": str(files["large"]), "name": name, "block_size": "1m"}}
    get = {"mainstay.platform.blob_download": access | {"name": name, "dest": str(tmp_path / "out")}}
    output = play(tmp_path, [put, get, put], "--diff")
    assert "changed=2" in output and "ok=3" in output
    share = r"\d+ of 70 MiB \(\d+ %\), \d+\.\d MiB/s, \d+ s left"
    summary = r"70\.0 MiB in \d+\.\d s \(\d+\.\d MiB/s\)"
    for action, did in (("blob_upload", "sent"), ("blob_download", "fetched")):
        assert re.search(rf"^\[localhost\] {action}: '{name}': {share}$", output, re.MULTILINE)
        assert len(re.findall(rf"^\[localhost\] {action}: '{name}': .*; {did} {summary}$", output, re.MULTILINE)) == 1
    assert not list(Path("/tmp").glob("mainstay-progress-*"))


@pytest.mark.parametrize("kind", ["account_key", "sas", "connection_string", "wrong"])
def test_no_credential_is_shown(service: Service, files: dict[str, Path], name: str, tmp_path: Path, kind: str) -> None:
    credential = {
        "account_key": service.account_key(),
        "sas": service.sas("rcwl"),
        "connection_string": service.connection_string(),
        "wrong": service.sas("rcwl", key="d3Jvbmc="),
    }[kind]
    task = {
        "mainstay.platform.blob_upload": connection(service, credential) | {"src": str(files["tiny"]), "name": name}
    }
    output = play(tmp_path, [task], "-vvv", "--diff")
    assert ("failed=1" if kind == "wrong" else "changed=1") in output
    for secret in (service.key, credential.get("sas", "sig=nothing").split("sig=")[-1]):
        assert secret not in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"container": "nosuch"}, "there is no such container", id="container"),
        pytest.param({"src": "/nosuch"}, "src: /nosuch does not exist", id="file"),
        pytest.param({"concurrency": 33}, "concurrency: 33 is not a number from 1 to 32", id="concurrency"),
        pytest.param(
            {"block_size": "1k"}, "block_size: 1024 bytes are not between 256 KiB and 4000 MiB", id="block size"
        ),
        pytest.param({"timeout": 0}, "timeout: 0 is not a number of seconds", id="timeout"),
        pytest.param({"credential": {"kind": "sas"}}, "credential.sas: missing; kind sas needs it", id="credential"),
        pytest.param({"metadata": {"a-b": "ü"}}, "metadata.a-b: not a name for metadata", id="metadata"),
    ],
)
def test_bad_input(
    service: Service, files: dict[str, Path], name: str, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    access = connection(service, service.account_key())
    task = {"mainstay.platform.blob_upload": access | {"src": str(files["tiny"]), "name": name} | options}
    [result] = play(tmp_path, [task])
    assert result["failed"] and message in result["msg"]


def test_without_the_libraries(service: Service, files: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Keys and signatures need none; the identity of a machine does."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    put = {"src": str(files["tiny"]), "name": name}
    task = {"mainstay.platform.blob_upload": connection(service, service.account_key()) | put}
    get = {
        "mainstay.platform.blob_download": connection(service, service.sas("rl"))
        | {"name": name, "dest": str(tmp_path / "x")}
    }
    access = connection(service, {"kind": "managed_identity"}) | {"account_url": "https://127.0.0.1:9"}
    needy = {"mainstay.platform.blob_upload": access | put, "ignore_errors": True}
    tasks = [task | {"check_mode": True}, task, get, needy | {"check_mode": True}, needy]
    checked, sent, fetched, would, fails = play(tmp_path, tasks, python=str(bare / "bin/python"))
    assert (checked["changed"], sent["changed"], fetched["changed"]) == (True, True, True)
    assert would["changed"] and "Not compared with the store" in would["warnings"][0]
    assert fails["msg"].startswith(f"the Python package azure-identity is missing for {bare}/bin/python")
