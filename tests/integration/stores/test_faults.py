# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the way into a store, of either kind, behind a line that breaks: nothing is lost, nothing looks whole
that is not, and the next run makes up for it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import client, s3
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import open_store
from ansible_collections.mainstay.platform.plugins.module_utils.keep import shelf
from ansible_collections.mainstay.platform.plugins.module_utils.keep.upload import Outcome, bring

from tests.integration.stores.conftest import MIB, Proxy, Service, Weed
from tests.unit.plugins.module_utils.keep.shop import JOB, manifest

SET = "20261121-020000"
FILE = f"pg-backup-{SET}.dump.age"
SIZE = 40 * MIB + 5


@dataclasses.dataclass
class Place:
    """A store as the server reaches it, through the proxy, and as its reader does, past it."""

    kind: str
    proxy: Proxy
    writer: dict[str, Any]
    reader: dict[str, Any]
    directory: Path
    prefix: str

    @property
    def state(self) -> Path:
        return self.directory.parent / "state.json"

    def sends(self, **changes: Any) -> Outcome:
        item = json.loads((self.directory / f"{FILE}.manifest.json").read_text())
        known = json.loads(self.state.read_text()) if self.state.exists() else {}

        def save(state: dict[str, Any]) -> None:
            self.state.write_text(json.dumps(state))

        return bring({**self.writer, **changes}, JOB, self.directory, [item], known, save, time.time())

    def whole(self) -> bool:
        with open_store({**self.reader, "prefix": ""}) as store:
            entries = shelf.look(store, self.kind, self.prefix)
        return bool(entries) and all(entry.proven for entry in entries)

    def came_back(self, dest: Path) -> bool:
        with open_store({**self.reader, "prefix": ""}) as store:
            store.get(f"{self.prefix}/db/{FILE}", dest)
        return dest.read_bytes() == (self.directory / FILE).read_bytes()


@pytest.fixture(params=["s3", "azure"])
def place(
    request: pytest.FixtureRequest, weed: Weed, service: Service, tmp_path: Path, name: str, monkeypatch: Any
) -> Iterator[Place]:
    monkeypatch.setattr(s3, "PART", 8 * MIB)
    for module in (client, s3):
        monkeypatch.setattr(module, "FIRST_ANSWER", 2.0)
    prefix = name.partition(".")[0]
    if request.param == "s3":
        proxy = Proxy(weed.port)
        writer = {**weed.store("writer"), "endpoint_url": f"http://127.0.0.1:{proxy.port}"}
        reader = weed.store("reader")
    else:
        proxy = Proxy(service.port)
        known = {"account_url": f"http://127.0.0.1:{proxy.port}/snipback", "container": "box"}
        writer = {**known, "credential": service.sas("c")}
        reader = {**known, "account_url": service.url, "credential": service.sas("rl")}
    directory = tmp_path / "out"
    directory.mkdir()
    data = os.urandom(SIZE)
    (directory / FILE).write_bytes(data)
    (directory / f"{FILE}.manifest.json").write_text(json.dumps(manifest(SET, data)))
    settings = {"name": "near", "prefix": prefix}
    yield Place(request.param, proxy, {**writer, **settings}, {**reader, **settings}, directory, prefix)
    proxy.close()


def after(place: Place, sent: int, action: Any) -> None:
    """Do something once so many bytes have gone through."""

    def wait() -> None:
        while place.proxy.up < sent:
            time.sleep(0.002)
        action()

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("when", ["start", "midway", "commit"])
def test_down_and_made_up_for(place: Place, tmp_path: Path, when: str) -> None:
    if when == "start":
        place.proxy.cut(9e9)
    else:
        after(place, 20 * MIB if when == "midway" else SIZE - MIB, lambda: place.proxy.cut(9e9))
    failed = place.sends(outage=2)
    assert failed.error
    assert failed.sent == []
    assert not place.whole()
    place.proxy._closed_until = 0.0
    done = place.sends()
    assert (done.error, done.sent[-1:]) == ("", [f"{FILE}.manifest.json"])
    assert place.whole()
    assert place.came_back(tmp_path / "back")


def test_away_for_a_moment(place: Place, tmp_path: Path) -> None:
    after(place, 20 * MIB, lambda: place.proxy.cut(1.5))
    assert place.sends().error == ""
    assert place.whole()
    assert place.came_back(tmp_path / "back")


KILLED = """
import json, sys, time
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.blob import s3
from ansible_collections.mainstay.platform.plugins.module_utils.keep.upload import bring
s3.PART = 8 << 20
settings, job, directory, item, state = json.loads(sys.stdin.read())
known = json.loads(Path(state).read_text()) if Path(state).exists() else {}
save = lambda new: Path(state).write_text(json.dumps(new))
print(bring(settings, job, Path(directory), [item], known, save, time.time()).error)
"""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999], ids=["at the start", "midway", "near the commit"])
def test_killed_and_made_up_for(place: Place, tmp_path: Path, share: float) -> None:
    place.proxy.limit = 60 * MIB
    item = json.loads((place.directory / f"{FILE}.manifest.json").read_text())
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = json.dumps([place.writer, JOB, str(place.directory), item, str(place.state)])
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, env=env, text=True)
    assert process.stdin
    process.stdin.write(arguments)
    process.stdin.close()
    while place.proxy.up < share * SIZE and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9
    assert not place.whole()
    place.proxy.limit = None
    done = place.sends()
    assert done.error == ""
    assert place.whole()
    assert place.came_back(tmp_path / "back")


def test_a_slow_line(place: Place, tmp_path: Path) -> None:
    place.proxy.limit = 4 * MIB
    began = time.monotonic()
    assert place.sends().error == ""
    assert time.monotonic() - began > 3
    assert place.came_back(tmp_path / "back")
    place.state.unlink()


def test_an_expired_credential(place: Place, service: Service) -> None:
    """S3's refusal of an expired token has no real test: SeaweedFS hands out none. See the unit tests."""
    if place.kind == "s3":
        gone = {"credential": {"access_key_id": "expired", "secret_access_key": "x"}}
        assert "the access key 'expired' is unknown to the service" in place.sends(**gone).error
    else:
        gone = {"credential": service.sas("c", expiry=-datetime.timedelta(hours=1))}
        assert "the SAS expired at 20" in place.sends(**gone).error
    assert place.sends().error == ""
    assert place.whole()
