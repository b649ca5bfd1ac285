# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in the store: objects by name, whether they were written whole or in parts."""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import Client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.service import Properties


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """An object in the store. ``size`` in bytes, ``modified`` in UTC, ``metadata`` without our own keys.

    ``parts`` is the number of parts it is stored in, 0 for a plain blob; ``index`` the blob that lists them.
    ``version`` is the one that counts, where the store keeps several.
    ``verified`` says how the content was checked by the call that returned this, and is empty in lists.
    """

    name: str
    size: int
    url: str
    etag: str | None = None
    modified: datetime.datetime | None = None
    digest: str | None = None
    md5: str | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    parts: int = 0
    index: str | None = None
    mtime: int | None = None
    tier: str | None = None
    version: str | None = None
    changed: bool = False
    verified: str = ""

    @property
    def fingerprint(self) -> plan.Fingerprint:
        """What is known of the content without reading it."""
        md5 = bytes.fromhex(self.md5) if self.md5 else None
        return plan.Fingerprint(self.size, self.mtime, self.digest, md5, self.sha256)


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """Parts of an upload that never wrote its list: it was interrupted, or is still running."""

    name: str
    attempt: str
    parts: int
    size: int
    modified: datetime.datetime | None


def stored_object(client: Client, name: str, properties: Properties) -> StoredObject:
    """The object behind a blob."""
    known = plan.Fingerprint.of_metadata(properties.size, properties.metadata, properties.md5)
    meta = {key.lower(): value for key, value in properties.metadata.items()}
    parts = int(meta["mainstay_parts"]) if meta.get("mainstay_parts", "").isdigit() else 0
    return StoredObject(
        name=name,
        size=known.size,
        url=client.url(properties.name),
        etag=properties.etag.strip('"') if properties.etag else None,
        modified=properties.modified,
        digest=known.digest,
        md5=known.md5.hex() if known.md5 and not parts else None,
        sha256=known.sha256,
        metadata={k: v for k, v in properties.metadata.items() if not k.lower().startswith("mainstay_")},
        parts=parts,
        index=properties.name if parts else None,
        mtime=known.mtime,
        tier=properties.tier,
    )


def describe(found: StoredObject) -> dict[str, Any]:
    """An object as the modules return it."""
    fields = dataclasses.asdict(found)
    fields["modified"] = found.modified.isoformat() if found.modified else None
    fields["metadata"] = dict(found.metadata)
    for internal in ("changed", "verified", "mtime"):
        del fields[internal]
    return fields


def survey(client: Client, prefix: str = "") -> tuple[list[StoredObject], list[Unfinished]]:
    """Objects whose names start with ``prefix``, by name, and uploads in parts that are not complete.

    Of several under one name the oldest counts: what somebody adds later with a stolen create-only credential replaces
    nothing. Raises BlobError.
    """
    action = f"list '{prefix}*'" if prefix else "list"
    return arrange(client, client.call(action, lambda: list(client.service.list(prefix)), needs="l"))


def arrange(client: Client, blobs: Iterable[Properties]) -> tuple[list[StoredObject], list[Unfinished]]:
    """Objects and unfinished uploads from a flat list of blobs."""
    objects: dict[str, StoredObject] = {}
    complete: set[tuple[str, str]] = set()
    pieces: dict[tuple[str, str], list[Properties]] = {}
    for blob in blobs:
        if part := plan.split_part(blob.name):
            pieces.setdefault(part, []).append(blob)
            continue
        index = plan.split_index(blob.name)
        if index:
            complete.add(index)
        found = stored_object(client, index[0] if index else blob.name, blob)
        other = objects.get(found.name)
        if other is None or (found.modified and other.modified and found.modified < other.modified):
            objects[found.name] = found
    unfinished = [
        Unfinished(
            name,
            attempt,
            len(parts),
            sum(p.size for p in parts),
            max((p.modified for p in parts if p.modified), default=None),
        )
        for (name, attempt), parts in pieces.items()
        if (name, attempt) not in complete
    ]
    return [objects[name] for name in sorted(objects)], sorted(unfinished, key=lambda u: (u.name, u.attempt))


def _latest(moments: Iterable[datetime.datetime | None]) -> datetime.datetime | None:
    return max(filter(None, moments), default=None)


def find(client: Client, name: str) -> StoredObject | None:
    """The object of this name, or None. One HEAD and, where the credential may list, one list. Raises BlobError."""

    def absent(failure: Failure, _repeated: bool) -> list[Properties] | None:
        return [] if failure.status == 404 and failure.code != "ContainerNotFound" else None

    action = f"look at '{name}'"
    found = client.call(action, lambda: [client.service.properties(name)], needs="r", lost=absent)
    if client.endpoint.allows("l") is not False:
        found = found + client.call(action, lambda: list(client.service.list(f"{name}.")), needs="l")
    return next((item for item in arrange(client, found)[0] if item.name == name), None)


def remove(client: Client, name: str) -> None:
    """Remove everything that is stored under a name: the blob, or the lists of parts and then the parts, whoever wrote
    them. Raises BlobError."""
    action = f"remove '{name}'"
    blobs = client.call(action, lambda: list(client.service.list(name)), needs="l")
    found = {blob.name: plan.split_part(blob.name) for blob in blobs}
    whole = [key for key in found if key == name or (plan.split_index(key) or ("",))[0] == name]
    for key in [*whole, *(key for key, part in found.items() if part and part[0] == name)]:
        client.call(
            action, client.sdk.get_blob_client(key).delete_blob, delete_snapshots="include", needs="d", lost=_gone
        )


def _gone(failure: Failure, _repeated: bool) -> str | None:
    return "gone" if failure.status == 404 and failure.code != "ContainerNotFound" else None


def remove_parts(client: Client, unfinished: Unfinished) -> None:
    """Remove the parts of an upload that never finished. Raises BlobError."""
    prefix = f"{unfinished.name}.{unfinished.attempt}.part-"
    action = f"remove '{prefix}*'"
    for blob in client.call(action, lambda: list(client.service.list(prefix)), needs="l"):
        if plan.split_part(blob.name):
            client.call(action, client.sdk.get_blob_client(blob.name).delete_blob, needs="d", lost=_gone)


def read(client: Client, name: str, limit: int = 64 * plan.MIB) -> bytes:
    """The content of a small blob. Raises BlobError, also where it is larger than ``limit`` bytes."""

    def receive(response: http.client.HTTPResponse) -> bytes:
        size = int(response.headers["Content-Length"])
        if size > limit:
            raise BlobError(f"'{name}' in container '{client.container}' has {size} bytes, more than {limit}")
        return response.read()

    content: bytes = client.call(f"read '{name}'", client.service.get, name, receive, needs="r")
    return content


def read_index(client: Client, found: StoredObject) -> list[dict[str, Any]]:
    """The parts of an object, in order: name, size and md5 (hexadecimal) each; none of a plain blob.

    Raises BlobError for a damaged list.
    """
    if found.index is None:
        return []
    try:
        index = json.loads(read(client, found.index))
        parts: list[dict[str, Any]] = [
            {"name": str(p["name"]), "size": int(p["size"]), "md5": str(p["md5"])} for p in index["parts"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BlobError(f"'{found.index}' in container '{client.container}' is not a list of parts: {error}") from None
    if sum(int(part["size"]) for part in parts) != found.size or len(parts) != found.parts:
        raise BlobError(f"'{found.index}' in container '{client.container}' does not add up to {found.size} bytes")
    return parts
