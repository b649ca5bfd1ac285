# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a set back from whichever store has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.catalogue import folder
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST, write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store
from ansible_collections.mainstay.platform.plugins.module_utils.keep.shelf import Entry, choose, look

Opener = Callable[[Mapping[str, Any]], AbstractContextManager[Store]]


@dataclasses.dataclass
class Fetched:
    """A set that is here now: ``paths`` of its backups, each with its manifest beside it and in ``manifests``."""

    store: str
    set: str
    verdict: str
    size: int
    paths: list[str]
    manifests: list[Mapping[str, Any]]
    warnings: list[str]


def find(
    stores: Sequence[Mapping[str, Any]], job: Mapping[str, Any], wanted: str, at: str, opener: Opener, now: float
) -> tuple[list[Entry], list[str]]:
    """The copies of the set to take, in the order of the stores; and what could not be read.

    Raises BlobError when no store can be read, ValueError when none has such a set.
    """
    seen: list[Entry] = []
    errors = []
    for settings in stores:
        try:
            with opener(settings) as store:
                where = folder(job, settings.get("prefix") or "")
                seen += [entry for entry in look(store, settings["name"], where) if entry.folder == where]
        except (BlobError, OSError) as error:
            errors.append(f"store '{settings['name']}': {error}")
    if len(errors) == len(stores):
        raise BlobError(
            "; ".join(errors)
            or "no store is configured (backups_stores): name a backup of the server with -e file=PATH"
        )
    try:
        best = choose(seen, now, wanted, at)
    except ValueError as error:
        raise ValueError("; ".join([f"job '{job['name']}': {error}", *errors])) from None
    copies = [entry for entry in seen if entry.set == best.set and entry.whole and entry.proven == best.proven]
    return copies, errors


def bring_back(
    stores: Sequence[Mapping[str, Any]],
    job: Mapping[str, Any],
    dest: Path,
    opener: Opener,
    now: float,
    wanted: str = "",
    at: str = "",
) -> Fetched:
    """Fetch a set, whole and verified, from the first store that can give it.

    Raises BlobError and ValueError; what was fetched so far stays, and is gone on with the next time.
    """
    copies, warnings = find(stores, job, wanted, at, opener, now)
    for entry in copies:
        settings = next(item for item in stores if item["name"] == entry.store)
        try:
            with opener(settings) as store:
                paths = list(_files(store, entry, dest))
        except (BlobError, OSError) as error:
            warnings.append(f"store '{entry.store}': {error}")
            continue
        return Fetched(entry.store, entry.set, entry.verdict, entry.size, paths, list(entry.manifests), warnings)
    raise BlobError("; ".join(warnings))


def _files(store: Store, entry: Entry, dest: Path) -> Iterable[str]:
    for item in entry.manifests:
        path = dest / item["file"]
        store.get(entry.folder + item["file"], path, item["sha256"])
        write_atomic(path.with_name(path.name + MANIFEST), manifests.dump(dict(item)))
        yield str(path)
