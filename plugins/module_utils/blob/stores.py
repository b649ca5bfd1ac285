# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores by their settings: Azure Blob Storage, or whatever speaks S3. Both do the same."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject, Unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.protection import Protection
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import S3Store
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import wrong as wrong_s3
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store import Store as AzureStore

# What belongs to one kind of store only.
OWN = {
    "azure": ("account_url", "connection_string", "container"),
    "s3": ("endpoint_url", "region", "bucket", "addressing"),
}


class Store(Protocol):
    """A place with put, get and list. Names are relative to its prefix. Every method raises BlobError."""

    @property
    def where(self) -> str:
        """The place, for people."""

    def __enter__(self) -> Store: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def put(
        self, path: Path | str, name: str, metadata: Mapping[str, str] | None = None, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a free name. Does nothing when it is there already (``changed`` is False then).

        ``sha256`` is what the file is known to have, for stores that keep it with the object.
        """

    def get(self, name: str, dest: Path | str, sha256: str | None = None) -> StoredObject:
        """Fetch an object to a file, whole and verified or not at all."""

    def read(self, name: str) -> bytes:
        """The content of a small object."""

    def unfinished(self, prefix: str = "") -> Sequence[Unfinished]:
        """Uploads that were interrupted, or still run."""

    def remove(self, name: str) -> None:
        """Remove an object with all its parts and versions."""

    def remove_unfinished(self, before: datetime.datetime, prefix: str = "") -> Sequence[str]:
        """Remove uploads that were begun before a moment and never completed. Returns their names."""

    def protection(self) -> Sequence[Protection]:
        """What keeps objects from being replaced and removed, as far as this credential can see."""

    def may_remove(self) -> Protection:
        """Whether this very credential could replace or remove objects."""

    def list(self, prefix: str = "") -> Sequence[StoredObject]:
        """The complete objects whose names start with ``prefix``, by name."""


def kind_of(settings: Mapping[str, Any]) -> str:
    """``azure`` or ``s3``: as it says, or by what it has."""
    return str(settings.get("kind") or ("s3" if settings.get("bucket") else "azure"))


def problems(stores: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with a list of stores, each with its path. No error shows a secret."""
    errors = []
    names = [str(store.get("name") or "") for store in stores]
    for index, store in enumerate(stores):
        path = f"stores[{index}]" + (f" '{names[index]}'" if names[index] else "")
        kind = kind_of(store)
        if not names[index]:
            errors.append(f"{path}: name: missing (try 'near')")
        elif names.index(names[index]) < index:
            errors.append(f"{path}: name: another store has it already")
        if kind not in OWN:
            errors.append(f"{path}: kind: {kind!r} is not one of {', '.join(OWN)}")
            continue
        strange = [key for other, keys in OWN.items() if other != kind for key in keys if store.get(key)]
        errors += [f"{path}: {key}: does not go with kind {kind}" for key in strange]
        errors += [f"{path}: {text}" for text in (wrong_s3(store) if kind == "s3" else _wrong_azure(store))]
    return errors


def _wrong_azure(settings: Mapping[str, Any]) -> list[str]:
    errors = [] if settings.get("container") else ["container: missing"]
    try:
        resolve(settings.get("account_url"), settings.get("credential"), settings.get("connection_string"))
    except ValueError as error:
        errors += str(error).splitlines()
    return errors


def open_store(settings: Mapping[str, Any]) -> Store:
    """The store of these settings. Raises ValueError with every error, one a line; BlobError without its library."""
    return S3Store(settings) if kind_of(settings) == "s3" else AzureStore(settings)
