# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a tree of files, validate a staged copy of it and carry out a plan: all or nothing, as far as a disk can."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.tree.plan import Found, Plan, Step
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import Entry, TreeError

_VALIDATION_SECONDS = 120


def look(path: str) -> Found:
    """What is at `path`; links are not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    found = Found("other", uid=status.st_uid, gid=status.st_gid, mode=stat.S_IMODE(status.st_mode))
    if stat.S_ISREG(status.st_mode):
        return replace(found, kind="file", content=Path(path).read_bytes())
    if stat.S_ISLNK(status.st_mode):
        return replace(found, kind="link", target=str(Path(path).readlink()))
    if stat.S_ISDIR(status.st_mode):
        return replace(found, kind="directory", names=tuple(sorted(place.name for place in Path(path).iterdir())))
    return found


@lru_cache
def uid_of(account: str | int) -> int | None:
    """Number of a user; None where there is none of that name."""
    if isinstance(account, int):
        return account
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


@lru_cache
def gid_of(account: str | int) -> int | None:
    """Number of a group; None where there is none of that name."""
    if isinstance(account, int):
        return account
    try:
        return grp.getgrnam(account).gr_gid
    except KeyError:
        return None


def read_settled(path: str) -> dict[str, Any]:
    """What a record says was settled (see `settled`); empty where it says nothing."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")).get("settled") or {})
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def read_record(path: str) -> dict[str, dict[str, Any]]:
    """What earlier calls wrote: path -> {kind, sha256 | target, secret}. Empty where there is no record."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8"))["paths"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise TreeError(
            [
                f"{path}: is not a record of config_tree ({error}); delete it: the next run writes it anew, "
                "and this once removes no stale file"
            ]
        ) from error


class ProgramMissingError(Exception):
    """The program that validates is not installed."""


def validate_files(steps: Sequence[Step], scratch: str) -> None:
    """Run each written file's own `validate` on a copy of its content; raises TreeError with every refusal."""
    errors = []
    for at, step in enumerate(steps):
        if step.action != "write" or step.entry is None or not step.entry.validate:
            continue
        place = Path(scratch) / f"file-{at}"
        place.mkdir(0o700)
        copy = place / Path(step.path).name
        _write(copy, step.entry.content.encode(), None, None, 0o600)
        hidden = "(output hidden: the file is secret)" if step.secret else None
        refusal = _refusal(step.entry.validate, str(copy), step.path, hidden)
        if refusal:
            errors.append(f"{step.path}: refused by {refusal}")
    if errors:
        raise TreeError(errors)


def validate_tree(command: str, root: str, steps: Sequence[Step], scratch: str) -> None:
    """Run `command` on a copy of `root` with the steps taken; raises TreeError with the validator's words."""
    staged = Path(scratch) / "tree"
    if Path(root).is_dir():
        _copy(Path(root), staged)
    else:
        staged.mkdir(0o700)
    for step in steps:
        if step.path.startswith(root + "/"):
            place = staged / Path(step.path).relative_to(root)
            _take(step, place, place)
    refusal = _refusal(command, str(staged), root)
    if refusal:
        raise TreeError([f"the tree below {root} is refused by {refusal}"])


def commit(plan: Plan, record_path: str, settled: Mapping[str, Any]) -> None:
    """Carry out the plan. Everything is written beside its place first, so that a full disk changes nothing.

    `settled` is kept in the record once everything has come true.
    """
    record = Path(record_path)
    with _lock(record.parent):
        made: list[Path] = []
        try:
            for step in plan.steps:
                if step.action == "write" and step.entry is not None:
                    _prepare(step, step.entry, made)
            before = read_record(record_path)
            _save_record(record, before | plan.record, {})
        except BaseException:
            for path in reversed(made):
                _discard(path)
            raise
        touched = set()
        for step in plan.steps:
            place = Path(step.path)
            _take(step, place, _beside(place))
            touched.add(place.parent)
        for directory in touched:
            _sync_directory(directory)
        if plan.record:
            _save_record(record, plan.record, settled)
        else:
            record.unlink()


def differences(steps: Sequence[Step]) -> list[dict[str, str]]:
    """The steps as Ansible's diff shows them; of a secret file only that it changes."""
    return [_difference(step) for step in steps]


def _difference(step: Step) -> dict[str, str]:
    if step.secret and step.action != "attributes":
        verb = "is removed" if step.action == "remove" else "is created" if step.before.kind == "missing" else "changes"
        return {"prepared": f"{step.path}: content {verb}, not shown because it is secret\n"}
    return {
        "before_header": step.path,
        "after_header": step.path,
        "before": _describe_found(step),
        "after": _describe_wanted(step),
    }


def _describe_found(step: Step) -> str:
    found = step.before
    if found.kind == "missing":
        return ""
    if found.kind == "link":
        return f"link to {found.target}\n"
    if found.kind == "directory" or step.action == "attributes":
        return f"{found.kind} {found.uid}:{found.gid} {found.mode:04o}\n"
    return _readable(found.content)


def _describe_wanted(step: Step) -> str:
    entry = step.entry
    if entry is None:
        return ""
    if entry.kind == "link":
        return f"link to {entry.target}\n"
    if entry.kind == "directory" or step.action == "attributes":
        uid = entry.owner if step.uid is None else step.uid
        gid = entry.group if step.gid is None else step.gid
        return f"{entry.kind} {uid}:{gid} {entry.mode:04o}\n"
    return _readable(entry.content.encode())


def _readable(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"({len(content)} bytes that are no text)\n"


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.mainstay-new")


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def _prepare(step: Step, entry: Entry, made: list[Path]) -> None:
    """Write what a step needs beside its place; what is made for it is appended to `made`."""
    place = Path(step.path)
    if entry.kind == "directory":
        place.mkdir(0o700)
        made.append(place)
        os.chown(place, _number(step.uid), _number(step.gid))
        place.chmod(entry.mode)
        return
    beside = _beside(place)
    beside.unlink(missing_ok=True)
    try:
        _materialise(entry, beside, step.uid, step.gid)
    finally:
        if os.path.lexists(beside):
            made.append(beside)


def _materialise(entry: Entry, place: Path, uid: int | None, gid: int | None) -> None:
    if entry.kind == "link":
        place.symlink_to(entry.target)
    else:
        _write(place, entry.content.encode(), uid, gid, entry.mode)


def _take(step: Step, place: Path, prepared: Path) -> None:
    """Take one step at `place`; content comes from `prepared`, or is made there where both are the same."""
    entry = step.entry
    if entry is None:
        _discard(place)
        return
    if step.action == "attributes":
        os.chown(place, _number(step.uid), _number(step.gid))
        place.chmod(entry.mode)
    elif prepared != place:
        if entry.kind != "directory":
            prepared.replace(place)
    elif entry.kind == "directory":
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.unlink(missing_ok=True)
        _materialise(entry, place, step.uid, step.gid)


def _number(account: int | None) -> int:
    """For chown: -1 leaves as it is; only the staged copy of a check-mode run can lack an account."""
    return -1 if account is None else account


def _write(path: Path, content: bytes, uid: int | None, gid: int | None, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(descriptor, _number(uid), _number(gid))
        file.write(content)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _save_record(path: Path, paths: Mapping[str, Any], settled: Mapping[str, Any]) -> None:
    beside = _beside(path)
    beside.unlink(missing_ok=True)
    text = json.dumps({"version": 1, "paths": paths, "settled": settled}, indent=1, sort_keys=True)
    _write(beside, text.encode(), None, None, 0o600)
    beside.replace(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    if not path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    directory.mkdir(0o755, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _copy(root: Path, staged: Path) -> None:
    """Copy a tree with owners and modes; links that point into it by absolute path point into the copy."""
    shutil.copytree(root, staged, symlinks=True, ignore=_special)
    for place in [staged, *staged.rglob("*")]:
        if place.is_symlink():
            target = place.readlink()
            if target.is_relative_to(root):
                place.unlink()
                place.symlink_to(staged / target.relative_to(root))
        else:
            status = (root / place.relative_to(staged)).lstat()
            os.chown(place, status.st_uid, status.st_gid)
            place.chmod(stat.S_IMODE(status.st_mode))


def _special(directory: str, names: list[str]) -> list[str]:
    """Names of sockets, pipes and devices, which a copy leaves out."""
    modes = {name: (Path(directory) / name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if stat.S_IFMT(mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)]


def _refusal(command: str, place: str, real: str, instead: str | None = None) -> str | None:
    """Run a validator; None when it accepts, else its command and words with the real path in them."""
    words = [word.replace("%s", place) for word in shlex.split(command)]
    shown = command.replace("%s", real)
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_VALIDATION_SECONDS,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise ProgramMissingError(f"{words[0]}, which validates {real}, is not installed") from error
    except subprocess.TimeoutExpired:
        return f"`{shown}`: no answer within {_VALIDATION_SECONDS} s"
    if done.returncode == 0:
        return None
    output = instead or (done.stdout + done.stderr).replace(place, real).strip()
    return f"`{shown}` (exit code {done.returncode}):\n{output}"


@contextmanager
def scratch(parent: str | None) -> Iterator[str]:
    """A private directory that is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="mainstay-", dir=parent) as place:
        yield place
