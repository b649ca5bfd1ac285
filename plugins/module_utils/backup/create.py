# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a backup: room, dump, full verification at birth, manifest, and only then its name."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import crypt, files, unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.change import change_check, newest_proven
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine, Source
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
    Findings,
    describe,
    differences,
    overall,
    shorten,
)

# How much larger than the one before a backup is expected to be, at most.
GROWTH = 1.25
TURN = "turn.lock"
SPARE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Job:
    """What is backed up, and where the file goes. ``prefix`` is the start of the file's name: ``pg-backup``.

    With ``recipients``, public keys of age, it is encrypted to them. A backup that has ``max_drop`` percent less than
    the proven one before it is bad, unless that was ``acknowledged``. With ``patience``, in seconds, a job waits for
    others to end; without it runs beside them. ``scratch`` is where Ansible's runs here have their temporary files.
    """

    name: str
    app: str
    database: str
    engine: str
    databases: tuple[str, ...]
    directory: Path
    prefix: str
    locks: Path
    recipients: tuple[str, ...] = ()
    max_drop: int = 100
    acknowledged: bool = False
    patience: float | None = None
    scratch: Path | None = None

    @property
    def lock(self) -> Path:
        """The file whose lock says that somebody is at work on this job."""
        return self.locks / f"{self.name}.lock"


@dataclasses.dataclass(frozen=True)
class Made:
    """A backup that is there."""

    path: Path
    manifest: dict[str, Any]


def manifests_in(directory: Path) -> list[dict[str, Any]]:
    """The manifests of all backups in a directory that can be read, oldest first."""
    found = []
    for path in sorted(directory.glob(f"*{files.MANIFEST}")):
        if files.backup_of(path).exists():
            try:
                found.append(manifests.load(path))
            except BackupError:
                continue
    return sorted(found, key=lambda item: str(item["set"]))


def expected_size(previous: dict[str, Any] | None, engine: Engine) -> tuple[int, str] | None:
    """How many bytes to expect, and why. None when nobody knows."""
    if previous:
        return (
            int(previous["size"] * GROWTH) + SPARE,
            f"the backup before took {files.size_text(previous['size'])}",
        )
    estimate = engine.estimate()
    return None if estimate is None else (estimate + SPARE, f"the database takes {files.size_text(estimate)}")


def twice(size: int, why: str) -> tuple[int, str]:
    """What encryption needs: the dump stays, without a name, until its encrypted copy is proven."""
    return 2 * size, f"{why}, and it is there twice until it is encrypted"


def source_check(source: Source, findings: Findings) -> Check:
    """Whether the file holds what the server said it had when it was dumped."""
    if findings.counts is None:
        return Check("source", NOT_VERIFIED, "nothing could be counted in the file")
    if source.counts is None:
        return Check("source", NOT_VERIFIED, "the server was not asked for its counts")
    found = {name: count for name, count in findings.counts.items() if name not in source.uncounted}
    check = _compared(source, found)
    if source.uncounted and check.verdict != BAD:
        reason = f"{check.reason}; changed meanwhile, and not compared: {shorten(list(source.uncounted))}"
        return Check("source", NOT_VERIFIED, reason, required=not found)
    return check


def _compared(source: Source, found: Mapping[str, int]) -> Check:
    wrong = differences(source.counts or {}, found)
    if not wrong:
        return Check("source", OK, "counts are those of the source")
    if source.same_snapshot or source.as_read:
        return Check("source", BAD, f"not what the source had: {shorten(wrong)}")
    lost, apart = _outside(source, found)
    if lost:
        return Check("source", BAD, f"missing, though nothing moved in the source: {shorten(lost)}")
    if apart:
        return Check("source", NOT_VERIFIED, f"the source changed meanwhile: {shorten(apart)}", required=False)
    return Check("source", OK, "counts lie between those of the source before and after")


def _outside(source: Source, found: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """What is not between two looks at the source: what is missing though nothing moved, and what may have moved.

    Something that was there for a moment is in the file and in neither look. Something that was away for a moment is in
    both, which is believed of what is ``volatile`` in the source alone.
    """
    lost: list[str] = []
    apart: list[str] = []
    after, may_go = source.counts_after or {}, source.volatile or {}
    for name in sorted({*(source.counts or {}), *after, *found}):
        before, later, have = ((source.counts or {}).get(name, 0), after.get(name, 0), found.get(name, 0))
        if min(before, later) <= have <= max(before, later):
            continue
        line = f"{name}: {before} before, {later} after, {have} in the file"
        gone = before == later and have < before - may_go.get(name, 0)
        (lost if gone else apart).append(line)
    return lost, apart


def pieces(job: Job, engine: type[Engine]) -> list[str]:
    """What becomes a file of its own: every database, or the server as a whole."""
    return [""] if engine.whole_server or not job.databases else list(job.databases)


def file_names(job: Job, parts: list[str], suffix: str, started: float) -> list[str]:
    """A file name for each part. Names of one database are those of row 0-31; several carry their database."""
    stamp = manifests.set_id(started)
    end = suffix + (crypt.SUFFIX if job.recipients else "")
    return [f"{job.prefix}-{stamp}{f'-{_plain(part)}' if len(parts) > 1 else ''}{end}" for part in parts]


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else f"%{ord(letter):02x}" for letter in name)


def create(
    job: Job,
    kind: type[Engine],
    connect: Callable[[str], Engine],
    started: float | None = None,
    clock: Callable[[], float] = time.time,
    way_out: Callable[[dict[str, Any]], str] | None = None,
    restoring: bool = False,
    served: Mapping[str, Any] | None = None,
) -> list[Made]:
    """Back up every piece of a job. ``connect`` makes the engine for one database.

    ``started`` names the set, for several jobs that are one; it defaults to now. ``way_out`` makes of a manifest the
    script that restores the backup without us. ``restoring``: a restore keeps what is there, half restored or not.
    ``served`` is the release whose data it is.

    Raises BackupError when the job is being worked on already, a restore of the app is not over, there is no room, the
    dump fails or is bad. Nothing is left then that looks like a backup, and older backups are as they were.
    """
    if job.recipients:
        crypt.parse_recipients(job.recipients)
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.lock(job.lock, f"backup job '{job.name}'"))
        if job.patience is not None:
            stack.enter_context(files.turn(job.locks / TURN, f"backup job '{job.name}'", job.patience))
        if not restoring:
            unfinished.refuse(job.locks, job.app)
        files.private_directory(job.directory)
        for path in files.leftovers(job.directory):
            path.unlink()
        if job.scratch:
            files.sweep(job.scratch, clock())
        started = clock() if started is None else started
        parts = pieces(job, kind)
        engines = [connect(part) for part in parts]
        while any((job.directory / name).exists() for name in file_names(job, parts, engines[0].suffix, started)):
            started += 1
        earlier = manifests_in(job.directory)
        names = file_names(job, parts, engines[0].suffix, started)
        shared = {"set": manifests.set_id(started), "pieces": names, **({"served": dict(served)} if served else {})}
        proven = [
            _piece(job, engine, part, name, started, earlier, clock, stack, shared)
            for engine, part, name in zip(engines, parts, names, strict=True)
        ]
        # A set of which a piece is missing must not look like one, so nothing gets its name before all is proven, and
        # each manifest names all of them: power may fail between two names.
        for ready in proven:
            _papers(job.directory, ready, way_out)
        for ready in proven:
            ready.file.commit()
        files.sync_directory(job.directory)
        return [Made(ready.file.target, ready.manifest) for ready in proven]


@dataclasses.dataclass(frozen=True)
class _Ready:
    """A backup that is proven, and has no name yet."""

    file: files.PartialFile
    manifest: dict[str, Any]


def _piece(
    job: Job,
    engine: Engine,
    part: str,
    name: str,
    started: float,
    earlier: list[dict[str, Any]],
    clock: Callable[[], float],
    stack: contextlib.ExitStack,
    shared: Mapping[str, Any],
) -> _Ready:
    """Dump and prove one piece; all have ``shared`` in their manifests. Its file is gone with the stack, unless it was
    committed."""
    databases = [part] if part else list(job.databases)
    previous = next((item for item in reversed(earlier) if item.get("databases") == databases), None)
    if expected := expected_size(previous, engine):
        files.check_room(job.directory, *(twice(*expected) if job.recipients else expected))
    began = max(started, clock())
    with contextlib.ExitStack() as own:
        file = (own if job.recipients else stack).enter_context(
            files.partial(job.directory, name, nameless=bool(job.recipients))
        )
        source = engine.dump(file.write)
        file.close()
        findings = engine.examine(file.path)
        checks = [*findings.checks, source_check(source, findings)]
        if overall(checks) == BAD:
            raise BackupError(f"the dump is bad, and was thrown away: {describe(checks, BAD)}")
        encryption = plain = None
        if job.recipients:
            bare, file = file, stack.enter_context(files.partial(job.directory, name))
            sealed, key = crypt.seal(bare.path, file.write, job.recipients)
            file.close()
            checks.append(crypt.proof(file.path, key, bare.size, bare.sha256))
            if overall(checks) == BAD:
                raise BackupError(
                    f"the backup did not survive its encryption, and was thrown away: {describe(checks, BAD)}"
                )
            encryption = sealed.as_dict()
            plain = {"file": name.removesuffix(crypt.SUFFIX), "size": bare.size, "sha256": bare.sha256}
        now = {
            "counts": findings.counts if findings.counts is not None else source.counts,
            "volatile": findings.volatile,
            "size": plain["size"] if plain else file.size,
            "compression": engine.compression,
        }
        # What is whole is kept, even where it is suspicious: it may be right, and it is the newest there is.
        checks.append(change_check(newest_proven(earlier, databases), now, job.max_drop, job.acknowledged))
        manifest = manifests.build(
            identity={
                **shared,
                "job": job.name,
                "app": job.app,
                "database": job.database,
                "databases": databases,
                "engine": job.engine,
            },
            file=name,
            size=file.size,
            sha256=file.sha256,
            started=began,
            finished=max(began, clock()),
            source=source,
            findings=findings,
            checks=checks,
            encryption=encryption,
            plain=plain,
            compression=engine.compression,
        )
    return _Ready(file, manifest)


def _papers(directory: Path, ready: _Ready, way_out: Callable[[dict[str, Any]], str] | None) -> None:
    """They go first: a manifest without a backup is nothing, a backup without one would look like one."""
    name, manifest = ready.file.target.name, ready.manifest
    if way_out:
        _paper(directory, name + files.WAY_OUT, way_out(manifest))
        manifest["way_out"] = name + files.WAY_OUT
    _paper(directory, name + files.MANIFEST, manifests.dump(manifest))


def _paper(directory: Path, name: str, text: str) -> None:
    with files.partial(directory, name) as paper:
        paper.write(text.encode())
        paper.close()
        paper.commit()
