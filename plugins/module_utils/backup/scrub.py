# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading all backups on a host again: bytes rot where they lie, and files go missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify


@dataclasses.dataclass(frozen=True)
class Seen:
    """What became of one file. ``job`` and ``set`` are empty where no manifest tells, ``reason`` where it is ok."""

    path: str
    verdict: str
    reason: str = ""
    job: str = ""
    set: str = ""
    size: int = 0


def scrub(directory: Path, level: str, connect: Callable[[Mapping[str, Any]], Engine], now: float) -> Iterator[Seen]:
    """Verify every backup of a directory, oldest name first. ``connect`` gives the engine's tools for a manifest.

    A manifest whose backup is gone is bad, and so is a set that lacks one; a backup without a manifest is not verified.
    Encrypted ones are compared to the byte; their content is not looked at, since the key is not here.
    """
    known: set[str] = set()
    sets: dict[tuple[str, str], list[manifests.Manifest]] = {}
    for paper in sorted(directory.glob(f"*{files.MANIFEST}")):
        path = files.backup_of(paper)
        known |= {paper.name, path.name}
        try:
            manifest = manifests.load(paper)
        except BackupError as error:
            yield Seen(str(path), BAD, str(error))
            continue
        known |= set(manifests.names(manifest))
        what: dict[str, Any] = {"job": str(manifest["job"]), "set": str(manifest["set"]), "size": int(manifest["size"])}
        if not path.exists():
            yield Seen(str(path), BAD, "the manifest is there, the backup is gone", **what)
            continue
        sets.setdefault((what["job"], what["set"]), []).append(manifest)
        yield _look(path, level, connect, manifest, now, what)
    for (job, key), parts in sets.items():
        for name in set(manifests.missing(parts)) - known:
            yield Seen(str(directory / name), BAD, f"{manifests.INCOMPLETE}: the set {key} should have it", job, key)
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.name not in known and not path.name.startswith(".") and path.suffix != ".sh":
            yield Seen(str(path), NOT_VERIFIED, "it has no manifest", size=path.stat().st_size)


def _look(
    path: Path,
    level: str,
    connect: Callable[[Mapping[str, Any]], Engine],
    manifest: manifests.Manifest,
    now: float,
    what: Mapping[str, Any],
) -> Seen:
    sealed = manifest["encryption"] is not None
    try:
        with opened(path, None) as content:
            report = verify(path, connect(manifest), "quick" if sealed else level, manifest, now=now, content=content)
    except BackupError as error:
        return Seen(str(path), BAD, str(error), **what)
    return Seen(str(path), report.verdict, "" if report.verdict == OK else report.reasons, **what)
