# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores that are not over. Until they are, nothing is backed up of what is there: half a database is equal to its
own dump, and would be the newest that is proven. The next try takes the same set."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import private_directory, write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import timestamp
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError, HalfDoneError

END = ".restoring"


def _notes(state: Path, app: str) -> dict[Path, dict[str, Any]]:
    found = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(state.glob(f"*{END}"))}
    return {path: note for path, note in found.items() if note["app"] == app}


def _write(state: Path, app: str, job: str, key: str, *, held: bool, half: bool) -> None:
    private_directory(state)
    note = {"app": app, "set": key, "since": timestamp(time.time()), "held": held, "half": half}
    write_atomic(state / f"{job}{END}", json.dumps(note) + "\n")


def hold(state: Path, app: str, jobs: Mapping[str, str]) -> None:
    """A restore of these jobs of an app begins, each with its set (empty: a file that is in no set). It is over when
    all of them are ``released``, not when one is done: until then the app's data is of two moments."""
    left = half(state, app)
    for job, key in jobs.items():
        _write(state, app, job, key, held=True, half=job in left)


def half(state: Path, app: str) -> list[str]:
    """The jobs of an app whose data is half restored, for all that is known."""
    return [path.name.removesuffix(END) for path, note in _notes(state, app).items() if note["half"]]


def release(state: Path, app: str) -> None:
    """What is there of an app is right as it is. Raises BackupError when it is half restored."""
    notes = _notes(state, app)
    if left := half(state, app):
        raise BackupError(
            f"{', '.join(left)} half restored: run the restore of that again, or, if the data is right as it is, remove"
            f" {' '.join(str(path) for path, note in notes.items() if note['half'])}"
        )
    for path in notes:
        path.unlink(missing_ok=True)


def sets(state: Path, app: str) -> dict[str, str]:
    """The sets to go on with, by the names of their jobs."""
    return {path.name.removesuffix(END): note["set"] for path, note in _notes(state, app).items() if note["set"]}


def refuse(state: Path, app: str) -> None:
    """Raise BackupError when a restore of the app is not over."""
    if not (notes := _notes(state, app)):
        return
    known = ", ".join(
        f"{path.name.removesuffix(END)} with {note['set'] or 'a file'} since {note['since']}"
        for path, note in notes.items()
    )
    raise BackupError(
        f"a restore of app '{app}' is not over ({known}), so its data may be half restored; nothing was backed up."
        f" Run the restore again, or, if the data is right as it is, remove {' '.join(map(str, notes))}"
    )


@contextlib.contextmanager
def restoring(state: Path, app: str, job: str, key: str) -> Iterator[None]:
    """Remember a restore of one job while the block runs, and after it where it left data half done or was killed."""
    path = state / f"{job}{END}"
    earlier = _notes(state, app).get(path)
    held = bool(earlier and earlier["held"])
    _write(state, app, job, earlier["set"] if earlier and held else key, held=held, half=True)
    try:
        yield
    except HalfDoneError:
        raise
    except BackupError:
        if earlier is None:
            path.unlink(missing_ok=True)
        else:
            write_atomic(path, json.dumps(earlier) + "\n")
        raise
    if earlier and held:
        write_atomic(path, json.dumps({**earlier, "half": False}) + "\n")
    else:
        path.unlink(missing_ok=True)
