# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload one file: in blocks that are committed together, or in parts where the credential may only create."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import Body, Client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import OVERWRITE_REFUSED, BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.service import META, Properties, content_md5
from ansible_collections.mainstay.platform.plugins.module_utils.blob.source import Source, each, open_source

BLOCK_SIZE = 8 * plan.MIB
CONCURRENCY = 4
# Sizes up to this are sent as one request instead of blocks and a commit.
SINGLE = 4 * plan.MIB
UNLESS_TAKEN = {"if-none-match": "*"}
STARTS_OVER = "sent from the start, without a look: the credential may not read what an earlier attempt has left"


@dataclasses.dataclass
class Upload:
    """What an upload did. Sizes in bytes, ``duration`` in seconds."""

    changed: bool
    url: str
    container: str
    name: str
    size: int
    reason: str
    etag: str | None = None
    digest: str | None = None
    md5: str | None = None
    sha256: str | None = None
    transferred_bytes: int = 0
    resumed_bytes: int = 0
    parts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    index: str | None = None
    verified: str = "nothing was sent"
    duration: float = 0.0


@dataclasses.dataclass(frozen=True)
class Options:
    """How to upload. ``compare``: ``quick`` or ``content``; ``checksum``: a hash over the whole file to keep as
    well."""

    overwrite: bool = False
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tier: str | None = None
    content_type: str = "application/octet-stream"
    concurrency: int = CONCURRENCY
    block_size: int = BLOCK_SIZE
    compare: str = "quick"
    checksum: str | None = None


def upload(
    client: Client,
    path: Path,
    name: str,
    options: Options | None = None,
    check_mode: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Upload:
    """Bring a file into the store under ``name``, unless it is there already.

    Raises BlobError; then nothing under ``name`` has changed. ``progress(sent, total)`` is called after every block.
    """
    started = time.monotonic()
    with open_source(path) as source:
        job = _Job(client, source, name, options or Options(), progress)
        result = job.run(check_mode)
    result.duration = round(time.monotonic() - started, 3)
    return result


class _AnswerLostError(Exception):
    """Whether a plain name holds our bytes or others' cannot be told; parts have names of their own."""


def may_write(client: Client) -> bool | None:
    """Whether blocks may be sent: False with a create-only SAS; None where a stored policy decides."""
    return client.endpoint.allows("w")


class _Job:
    """One upload. The state that its steps share."""

    def __init__(
        self, client: Client, source: Source, name: str, options: Options, progress: Callable[[int, int], None] | None
    ) -> None:
        self.client, self.source, self.name, self.options = client, source, name, options
        self.service = client.service
        self.readable = client.endpoint.allows("r") is not False
        self.sent = self.resumed = 0
        self.whole_hash: Future[bytes] | None = None
        self._progress, self._lock = progress, threading.Lock()
        self.action = f"upload {source.path} as '{name}'"

    def run(self, check_mode: bool) -> Upload:
        seen = self.look() if self.readable else None
        if not self.readable and not self.options.overwrite and may_write(self.client):
            self.refuse_taken()
        result = Upload(
            changed=True,
            url=self.client.url(self.name),
            container=self.client.container,
            name=self.name,
            size=self.source.size,
            reason="not in the store" if self.readable else STARTS_OVER,
        )
        if seen is not None:
            stored, etag = seen
            same = self.same(stored)
            if same:
                result.changed, result.reason, result.etag = False, same, etag
                result.digest, result.sha256 = stored.digest, stored.sha256
                result.md5 = stored.md5.hex() if stored.md5 else None
                return result
            if not self.options.overwrite:
                raise BlobError(
                    f"{self.exists()} with another content ({stored.size} bytes, {self.source.path} has "
                    f"{self.source.size}); nothing was sent. Choose another name, or set overwrite"
                )
            result.reason = "replaces another content"
        if check_mode:
            result.verified = "check mode: nothing was sent"
            return result
        self.moved(0)
        with ThreadPoolExecutor(1) as aside:
            if self.options.checksum:
                hashing = functools.partial(self.source.hash, self.options.checksum, check=self.client.check)
                self.whole_hash = aside.submit(hashing)
            if may_write(self.client) is False:
                self.in_parts(result)
            else:
                self.in_blocks(result)
        result.transferred_bytes, result.resumed_bytes = self.sent, self.resumed
        return result

    def look(self) -> tuple[plan.Fingerprint, str] | None:
        """What the store has under this name. One HEAD."""

        def refused(failure: Failure, _repeated: bool) -> list[Properties] | None:
            if failure.code == "BlobNotFound" or (failure.status == 404 and failure.code != "ContainerNotFound"):
                return []
            if failure.forbidden and self.client.endpoint.allows("r") is None:
                self.readable = False
                return []
            return None

        found = self.client.call(self.action, lambda: [self.service.properties(self.name)], needs="r", lost=refused)
        for seen in found:
            return plan.Fingerprint.of_metadata(seen.size, seen.metadata, seen.md5), str(seen.etag)
        return None

    def refuse_taken(self) -> None:
        """Where the credential may write but not look: committing a block that nobody has sent must fail, but where
        the name is taken it fails for that reason. Anything unclear is left to the real commit, which asks again."""
        answer: Any = self.client.call(
            self.action,
            self.service.commit,
            self.name,
            [secrets.token_hex(plan.ID_LENGTH // 2).encode()],
            UNLESS_TAKEN,
            needs="w",
            lost=lambda failure, _: failure if failure.code in ("BlobAlreadyExists", "InvalidBlockList") else None,
        )
        if isinstance(answer, Failure) and answer.code == "BlobAlreadyExists":
            raise BlobError(
                f"{self.exists()}, and the credential may not read it, so it cannot be compared; nothing was sent. "
                "Choose another name, set overwrite, or add 'r' (read) to the credential",
                answer,
            )

    def exists(self) -> str:
        client = self.client
        return f"'{self.name}' exists already in container '{client.container}' of account '{client.endpoint.account}'"

    def same(self, stored: plan.Fingerprint) -> str | None:
        """Why the stored object counts as the same; None when it does not."""
        verdict = plan.compare(self.source.fingerprint, stored, self.options.compare)
        if verdict in ("same", "different"):
            return "unchanged: same size and modification time" if verdict == "same" else None
        if verdict == "digest":
            size = plan.digest_block_size(stored.digest) or plan.MIB
            equal = self.source.tree(size, self.options.concurrency) == stored.digest
        else:
            equal = self.source.hash(verdict) == (
                stored.md5 if verdict == "md5" else bytes.fromhex(stored.sha256 or "")
            )
        return "unchanged: same content" if equal else None

    def moved(self, size: int, resumed: bool = False) -> None:
        with self._lock:
            if resumed:
                self.resumed += size
            else:
                self.sent += size
            if self._progress:
                self._progress(self.sent + self.resumed, self.source.size)

    def whole(self, result: Upload) -> plan.Fingerprint:
        """The fingerprint to keep with the object."""
        return dataclasses.replace(self.source.fingerprint, digest=result.digest, sha256=result.sha256)

    def headers(self, metadata: Mapping[str, str], md5: str | None = None) -> dict[str, str]:
        """What is kept with a blob, and the condition under which it is written."""
        options = self.options
        headers = {META + key: value for key, value in {**options.metadata, **metadata}.items()}
        headers["x-ms-blob-content-type"] = options.content_type
        if md5:
            headers["x-ms-blob-content-md5"] = base64.b64encode(bytes.fromhex(md5)).decode()
        if options.tags:
            headers["x-ms-tags"] = urlencode(options.tags, quote_via=quote, safe="")
        if options.tier:
            headers["x-ms-access-tier"] = options.tier.capitalize()
        return headers if options.overwrite else headers | UNLESS_TAKEN

    @property
    def needs(self) -> str:
        return ("w" if self.options.overwrite else "c") + ("t" if self.options.tags else "")

    def checksum(self, result: Upload) -> None:
        if self.whole_hash and self.options.checksum == "sha256":
            result.sha256 = self.whole_hash.result().hex()
        elif self.whole_hash:
            result.md5 = self.whole_hash.result().hex()

    # -- blocks: the credential may write ---------------------------------------------------------------------------

    def in_blocks(self, result: Upload) -> None:
        size = plan.block_size_for(self.source.size, self.options.block_size)
        if self.source.size <= min(SINGLE, size):
            try:
                self.in_one(result)
            except BlobError as error:
                # Unfinished blocks make a name look taken to some services. The commit of a block can tell.
                if error.code != "BlobAlreadyExists":
                    raise
            else:
                return
        held = self.held() if self.readable else {}
        length = self.id_length(held)
        trusted = held if length >= plan.TRUSTED_ID_LENGTH else {}

        def send(block: plan.Block) -> tuple[bytes, bytes]:
            md5 = self.source.md5(block)
            name = plan.block_id(block, md5, length)
            if trusted.get(name) == block.size:
                self.moved(block.size, resumed=True)
                return md5, name
            put, body = self.service.put_block, self.body(block)
            self.client.call(self.action, put, self.name, name, body, block.size, md5, needs="w")
            self.moved(block.size)
            return md5, name

        pieces = plan.blocks(self.source.size, size)
        done = each(send, pieces, self.options.concurrency, self.client.stop)
        result.digest = plan.tree_digest((md5 for md5, _name in done), size)
        self.checksum(result)
        self.source.unchanged()
        self.commit(result, [name for _md5, name in done])
        result.verified = f"Content-MD5 of each of {len(done)} blocks, checked by the service"

    def body(self, block: plan.Block) -> Body:
        """A block, as a request sends it."""
        return self.client.body(block.size, lambda offset, size: self.source.view(block.offset + offset, size))

    def held(self) -> dict[bytes, int]:
        """Uncommitted blocks that the service holds of earlier attempts, ours or others': id and size."""

        def absent(failure: Failure, _repeated: bool) -> dict[bytes, int] | None:
            unreadable = failure.forbidden and self.client.endpoint.allows("r") is None
            return {} if failure.status == 404 or unreadable else None

        return self.client.call(self.action, self.service.blocks, self.name, needs="r", lost=absent)

    def id_length(self, held: Iterable[bytes]) -> int:
        """The length of block ids that the service takes: all ids of a blob must have one, and leftovers decide it.

        Where they cannot be listed, a block of one byte finds out; it is dropped at the commit.
        """
        lengths = {len(name) for name in held}
        if self.readable and len(lengths) <= 1 and self.client.endpoint.allows("w") is not None:
            return lengths.pop() if lengths else plan.ID_LENGTH
        for length in plan.id_lengths(sorted(lengths)):
            probe = plan.block_id(plan.Block(0, 0, 1), b"", length)
            answer: Any = self.client.call(
                self.action,
                self.service.put_block,
                self.name,
                probe,
                [b"-"],
                1,
                needs="w",
                lost=lambda failure, _: failure if failure.code == "InvalidBlobOrBlock" else None,
            )
            if not isinstance(answer, Failure):
                return length
        raise BlobError(f"Cannot {self.action}: unfinished blocks of another client lie under this name; take another")

    def commit(self, result: Upload, names: list[bytes]) -> None:
        result.etag = self.client.call(
            self.action,
            self.service.commit,
            self.name,
            names,
            self.headers(self.whole(result).metadata(), result.md5),
            needs="w",
            lost=lambda failure, repeated: self.taken(failure, repeated, result),
        )

    def taken(self, failure: Failure, repeated: bool, result: Upload) -> str | None:
        """The ETag where the upload is done after all: the name was taken between the look and the end, by ourselves
        when an answer was lost, or by another writer."""
        if failure.code not in ("BlobAlreadyExists", OVERWRITE_REFUSED) and not (repeated and failure.forbidden):
            return None
        seen = self.look() if self.readable else None
        if seen is not None and seen[0].digest == result.digest:
            return seen[1]
        if repeated and not self.readable:
            if may_write(self.client) is False:
                raise _AnswerLostError
            raise BlobError(
                f"Cannot {self.action} in container '{self.client.container}' for certain: the service's answer was "
                f"lost, and now the name is taken. It is most likely this upload; a credential that may read can tell",
                failure,
            )
        return None

    # -- one request -------------------------------------------------------------------------------------------------

    def in_one(self, result: Upload) -> None:
        block = plan.Block(0, 0, self.source.size)
        md5 = self.source.md5(block)
        result.digest = plan.tree_digest([md5] if block.size else [], max(self.options.block_size, plan.PART_SIZE))
        result.md5 = md5.hex()
        self.checksum(result)
        headers = self.headers(self.whole(result).metadata())
        self.source.unchanged()

        def read(offset: int, size: int) -> memoryview:
            piece = self.source.view(offset, size)
            if offset + size == block.size:
                # Without its end the service takes nothing.
                self.source.unchanged()
            return piece

        body = self.client.body(block.size, read)
        result.etag = self.put(self.name, body, md5, headers, lambda failure, again: self.taken(failure, again, result))
        self.moved(block.size)
        result.verified = "Content-MD5 of the whole, checked by the service"

    def put(
        self,
        name: str,
        body: Body,
        md5: bytes,
        headers: Mapping[str, str],
        lost: Callable[[Failure, bool], str | None],
    ) -> str:
        """One Put Blob, its MD5 checked by the service; the ETag."""
        headers = {**headers, **content_md5(md5)}
        return self.client.call(
            self.action, self.service.put, name, body, body.size, headers, needs=self.needs, lost=lost
        )

    # -- parts: the credential may only create -----------------------------------------------------------------------

    def in_parts(self, result: Upload) -> None:
        if self.source.size <= plan.PART_SIZE:
            try:
                self.in_one(result)
            except _AnswerLostError:
                pass
            else:
                return
        attempt = secrets.token_hex(4)
        pieces = list(plan.blocks(self.source.size, plan.PART_SIZE))
        if len(pieces) > plan.MAX_PARTS:
            raise BlobError(f"{self.source.path} is too big for a create-only credential; give one with 'w' (write)")

        def send(block: plan.Block) -> dict[str, Any]:
            md5 = self.source.md5(block)
            name = plan.part_name(self.name, attempt, block.index, len(pieces))
            self.put(name, self.body(block), md5, self.headers({}), _ours)
            self.moved(block.size)
            return {"name": name, "size": block.size, "md5": md5.hex()}

        result.parts = each(send, pieces, self.options.concurrency, self.client.stop)
        result.digest = plan.tree_digest((bytes.fromhex(part["md5"]) for part in result.parts), plan.PART_SIZE)
        self.checksum(result)
        self.source.unchanged()
        self.write_index(result, attempt)
        result.verified = (
            f"Content-MD5 of each of {len(pieces)} parts, checked by the service; "
            "not read back, the credential may not read"
        )

    def write_index(self, result: Upload, attempt: str) -> None:
        """The list of parts, last: what it names is complete."""
        index = {"version": 1, "name": self.name, "size": result.size, "digest": result.digest, "parts": result.parts}
        data = json.dumps(index, indent=1).encode()
        headers = self.headers({**self.whole(result).metadata(), "mainstay_parts": str(len(result.parts))})
        name = plan.index_name(self.name, attempt)
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        body = self.client.body(len(data), lambda offset, size: data[offset : offset + size])
        result.etag = self.put(name, body, md5, headers, _ours) or None
        result.url, result.index = self.client.url(name), name


def _ours(failure: Failure, repeated: bool) -> str | None:
    # The name is new with this upload. So if it is taken after an answer was lost, it is by what was sent then, and
    # whole: the service takes a blob entirely and with the right MD5, or not at all.
    taken = failure.code == "BlobAlreadyExists" or failure.forbidden
    return "" if repeated and taken else None
