# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds, which set is taken, how it comes back, and what is pruned."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import set_moment
from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import Policy
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.keep import fetch, prune, shelf

from tests.unit.plugins.module_utils.keep.shop import JOB, Shop, shelve

A, B, C = "20261119-020000", "20261120-020000", "20261121-020000"
NOW = set_moment("20261121-030000")


def entries(shop: Shop) -> list[shelf.Entry]:
    return shelf.look(shop, "near")


def test_sets_are_told_by_their_manifests() -> None:
    shop = Shop()
    shelve(shop, B, "not_verified")
    shelve(shop, C, part="a")
    shelve(shop, C, part="b")
    shop.objects["db/readme.txt"] = b"x"
    first, second = entries(shop)
    assert (first.set, first.whole, first.proven, first.verdict) == (B, True, False, "not_verified")
    assert second.as_dict() == {
        "store": "near", "folder": "db/", "set": C, "job": "app-db", "app": "app", "database": "db",
        "engine": "postgresql", "names": [f"db/pg-backup-{C}-a.dump.age", f"db/pg-backup-{C}-b.dump.age"],
        "size": 32, "started": "2026-11-21T02:00:00Z", "whole": True, "problem": "", "proven": True, "verdict": "ok",
        "level": "full", "recipients": ["age1x"], "counted": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda o, n: o.pop(n + ".manifest.json"), f"pg-backup-{C}.dump.age has no manifest"),
        (lambda o, n: o.pop(n), f"pg-backup-{C}.dump.age.manifest.json has no backup"),
        (lambda o, n: o.update({n: b"short"}), f"pg-backup-{C}.dump.age has 5 bytes, its manifest says 15"),
        (lambda o, n: o.update({n + ".manifest.json": b"{"}), "pg-backup-.*manifest.json is damaged: Expecting"),
        (
            lambda o, n: o.update({n + ".manifest.json": o[f"db/pg-backup-{B}.dump.age.manifest.json"]}),
            f"pg-backup-{C}.dump.age.manifest.json is the manifest of something else",
        ),
    ],
    ids=["no manifest", "no backup", "another size", "damaged manifest", "manifest of another"],
)
def test_what_is_not_whole_is_said_and_not_taken(change: Any, problem: str) -> None:
    shop = Shop()
    shelve(shop, B)
    change(shop.objects, shelve(shop, C))
    found = entries(shop)
    assert re.match(problem, found[-1].problem)
    assert not found[-1].proven
    assert shelf.choose(found, NOW).set == B


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        pytest.param(["a", "b"], "", id="all"),
        pytest.param(["a"], f"incomplete: pg-backup-{C}-b.dump.age is not there", id="one of two"),
    ],
)
def test_a_set_that_lacks_a_piece_is_not_taken(there: list[str], problem: str) -> None:
    shop = Shop()
    shelve(shop, B)
    for part in there:
        shelve(shop, C, part=part, pieces=[f"pg-backup-{C}-{name}.dump.age" for name in "ab"])
    found = entries(shop)
    assert found[-1].problem == problem
    assert shelf.choose(found, NOW).set == (B if problem else C)
    if problem:
        with pytest.raises(ValueError, match=f"{C} is not whole: {problem}"):
            shelf.choose(found, NOW, C)


def test_one_whose_manifest_is_on_its_way_is_there() -> None:
    shop = Shop()
    for part in "ab":
        shelve(shop, C, part=part, pieces=[f"pg-backup-{C}-{name}.dump.age" for name in "ab"])
    del shop.objects[f"db/pg-backup-{C}-b.dump.age.manifest.json"]
    assert entries(shop)[0].problem == f"pg-backup-{C}-b.dump.age has no manifest"


def test_a_manifest_that_cannot_be_read_hides_no_other() -> None:
    shop = Shop(fails={f"read db/pg-backup-{C}": (1, None)})
    shelve(shop, B)
    shelve(shop, C)
    found = entries(shop)
    assert [item.whole for item in found] == [True, False]
    assert "cannot be read: cannot read" in found[1].problem


@pytest.mark.parametrize(
    ("wanted", "at", "taken"),
    [
        ("", "", B),
        (C, "", C),
        ("20261119", "", A),
        ("", "20261120", B),
        ("", "2026-11-20 01:59", A),
        ("", "2026-11-20T02:00:00Z", B),
    ],
    ids=[
        "newest proven",
        "the one that is not proven, named",
        "that day",
        "not after a day",
        "before a minute",
        "then",
    ],
)
def test_which_set_is_taken(wanted: str, at: str, taken: str) -> None:
    shop = Shop()
    for key, verdict in ((A, "ok"), (B, "ok"), (C, "not_verified")):
        shelve(shop, key, verdict)
    assert shelf.choose(entries(shop), NOW, wanted, at).set == taken


AHEAD = "20991231-020000"


@pytest.mark.parametrize(
    ("sets", "wanted", "at", "taken"),
    [
        pytest.param([B, AHEAD], "", "", B, id="the newest that is not ahead"),
        pytest.param([B, AHEAD], AHEAD, "", AHEAD, id="named"),
        pytest.param([B, AHEAD], "2099", "", AHEAD, id="named by its day"),
        pytest.param([B, AHEAD], "20", "", B, id="a name that others have as well"),
        pytest.param([B, AHEAD], "", "21000101", B, id="not younger than a day that is ahead itself"),
        pytest.param([B, "20261121-030500"], "", "", "20261121-030500", id="as much as clocks may differ"),
    ],
)
def test_a_clock_that_jumps_gives_no_newest_set(sets: list[str], wanted: str, at: str, taken: str) -> None:
    shop = Shop()
    for key in sets:
        shelve(shop, key)
    assert shelf.choose(entries(shop), NOW, wanted, at).set == taken


def test_where_all_is_ahead_it_says_how_to_take_it() -> None:
    shop = Shop()
    shelve(shop, AHEAD)
    with pytest.raises(ValueError, match=f"{AHEAD} is dated in the future: a clock is or was wrong. .* set={AHEAD}"):
        shelf.choose(entries(shop), NOW)


def test_a_date_that_is_none_is_no_backup() -> None:
    shop = Shop(objects={"db/pg-backup-20269999-020000.dump": b"x"})
    assert entries(shop) == []


@pytest.mark.parametrize(
    ("wanted", "at", "error"),
    [
        ("2025", "", f"no backup set '2025': the newest there are {B}; {C} is not whole: pg-backup-"),
        ("", "2025", f"no backup set from before '2025': the newest there are {B}; {C} is not"),
    ],
)
def test_what_is_there_is_said_when_nothing_fits(wanted: str, at: str, error: str) -> None:
    shop = Shop()
    shelve(shop, B)
    del shop.objects[shelve(shop, C)]
    with pytest.raises(ValueError, match=error):
        shelf.choose(entries(shop), NOW, wanted, at)


class Stores:
    """Two stores by their names."""

    def __init__(self) -> None:
        self.shops = {"near": Shop(), "far": Shop()}
        self.settings = [{"name": name, "prefix": ""} for name in self.shops]

    @contextlib.contextmanager
    def opened(self, settings: Mapping[str, Any]) -> Iterator[Any]:
        with self.shops[settings["name"]] as shop:
            yield shop


@pytest.fixture
def stores() -> Stores:
    return Stores()


def fetched(stores: Stores, dest: Path, **options: str) -> fetch.Fetched:
    return fetch.bring_back(stores.settings, JOB, dest, stores.opened, NOW, **options)


def test_the_near_store_gives_it(stores: Stores, tmp_path: Path) -> None:
    for shop in stores.shops.values():
        shelve(shop, C, part="a")
        shelve(shop, C, part="b")
    done = fetched(stores, tmp_path)
    assert (done.store, done.set, done.verdict, done.warnings) == ("near", C, "ok", [])
    assert done.paths == [str(tmp_path / f"pg-backup-{C}-{part}.dump.age") for part in "ab"]
    for path, item in zip(done.paths, done.manifests, strict=True):
        assert manifests.load(Path(path + ".manifest.json")) == item


@pytest.mark.parametrize("when", ["open", "list", "get"])
def test_where_one_store_cannot_the_other_does(stores: Stores, tmp_path: Path, when: str) -> None:
    for shop in stores.shops.values():
        shelve(shop, C)
    stores.shops["near"].fails[when] = (9, None)
    done = fetched(stores, tmp_path)
    assert done.store == "far"
    assert [line.startswith("store 'near': cannot ") for line in done.warnings] == [True]


def test_damage_in_one_store_is_seen_and_the_other_gives_it(stores: Stores, tmp_path: Path) -> None:
    for shop in stores.shops.values():
        name = shelve(shop, C)
    stores.shops["near"].objects[name] = b"x" * 15
    done = fetched(stores, tmp_path)
    assert (done.store, done.warnings) == ("far", [f"store 'near': '{name}' is not what it should be"])


def test_the_newest_set_wins_over_the_nearest_store(stores: Stores, tmp_path: Path) -> None:
    shelve(stores.shops["near"], B)
    shelve(stores.shops["far"], C)
    assert fetched(stores, tmp_path).store == "far"


def test_no_store_answers(stores: Stores, tmp_path: Path) -> None:
    for shop in stores.shops.values():
        shop.fails["open"] = (1, None)
    with pytest.raises(BlobError, match="store 'near': cannot open; store 'far': cannot open"):
        fetched(stores, tmp_path)


def test_other_folders_are_not_looked_at(stores: Stores, tmp_path: Path) -> None:
    shelve(stores.shops["near"], C, folder="db2/")
    shelve(stores.shops["near"], C, folder="db/older/")
    with pytest.raises(ValueError, match="job 'app-db': no backup set: there is no complete set"):
        fetched(stores, tmp_path)


def pruned(shop: Shop, **policy: Any) -> list[prune.Pruned]:
    decisions = prune.decide(entries(shop), Policy(**policy), NOW)
    prune.carry_out(shop, decisions, NOW)
    return decisions


def test_pruning_removes_manifests_first_and_all_of_a_set() -> None:
    shop = Shop()
    shelve(shop, A, part="a")
    shelve(shop, A, part="b")
    kept = shelve(shop, C)
    done = pruned(shop, days=1)
    assert sorted(shop.objects) == [kept, kept + ".manifest.json"]
    assert [call.rpartition("-")[2] for call in shop.calls if call.startswith("remove")] == [
        "a.dump.age.manifest.json", "b.dump.age.manifest.json", "a.dump.age", "b.dump.age",
    ]  # fmt: skip
    assert [(item.as_dict()["set"], item.removed, item.decision.reason) for item in done] == [
        (A, True, "2.0 days old, 1 days are kept"),
        (C, False, "0.0 days old, 1 days are kept"),
    ]


def test_jobs_are_pruned_each_for_itself() -> None:
    shop = Shop()
    shelve(shop, A, folder="app/db/")
    shelve(shop, C, folder="app/other/", job="app-other")
    assert [item.decision.keep for item in pruned(shop, days=0)] == [True, True]


@pytest.mark.parametrize("trouble", ["a read that fails", "a manifest of a newer kind"])
def test_a_set_whose_manifest_cannot_be_read_stays(trouble: str) -> None:
    shop = Shop()
    old = "20261001-020000"
    paper = shelve(shop, old) + ".manifest.json"
    shelve(shop, C)
    if trouble == "a read that fails":
        shop.fails[f"read {paper}"] = (1, None)
    else:
        shop.objects[paper] = json.dumps({**json.loads(shop.objects[paper]), "format": 99}).encode()
    decided = pruned(shop, days=30, monthly=3)[0].decision
    assert decided.keep
    assert decided.reason.startswith(f"not judged: pg-backup-{old}")
    assert paper in shop.objects


def test_what_is_not_ours_stays() -> None:
    shop = Shop()
    shelve(shop, C)
    shop.objects |= {"tax-20200101-000000.pdf": b"x", "db/notes-20200101-000000.txt": b"x", "other": b"x"}
    shop.objects["db/pg-backup-20200101-000000.dump.age"] = b"was never finished"
    pruned(shop, days=0)
    assert sorted(name for name in shop.objects if C not in name) == [
        "db/notes-20200101-000000.txt", "other", "tax-20200101-000000.pdf",
    ]  # fmt: skip


def test_uploads_of_others_in_the_same_bucket_go_on() -> None:
    shop = Shop(begun=["backups/db/x", "films/long.mkv"])
    assert prune.carry_out(shop, [], NOW, "backups") == ["backups/db/x"]
    assert shop.begun == ["films/long.mkv"]


def test_a_lock_is_said_and_hinders_nothing() -> None:
    shop = Shop(locked=True)
    shelve(shop, A)
    shelve(shop, C)
    (gone, _kept) = pruned(shop, days=0)
    assert (gone.removed, gone.error) == (False, f"'db/pg-backup-{A}.dump.age.manifest.json' is locked")
    assert len(shop.objects) == 4


def test_interrupted_pruning_leaves_nothing_that_looks_whole() -> None:
    shop = Shop()
    shelve(shop, A)
    shelve(shop, C)
    decisions = prune.decide(entries(shop), Policy(days=0), NOW)
    shop.fails[f"remove {decisions[0].entry.names[0]}$"] = (1, None)
    prune.carry_out(shop, decisions, NOW)
    assert [item.whole for item in entries(shop)] == [False, True]
    pruned(shop, days=0)
    assert all(C in name for name in shop.objects)


def test_manifests_of_a_future_kind_are_not_ours_to_judge() -> None:
    shop = Shop()
    name = shelve(shop, C)
    shop.objects[name + ".manifest.json"] = json.dumps(
        {**json.loads(shop.objects[name + ".manifest.json"]), "format": 99}
    ).encode()
    assert "has format 99" in entries(shop)[0].problem
