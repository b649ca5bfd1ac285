# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What backup sets a store holds, as their own manifests tell it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST, WAY_OUT
from ansible_collections.mainstay.platform.plugins.module_utils.backup.retention import Kept
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import OK, BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store

READERS = 8
PAPERS = (MANIFEST, WAY_OUT)
_SET = re.compile(r"-(?P<set>\d{8}-\d{6})(?=[.-])")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One set of one job in one store. ``start`` is how its files begin (``pg-backup``), ``names`` are those of its
    backups, ``papers`` of its manifests, ``scripts`` of what restores it without us, with the folder; ``problem`` says
    why it is not whole, ``unread`` that it may be, for a manifest could not be read."""

    store: str
    folder: str
    set: str
    start: str
    names: tuple[str, ...]
    papers: tuple[str, ...]
    size: int
    manifests: tuple[Mapping[str, Any], ...] = ()
    problem: str = ""
    scripts: tuple[str, ...] = ()
    unread: bool = False

    @property
    def whole(self) -> bool:
        """Whether everything is there that its manifests promise."""
        return not self.problem

    @property
    def verdict(self) -> str:
        """The verdict at birth of the worst of its backups; empty where no manifest can be read."""
        found = [item["verification"].get("verdict", "") for item in self.manifests]
        return next((word for word in found if word != OK), OK) if found else ""

    @property
    def proven(self) -> bool:
        """Whether it is whole and was proven when it was made."""
        return self.whole and self.verdict == OK

    @property
    def job(self) -> str:
        """The job that made it, or where it lies if nothing says."""
        return str(self.manifests[0]["job"]) if self.manifests else self.folder.rstrip("/")

    def kept(self) -> Kept:
        """What retention asks for."""
        return Kept(self.set, self.whole, self.proven)

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data, for modules and filters."""
        first: Mapping[str, Any] = self.manifests[0] if self.manifests else {}
        sealed = first.get("encryption") or {}
        counts = [count for item in self.manifests for count in (item.get("counts") or {}).values()]
        return {
            "store": self.store,
            "folder": self.folder,
            "set": self.set,
            "job": self.job,
            "app": first.get("app", ""),
            "database": first.get("database", ""),
            "engine": first.get("engine", ""),
            "names": list(self.names),
            "size": self.size,
            "started": min((item["started"] for item in self.manifests), default=""),
            "whole": self.whole,
            "problem": self.problem,
            "proven": self.proven,
            "verdict": self.verdict,
            "level": first.get("verification", {}).get("level", ""),
            "recipients": list(sealed.get("recipients", [])),
            "counted": sum(counts),
        }


def arrange(store: str, objects: Iterable[StoredObject]) -> list[Entry]:
    """Group objects by folder and set, oldest set first, from their names alone: no manifest is read yet. What is not
    called like a backup is left out."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for item in objects:
        folder, slash, file = item.name.rpartition("/")
        if (match := _SET.search(file)) and _is_moment(match["set"]):
            found.setdefault((match["set"], folder + slash, file[: match.start()]), {})[item.name] = item.size
    return [
        Entry(
            store,
            folder,
            key,
            start,
            tuple(sorted(name for name in sizes if not name.endswith(PAPERS))),
            tuple(sorted(name for name in sizes if name.endswith(MANIFEST))),
            sum(size for name, size in sizes.items() if not name.endswith(PAPERS)),
            problem=_unpaired(sizes),
            scripts=tuple(sorted(name for name in sizes if name.endswith(WAY_OUT))),
        )
        for (key, folder, start), sizes in sorted(found.items())
    ]


def _is_moment(key: str) -> bool:
    try:
        manifests.set_moment(key)
    except ValueError:
        return False
    return True


def _unpaired(names: Iterable[str]) -> str:
    names = {name for name in names if not name.endswith(WAY_OUT)}
    bare = sorted(name for name in names if not name.endswith(MANIFEST) and name + MANIFEST not in names)
    lost = sorted(name for name in names if name.endswith(MANIFEST) and name.removesuffix(MANIFEST) not in names)
    words = [f"{name.rpartition('/')[2]} has no manifest" for name in bare]
    return "; ".join(words + [f"{name.rpartition('/')[2]} has no backup" for name in lost])


def filled(entry: Entry, papers: Sequence[bytes | Exception], sizes: Mapping[str, int]) -> Entry:
    """An entry with its manifests, in the order of its papers. What they promise is compared with what is there."""
    good, wrong, unread = [], [entry.problem] if entry.problem else [], False
    for name, paper in zip(entry.papers, papers, strict=True):
        short = name.rpartition("/")[2]
        if isinstance(paper, Exception):
            wrong.append(f"{short} cannot be read: {paper}")
            unread = True
            continue
        try:
            item = manifests.parse(paper.decode("utf-8", errors="replace"), short)
        except BackupError as error:
            wrong.append(str(error))
            unread = True
            continue
        good.append(item)
        there = sizes.get(name.removesuffix(MANIFEST))
        if item["file"] + MANIFEST != short or item["set"] != entry.set:
            wrong.append(f"{short} is the manifest of something else")
        elif there is not None and there != item["size"]:
            wrong.append(f"{item['file']} has {there} bytes, its manifest says {item['size']}")
    files = {name.rpartition("/")[2] for name in entry.names}
    if not unread and (lost := manifests.incomplete(good, files)):
        wrong.append(lost)
    return dataclasses.replace(entry, manifests=tuple(good), problem="; ".join(wrong), unread=unread)


def look(store: Store, name: str, prefix: str = "", read: bool = True) -> list[Entry]:
    """The sets in a store under a prefix, oldest first, with their manifests where ``read``. Raises BlobError."""
    objects = store.list(prefix)
    entries = arrange(name, objects)
    if not read:
        return entries
    sizes = {item.name: item.size for item in objects}

    def paper(path: str) -> bytes | Exception:
        try:
            return store.read(path)
        except Exception as error:  # one manifest that cannot be read must not hide all the others
            return error

    with ThreadPoolExecutor(READERS) as pool:
        papers = dict(zip(paths := [p for e in entries for p in e.papers], pool.map(paper, paths), strict=True))
    return [filled(entry, [papers[path] for path in entry.papers], sizes) for entry in entries]


def choose(entries: Iterable[Entry], now: float, wanted: str = "", at: str = "") -> Entry:
    """The newest whole set whose id starts with ``wanted`` and that is not younger than ``at`` (the same form, or its
    start); unproven ones only when nothing else fits, and one from the future only when ``wanted`` means no other.
    Raises ValueError that names what is there."""
    entries = sorted(entries, key=lambda item: item.set)
    limit = re.sub(r"\D", "", at)
    dated = [
        item
        for item in entries
        if item.whole
        and item.set.startswith(wanted)
        and (not limit or item.set.replace("-", "")[: len(limit)] <= limit)
    ]
    fitting = [item for item in dated if not manifests.ahead(item.set, now)] or (dated if wanted else [])
    if not fitting:
        ids = sorted({item.set for item in entries if item.whole})
        there = f"the newest there are {', '.join(ids[-5:])}" if ids else "there is no complete set"
        asked = f"set {wanted!r}" if wanted else f"set from before {at!r}" if at else "set"
        broken = [f"{item.set} is not whole: {item.problem}" for item in entries if not item.whole]
        early = [
            f"{item.set} is dated in the future: a clock is or was wrong. To take it say set={item.set}"
            for item in dated
        ]
        raise ValueError("; ".join([f"no backup {asked}: {there}", *early[-3:], *broken[-3:]]))
    return ([item for item in fitting if item.proven] or fitting)[-1]
