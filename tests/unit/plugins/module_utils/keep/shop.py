# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores in memory, and sets to put there."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.protection import Protection

GUARD = Protection("remove", "ok", "may not")
JOB = {"name": "app-db", "app": "app", "database": "db"}


@dataclasses.dataclass
class Shop:
    """A store. ``fails`` are calls, or starts of them (whole ones end in ``$``), with how often and the code."""

    where: str = "the shop"
    objects: dict[str, bytes] = dataclasses.field(default_factory=dict)
    fails: dict[str, tuple[int, str | None]] = dataclasses.field(default_factory=dict)
    locked: bool = False
    begun: list[str] = dataclasses.field(default_factory=list)
    guard: Protection = GUARD
    calls: list[str] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Shop:
        self._trouble("open")
        return self

    def __exit__(self, *_: object) -> None: ...

    def _trouble(self, what: str) -> None:
        self.calls.append(what)
        for start, (count, code) in self.fails.items():
            if count and (what == start[:-1] if start.endswith("$") else what.startswith(start)):
                self.fails[start] = (count - 1, code)
                raise BlobError(f"cannot {what}", Failure("answer", 403, code) if code else None)

    def put(
        self, path: Path | str, name: str, metadata: Mapping[str, str] | None = None, *, sha256: str | None = None
    ) -> StoredObject:
        self._trouble(f"put {name}")
        if sha256 and hashlib.sha256(Path(path).read_bytes()).hexdigest() != sha256:
            raise BlobError(f"{path} is not what it should be")
        if name in self.objects:
            raise BlobError(f"'{name}' exists already", Failure("answer", 412, "PreconditionFailed"))
        self.objects[name] = Path(path).read_bytes()
        self._trouble(f"answer {name}")
        return StoredObject(name, len(self.objects[name]), f"shop:{name}", changed=True, verified="checked")

    def get(self, name: str, dest: Path | str, sha256: str | None = None) -> StoredObject:
        self._trouble(f"get {name}")
        data = self.objects[name]
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise BlobError(f"'{name}' is not what it should be")
        Path(dest).write_bytes(data)
        return StoredObject(name, len(data), f"shop:{name}")

    def read(self, name: str) -> bytes:
        self._trouble(f"read {name}")
        return self.objects[name]

    def list(self, prefix: str = "") -> list[StoredObject]:
        self._trouble("list")
        return [
            StoredObject(name, len(data), f"shop:{name}")
            for name, data in sorted(self.objects.items())
            if name.startswith(prefix)
        ]

    def unfinished(self, prefix: str = "") -> list[Any]:
        return []

    def remove(self, name: str) -> None:
        self._trouble(f"remove {name}")
        if self.locked:
            raise BlobError(f"'{name}' is locked")
        self.objects.pop(name, None)

    def remove_unfinished(self, before: datetime.datetime, prefix: str = "") -> list[str]:
        gone = [name for name in self.begun if name.startswith(prefix)]
        self.begun = [name for name in self.begun if name not in gone]
        return gone

    def protection(self) -> list[Protection]:
        return []

    def may_remove(self) -> Protection:
        return self.guard


def manifest(key: str, data: bytes, verdict: str = "ok", part: str = "", **changes: Any) -> dict[str, Any]:
    """The manifest of a backup of these bytes."""
    started = datetime.datetime.strptime(key, "%Y%m%d-%H%M%S").strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "format": 1,
        "set": key,
        "job": JOB["name"],
        "app": JOB["app"],
        "database": JOB["database"],
        "databases": [part or "shop"],
        "engine": "postgresql",
        "file": f"pg-backup-{key}{part and '-' + part}.dump.age",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "started": started,
        "finished": started,
        "duration": 1.0,
        "counts": {"t": 3},
        "encryption": {"kind": "age", "recipients": ["age1x"], "key": "k"},
        "verification": {"level": "full", "verdict": verdict, "checks": []},
        **changes,
    }


def make(directory: Path, key: str, verdict: str = "ok", part: str = "") -> dict[str, Any]:
    """A backup with its manifest on the server."""
    data = f"{key}{part}".encode()
    item = manifest(key, data, verdict, part)
    (directory / item["file"]).write_bytes(data)
    (directory / f"{item['file']}.manifest.json").write_text(json.dumps(item))
    return item


def shelve(shop: Shop, key: str, verdict: str = "ok", folder: str = "db/", part: str = "", **changes: Any) -> str:
    """The same in a store. Returns the backup's name there."""
    data = f"{key}{part}".encode()
    item = manifest(key, data, verdict, part, **changes)
    name = str(folder + item["file"])
    shop.objects[name] = data
    shop.objects[f"{name}.manifest.json"] = json.dumps(item).encode()
    return name
