# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Into the stores: in order, each for itself, and what was missed later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_moment
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import OVERWRITE_REFUSED
from ansible_collections.mainstay.platform.plugins.module_utils.keep.upload import Outcome, bring, due, remember

from tests.unit.plugins.module_utils.keep.shop import JOB, Shop, make

OLD, NEW = "20261120-020000", "20261121-020000"
NOW = set_moment("20261121-030000")


class Server:
    """A directory with backups, and what the server remembers of one store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.here: list[dict[str, Any]] = []
        self.known: dict[str, Any] = {}

    def backs_up(self, key: str, *parts: str) -> None:
        self.here += [make(self.directory, key, part=part) for part in parts or ("",)]

    def forgets(self, key: str) -> None:
        self.here = [item for item in self.here if item["set"] != key]

    def sends(self, shop: Shop, prefix: str = "{app}", now: float = NOW) -> Outcome:
        def save(known: dict[str, Any]) -> None:
            self.known = {key: list(value) if isinstance(value, list) else value for key, value in known.items()}

        settings = {"name": "near", "prefix": prefix}
        return bring(settings, JOB, self.directory, self.here, self.known, save, now, lambda _: shop)  # type: ignore[arg-type,return-value]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_the_newest_first_and_manifests_last(server: Server) -> None:
    server.backs_up(OLD)
    server.backs_up(NEW, "a", "b")
    shop = Shop()
    done = server.sends(shop)
    assert (done.error, done.unverified) == ("", [])
    assert done.sent == [
        f"pg-backup-{NEW}-a.dump.age",
        f"pg-backup-{NEW}-b.dump.age",
        f"pg-backup-{NEW}-a.dump.age.manifest.json",
        f"pg-backup-{NEW}-b.dump.age.manifest.json",
        f"pg-backup-{OLD}.dump.age",
        f"pg-backup-{OLD}.dump.age.manifest.json",
    ]
    assert sorted(shop.objects) == sorted(f"app/db/{name}" for name in done.sent)
    assert server.known["sets"] == [OLD, NEW]
    assert server.known["newest"] == set_moment(NEW)


def test_of_a_set_that_lacks_one_nothing_is_sent(server: Server) -> None:
    server.backs_up(OLD)
    server.backs_up(NEW, "a")
    server.here[-1]["pieces"] = [f"pg-backup-{NEW}-{part}.dump.age" for part in "ab"]
    done = server.sends(Shop())
    assert (done.error, done.sent) == ("", [f"pg-backup-{OLD}.dump.age{end}" for end in ("", ".manifest.json")])
    assert server.known["sets"] == [OLD]


def test_the_second_time_nothing_is_sent(server: Server) -> None:
    server.backs_up(NEW)
    shop = Shop()
    server.sends(shop)
    assert server.sends(shop).sent == []


def test_a_clock_that_jumps_is_not_remembered_as_the_newest(server: Server) -> None:
    """What it says of the newest set is an alert's only source where no reader looks into the store."""
    ahead = "20991231-020000"
    server.backs_up(OLD)
    server.backs_up(ahead)
    server.sends(Shop())
    assert (server.known["sets"], server.known["newest"]) == ([OLD, ahead], set_moment(OLD))


def test_a_newest_that_is_ahead_is_forgotten(server: Server) -> None:
    """An earlier version remembered it, or the clock was set right since."""
    server.backs_up(OLD)
    server.known = {"newest": set_moment("20991231-020000")}
    server.sends(Shop())
    assert server.known["newest"] == set_moment(OLD)


@pytest.mark.parametrize(
    "when", ["open", "put", f"put app/db/pg-backup-{NEW}.dump.age.manifest"], ids=["start", "file", "commit"]
)
def test_what_a_store_missed_it_gets_later(server: Server, when: str) -> None:
    server.backs_up(OLD)
    shop = Shop()
    server.sends(shop)
    server.backs_up(NEW)
    shop.fails[when] = (1, None)
    failed = server.sends(shop)
    assert failed.error.startswith("cannot ")
    assert server.known["sets"] == [OLD]
    assert server.known["newest"] == set_moment(OLD)
    assert f"app/db/pg-backup-{NEW}.dump.age.manifest.json" not in shop.objects
    done = server.sends(shop)
    assert (done.error, done.unverified) == ("", [])
    assert len(shop.objects) == 4
    assert server.known["sets"] == [OLD, NEW]


@pytest.mark.parametrize("code", ["PreconditionFailed", "BlobAlreadyExists", OVERWRITE_REFUSED])
def test_a_lost_answer_is_not_fatal_but_said(server: Server, code: str) -> None:
    """The file is there, but whoever may only create cannot tell."""
    server.backs_up(NEW)
    shop = Shop(fails={"answer": (1, None)})
    assert server.sends(shop).error
    shop.fails["put"] = (1, code)
    done = server.sends(shop)
    assert done.error == ""
    assert done.unverified == [f"pg-backup-{NEW}.dump.age: there already, which this credential cannot compare"]
    assert server.known["sets"] == [NEW]


def test_a_name_that_another_took_before_is_an_error(server: Server) -> None:
    server.backs_up(NEW)
    shop = Shop(objects={f"app/db/pg-backup-{NEW}.dump.age": b"planted"})
    assert server.sends(shop).error.endswith("exists already")
    assert server.known["sets"] == []


def test_what_is_gone_here_is_forgotten_but_not_when_the_newest_was(server: Server) -> None:
    server.backs_up(OLD)
    shop = Shop()
    server.sends(shop)
    server.forgets(OLD)
    server.sends(shop)
    assert server.known == {"files": [], "tried": [], "sets": [], "newest": set_moment(OLD)}


def test_settings_that_make_no_sense_are_an_error_of_this_store_alone(server: Server) -> None:
    known: list[Any] = []
    done = bring({"name": "near", "bucket": ""}, JOB, server.directory, [], {}, known.append, NOW)
    assert (
        done.error
        == "credential.kind: missing (one of account_key, sas, connection_string, managed_identity, service_principal)"
    )


def test_nothing_here_nothing_due() -> None:
    assert due([], {}) == []
    assert remember({}, [], NOW) == {"files": [], "tried": [], "sets": []}
