# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.tree import apply
from ansible_collections.mainstay.platform.plugins.module_utils.tree.plan import Found, Plan, Step, plan
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry, TreeError

ME, MINE = os.getuid(), os.getgid()


def entry(path: Path, content: str = "", **more: Any) -> Entry:
    return Entry(str(path), "file", ME, MINE, content=content, **more)


def planned(record: Path, *entries: Entry) -> Plan:
    return plan(entries, apply.look, apply.read_record(str(record)), lambda name: ME, lambda name: MINE)


def settle(record: Path, *entries: Entry) -> Plan:
    made = planned(record, *entries)
    apply.commit(made, str(record), {})
    return made


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "trees" / "t.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_a_life(root: Path, record: Path) -> None:
    first = entry(root / "sub" / "a", "1", mode=0o640)
    link = Entry(str(root / "l"), "link", target="sub/a")
    assert settle(record, first, link).changed_files == [str(root / "l"), str(root / "sub"), str(root / "sub/a")]
    assert (root / "l").read_text() == "1"
    assert (root / "sub/a").stat().st_mode & 0o7777 == 0o640
    assert record.stat().st_mode & 0o7777 == 0o600
    assert planned(record, first, link).steps == []
    assert settle(record, link).removed_files == [str(root / "sub"), str(root / "sub/a")]
    assert settle(record).removed_files == [str(root / "l")]
    assert list(root.iterdir()) == []
    assert not record.exists()


def test_a_full_disk_changes_nothing(root: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [entry(root / "a", "old"), entry(root / "b", "old")]
    settle(record, *old)
    before = record.read_text()
    real = os.fsync
    calls = iter(range(99))

    def full(descriptor: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    made = planned(record, entry(root / "a", "new"), entry(root / "b", "new"), entry(root / "new" / "c", "new"))
    with pytest.raises(OSError, match="No space left"):
        apply.commit(made, str(record), {})
    assert {path.name: path.read_text() for path in root.iterdir()} == {"a": "old", "b": "old"}
    assert record.read_text() == before


def test_leftovers_of_a_killed_run_are_no_obstacle(root: Path, record: Path) -> None:
    (root / ".a.mainstay-new").write_text("half")
    settle(record, entry(root / "a", "whole"))
    assert [path.name for path in root.iterdir()] == ["a"]


def test_the_content_is_never_readable_for_others_on_its_way(
    root: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = os.fchown

    def watch(descriptor: int, uid: int, gid: int) -> None:
        seen.append(os.fstat(descriptor).st_mode & 0o7777)
        real(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", watch)
    settle(record, entry(root / "a", "x", mode=0o640))
    assert set(seen) == {0o600}


TREES = {
    "sees new content": ([("a", "new")], "grep -q new %s/a", None),
    "sees what stays": ([("a", "new")], "grep -q theirs %s/b", None),
    "does not see what goes": ([], "test ! -e %s/a", None),
    "follows absolute links into the copy": ([("a", "new")], "grep -q new %s/absolute", None),
    "refuses": ([("a", "new")], "ls %s/nope", "nope"),
}


@pytest.mark.parametrize(("files", "command", "complaint"), TREES.values(), ids=TREES)
def test_validate_tree(
    root: Path, record: Path, tmp_path: Path, files: list[tuple[str, str]], command: str, complaint: str | None
) -> None:
    settle(record, entry(root / "a", "old"))
    (root / "b").write_text("theirs")
    (root / "absolute").symlink_to(root / "a")
    made = planned(record, *(entry(root / name, content) for name, content in files))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    if complaint is None:
        apply.validate_tree(command, str(root), made.steps, str(scratch))
    else:
        with pytest.raises(TreeError) as caught:
            apply.validate_tree(command, str(root), made.steps, str(scratch))
        assert f"{root}/{complaint}" in str(caught.value)
        assert str(scratch) not in str(caught.value)
    assert (root / "a").read_text() == "old"


def test_validate_files_tells_every_refusal_by_its_real_path(root: Path, tmp_path: Path) -> None:
    steps = [
        Step("write", str(root / "a"), Found(), entry(root / "a", "x", validate="grep -q y %s")),
        Step(
            "write", str(root / "b"), Found(), entry(root / "b", "x", validate="cat %s/nope", secret=True), secret=True
        ),
        Step("write", str(root / "c"), Found(), entry(root / "c", "x", validate="grep -q x %s")),
    ]
    with pytest.raises(TreeError) as caught:
        apply.validate_files(steps, str(tmp_path))
    assert caught.value.errors == [
        f"{root}/a: refused by `grep -q y {root}/a` (exit code 1):\n",
        f"{root}/b: refused by `cat {root}/b/nope` (exit code 1):\n(output hidden: the file is secret)",
    ]


def test_a_missing_validator_is_told_apart(root: Path, tmp_path: Path) -> None:
    with pytest.raises(apply.ProgramMissingError, match=r"no-such-program, which validates .*, is not installed"):
        apply.validate_tree("no-such-program %s", str(root), [], str(tmp_path))


def test_a_broken_record_says_what_to_do(record: Path) -> None:
    record.parent.mkdir()
    record.write_text("{")
    with pytest.raises(TreeError, match="delete it"):
        apply.read_record(str(record))


DIFFS = {
    "new": (Step("write", "/x", Found(), Entry("/x", "file", content="n\n")), ("", "n\n")),
    "changed": (Step("write", "/x", Found("file", b"o\n"), Entry("/x", "file", content="n\n")), ("o\n", "n\n")),
    "no text before": (
        Step("write", "/x", Found("file", b"\xff"), Entry("/x", "file")),
        ("(1 bytes that are no text)\n", ""),
    ),
    "removed": (Step("remove", "/x", Found("file", b"o\n")), ("o\n", "")),
    "mode": (
        Step("attributes", "/x", Found("file", b"o", mode=0o600), Entry("/x", "file"), 0, 0),
        ("file 0:0 0600\n", "file 0:0 0644\n"),
    ),
    "link": (
        Step("write", "/x", Found("link", target="a"), Entry("/x", "link", target="b")),
        ("link to a\n", "link to b\n"),
    ),
}


@pytest.mark.parametrize(("step", "shown"), DIFFS.values(), ids=DIFFS)
def test_differences(step: Step, shown: tuple[str, str]) -> None:
    [difference] = apply.differences([step])
    assert (difference["before"], difference["after"]) == shown


@pytest.mark.parametrize("action", ["write", "remove"])
def test_secrets_are_not_in_a_diff(action: str) -> None:
    entry = Entry("/x", "file", content="hunter2") if action == "write" else None
    [difference] = apply.differences([Step(action, "/x", Found("file", b"hunter1"), entry, secret=True)])
    assert "hunter" not in str(difference)
    assert "/x" in difference["prepared"]


def test_a_record_says_what_was_settled_only_once_it_is(
    root: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply.commit(planned(record, entry(root / "a", "1")), str(record), {"digest": "one"})
    assert apply.read_settled(str(record)) == {"digest": "one"}

    def fall(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(apply, "_take", fall)
    with pytest.raises(OSError, match="the disk is gone"):
        apply.commit(planned(record, entry(root / "a", "2")), str(record), {"digest": "two"})
    assert apply.read_settled(str(record)) == {}
