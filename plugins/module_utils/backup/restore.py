# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back: verify, keep what is there, restore, and compare with what the manifest promises."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, Made, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import Content
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    OK,
    BackupError,
    HalfDoneError,
    differences,
    shorten,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import Report, verify

BEFORE_RESTORE, BESIDE = "before-restore", "beside"
WITHOUT = "safety=false restores without keeping it"


@dataclasses.dataclass
class Plan:
    """What a restore will do: whether the backup may be used, what is there now, and the steps in words."""

    report: Report
    present: dict[str, int]
    safety: bool
    steps: list[str]


@dataclasses.dataclass
class Restored:
    """What a restore has done."""

    counts: dict[str, int]
    extra: dict[str, int]
    safety: Made | None
    duration: float
    notes: list[str]


def plan(
    path: Path,
    job: Job,
    engine: Engine,
    manifest: Manifest | None,
    *,
    level: str,
    force: bool,
    safety: bool,
    where: str,
    content: Content | None = None,
) -> Plan:
    """Verify the backup, look at what is there, and say what would be done. Changes nothing. ``content`` as for verify.

    Raises BackupError when the backup is bad or not proven and ``force`` does not say that it is to be used anyway.
    """
    if content is not None and content.path is None:
        raise BackupError(f"{path} is encrypted: give the key as identity (playbooks take it from backups_identity)")
    report = verify(path, engine, level, manifest, now=time.time(), content=content)
    if report.verdict != OK and not force:
        word = "bad" if report.verdict == BAD else "not proven"
        raise BackupError(
            f"{path} is {word}, and nothing was restored: {report.reasons}. force=true uses it all the same"
        )
    steps = [f"verify {path}: {report.verdict} ({report.level})"]
    present: dict[str, int] = {}
    try:
        present = engine.counts()
    except BackupError as error:
        if safety:
            raise BackupError(
                f"what is there now cannot be looked at, and nothing was restored: {error}. {WITHOUT}"
            ) from error
        steps.append(f"throw away what is there now, which cannot be looked at ({error})")
    filled = sum(present.values()) > 0
    if filled and safety:
        steps.append(f"keep what is there now ({_total(present)}) in {job.directory / BEFORE_RESTORE}")
    elif filled:
        steps.append(f"throw away what is there now ({_total(present)})")
    promised = manifest.get("counts") if manifest else None
    steps.append(f"restore {_total(promised) if promised is not None else 'what the backup holds'} into {where}")
    steps.append("compare with the manifest" if manifest else "nothing to compare with: there is no manifest")
    return Plan(report, present, filled and safety, steps)


def restore(
    path: Path,
    job: Job,
    kind: type[Engine],
    connect: Callable[[str], Engine],
    database: str,
    manifest: Manifest | None,
    agreed: Plan,
) -> Restored:
    """Carry a plan out; ``path`` is the dump itself, decrypted.

    Raises BackupError when it fails and nothing has changed, HalfDoneError when something has, or when what is there
    afterwards is not what was promised.
    """
    begin = time.monotonic()
    engine = connect(database)
    # What goes beside leaves the data of the job alone.
    in_place = database in ("", *job.databases)
    with files.lock(job.lock, f"backup job '{job.name}'"), contextlib.ExitStack() as stack:
        try:
            safety = _keep(job, kind, connect, database) if agreed.safety else None
        except BackupError as error:
            raise BackupError(
                f"what is there now cannot be kept, and nothing was restored: {error}. {WITHOUT}"
            ) from error
        if in_place:
            key = str((manifest or {}).get("set", ""))
            stack.enter_context(unfinished.restoring(job.locks, job.app, job.name, key))
        try:
            notes = engine.restore(path) or []
        except HalfDoneError as error:
            raise HalfDoneError(f"{error}{_hint(safety)}") from error
        except BackupError as error:
            raise BackupError(f"{error}{_hint(safety)}") from error
        try:
            counts = engine.counts()
        except BackupError as error:
            raise HalfDoneError(f"restored, but it cannot be compared: {error}{_hint(safety)}") from error
        extra = {}
        if manifest is not None:
            promised = manifest.get("counts") or {}
            wrong = differences(promised, counts, manifest.get("volatile"), extra_allowed=True)
            if wrong:
                raise HalfDoneError(f"restored, but not what the manifest promises: {shorten(wrong)}{_hint(safety)}")
            extra = {name: count for name, count in counts.items() if name not in promised}
    return Restored(counts, extra, safety, round(time.monotonic() - begin, 3), notes)


def moved(manifest: Manifest, database: str) -> Manifest:
    """The manifest of a MongoDB backup that goes into another database: its collections are named with theirs."""

    def named(counts: dict[str, int] | None) -> dict[str, int]:
        return {f"{database}.{name.partition('.')[2]}": count for name, count in (counts or {}).items()}

    return {**manifest, "counts": named(manifest.get("counts")), "volatile": named(manifest.get("volatile"))}


def narrowed(manifest: Manifest, paths: Sequence[str]) -> Manifest:
    """The manifest of packed files of which only some paths go back. Its counts are named ``PATH files``."""
    counts = {key: count for key, count in (manifest.get("counts") or {}).items() if key.rpartition(" ")[0] in paths}
    return {**manifest, "counts": counts}


def _keep(job: Job, kind: type[Engine], connect: Callable[[str], Engine], database: str) -> Made:
    """Dump what is there now, under a lock of its own: the job's is held by the restore."""
    beside = dataclasses.replace(
        job,
        name=f"{job.name}-{BEFORE_RESTORE}",
        databases=(database,) if database else job.databases,
        directory=job.directory / BEFORE_RESTORE,
    )
    return create(beside, kind, connect, restoring=True)[0]


def _hint(safety: Made | None) -> str:
    return f"; what was there before is kept in {safety.path}" if safety else ""


def _total(counts: dict[str, Any]) -> str:
    return f"{sum(counts.values())} in {len(counts)}"
