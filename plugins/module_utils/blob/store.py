# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store as backups see it: a place with put, get and list. Usable from any Python, without Ansible.

with Store({"account_url": "https://x.blob.core.windows.net", "container": "backups", "prefix": "prod/",
            "credential": {"kind": "sas", "sas": "?sv=…"}}) as store:
    store.put(Path("/var/backups/x.dump"), "postgres/x.dump", {"sha256": "…"})
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob import catalogue, plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject, Unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import Client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.download import download
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.protection import (
    BAD,
    NOT_VERIFIED,
    OK,
    Protection,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.upload import Options, upload

__all__ = ["BlobError", "Store", "StoredObject"]


class Store:
    """A container, or what lies under a prefix in it.

    ``settings`` is an entry of `backups_stores`: ``account_url`` (or ``connection_string``), ``container``, ``prefix``,
    ``credential``, and optionally ``ca_bundle``, ``timeout`` (seconds for everything), ``concurrency``,
    ``block_size`` (bytes). Names given to the methods are relative to the prefix. Every method raises BlobError;
    ValueError for settings that make no sense.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        endpoint = resolve(settings.get("account_url"), settings.get("credential"), settings.get("connection_string"))
        if not settings.get("container"):
            raise ValueError("container: missing")
        self.prefix = str(settings.get("prefix") or "")
        if self.prefix and not self.prefix.endswith("/"):
            self.prefix += "/"
        self._transfer: dict[str, Any] = {
            key: int(settings[key]) for key in ("concurrency", "block_size") if settings.get(key)
        }
        connection = {key: settings[key] for key in ("ca_bundle", "timeout", "outage") if settings.get(key)}
        self._client = Client(endpoint, str(settings["container"]), **connection)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def where(self) -> str:
        """The place, for people."""
        return f"container '{self._client.container}' of account '{self._client.endpoint.account}'"

    def put(
        self,
        path: Path | str,
        name: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
        *,
        sha256: str | None = None,
    ) -> StoredObject:
        """Store a file. Does nothing when it is there already (``changed`` is False then). What is kept with it is a
        digest over its blocks, so ``sha256`` is not asked for."""
        errors = plan.check_metadata(metadata or {})
        if errors:
            raise ValueError("\n".join(errors))
        options = Options(metadata=dict(metadata or {}), overwrite=overwrite, **self._transfer)
        done = upload(self._fresh(), Path(path), self.prefix + name, options)
        return StoredObject(
            name=name,
            size=done.size,
            url=done.url,
            etag=done.etag,
            digest=done.digest,
            md5=done.md5,
            sha256=done.sha256,
            metadata=dict(metadata or {}),
            parts=len(done.parts),
            index=done.index,
            changed=done.changed,
            verified=done.verified,
        )

    def get(self, name: str, dest: Path | str, sha256: str | None = None) -> StoredObject:
        """Fetch an object to a file, whole and verified or not at all."""
        done = download(self._fresh(), self.prefix + name, Path(dest), sha256=sha256)
        return dataclasses.replace(self._relative(done.found), changed=done.changed, verified=done.verified)

    def read(self, name: str) -> bytes:
        """The content of a small object, such as a manifest."""
        found = catalogue.find(self._fresh(), self.prefix + name)
        if found is None:
            raise BlobError(f"There is no object '{self.prefix + name}' in container '{self._client.container}'")
        blobs = [part["name"] for part in catalogue.read_index(self._client, found)] or [found.name]
        return b"".join(catalogue.read(self._client, blob) for blob in blobs)

    def unfinished(self, prefix: str = "") -> list[Unfinished]:
        """Uploads in parts that were interrupted, or still run."""
        return catalogue.survey(self._fresh(), self.prefix + prefix)[1]

    def remove(self, name: str) -> None:
        """Remove an object, with all its parts."""
        catalogue.remove(self._fresh(), self.prefix + name)

    def remove_unfinished(self, before: datetime.datetime, prefix: str = "") -> Sequence[str]:
        """Remove uploads in parts that were begun before a moment and never completed. Returns their names."""
        begun = catalogue.survey(self._fresh(), self.prefix + prefix)[1]
        stale = [item for item in begun if item.modified and item.modified < before]
        for item in stale:
            catalogue.remove_parts(self._client, item)
        return [item.name[len(self.prefix) :] for item in stale]

    def protection(self) -> Sequence[Protection]:
        """What keeps the objects from being replaced and removed, as far as this credential can see."""
        try:
            seen = self._fresh().call("ask for its protection", self._client.sdk.get_container_properties, needs="r")
        except BlobError as error:
            return [Protection("lock", NOT_VERIFIED, f"this credential may not see it: {error.code}")]
        if seen.has_immutability_policy or seen.has_legal_hold or seen.immutable_storage_with_versioning_enabled:
            return [Protection("lock", OK, "an immutability policy or a legal hold is in force")]
        return [Protection("lock", BAD, "blobs are not immutable: whoever may delete can delete backups")]

    def may_remove(self) -> Protection:
        """Whether this credential could replace or remove objects: what it says of itself, and where it says nothing
        (stored policies, roles) an attempt with a name that nothing has."""
        endpoint = self._client.endpoint
        if endpoint.kind == "account_key":
            return Protection("remove", BAD, "an account key may do everything; a SAS with sp=c suffices")
        if endpoint.sas and endpoint.sas.permissions is not None:
            granted = [word for key, word in (("w", "overwrite"), ("d", "delete")) if endpoint.allows(key)]
            if granted:
                return Protection("remove", BAD, f"the SAS may {' and '.join(granted)}; one with sp=c suffices")
            return Protection("remove", OK, "the SAS may neither overwrite nor delete")

        def answer(failure: Failure, _repeated: bool) -> Protection | None:
            if failure.forbidden:
                return Protection("remove", OK, "the credential may not delete")
            return Protection("remove", BAD, "the credential may delete") if failure.status == 404 else None

        name = f"{self.prefix}mainstay-probe-{secrets.token_hex(8)}"
        try:
            seen = self._fresh().call(
                "remove", self._client.sdk.get_blob_client(name).delete_blob, needs="d", lost=answer
            )
        except BlobError as error:
            return Protection("remove", NOT_VERIFIED, str(error))
        return seen if isinstance(seen, Protection) else Protection("remove", BAD, "the credential may delete")

    def list(self, prefix: str = "") -> list[StoredObject]:
        """The complete objects whose names start with ``prefix``, by name."""
        return [self._relative(found) for found in catalogue.survey(self._fresh(), self.prefix + prefix)[0]]

    def _relative(self, found: StoredObject) -> StoredObject:
        return dataclasses.replace(found, name=found.name[len(self.prefix) :])

    def _fresh(self) -> Client:
        """The client, with its time starting now."""
        self._client.restart()
        return self._client
