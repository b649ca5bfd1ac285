# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Download one object: ranges in parallel into a partial file, checked while they arrive, renamed when all is right."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import http.client
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject, find, read_index
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import PIECE, Client
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, Failure
from ansible_collections.mainstay.platform.plugins.module_utils.blob.source import each, open_source

RANGE = 8 * plan.MIB
# What one request asks for at most: over a distance each request costs its way there and back.
SPAN = 64 * plan.MIB
CONCURRENCY = 4


@dataclasses.dataclass
class Download:
    """What a download did. Sizes in bytes, ``duration`` in seconds."""

    changed: bool
    found: StoredObject
    dest: str
    reason: str
    sha256: str | None = None
    transferred_bytes: int = 0
    resumed_bytes: int = 0
    verified: str = "nothing was fetched"
    duration: float = 0.0


def download(
    client: Client,
    name: str,
    dest: Path,
    sha256: str | None = None,
    overwrite: bool = True,
    concurrency: int = CONCURRENCY,
    check_mode: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Download:
    """Bring the object ``name`` to the file ``dest``, unless it is there already.

    ``sha256`` (hexadecimal) is what the content must have. The file gets mode 0600 and the source's modification
    time. Raises BlobError; then ``dest`` is as it was.
    """
    started = time.monotonic()
    found = find(client, name)
    if found is None:
        raise BlobError(
            f"There is no object '{name}' in container '{client.container}' of account '{client.endpoint.account}'"
        )
    result = Download(True, found, str(dest), "not here yet")
    if dest.is_dir() or not dest.parent.is_dir():
        raise BlobError(
            f"dest: {dest} " + ("is a directory" if dest.is_dir() else "is in a directory that does not exist")
        )
    if dest.exists():
        if _same(dest, found, sha256, concurrency):
            result.changed, result.reason, result.sha256 = False, "unchanged", sha256 or found.sha256
            return result
        if not overwrite:
            raise BlobError(f"dest: {dest} exists already with another content; set overwrite to replace it")
        result.reason = "replaces another content"
    if check_mode:
        result.verified = "check mode: nothing was fetched"
        return result
    with _partial(dest, found) as (descriptor, done):
        _Fetch(client, found, descriptor, done, progress).run(result, sha256 or found.sha256, concurrency)
        if found.mtime:
            os.utime(descriptor, ns=(found.mtime, found.mtime))
        os.fsync(descriptor)
    _finish(dest, found)
    result.duration = round(time.monotonic() - started, 3)
    return result


def _same(dest: Path, found: StoredObject, sha256: str | None, concurrency: int) -> bool:
    with open_source(dest) as local:
        if sha256:
            return local.size == found.size and local.hash("sha256").hex() == sha256.lower()
        verdict = plan.compare(local.fingerprint, found.fingerprint)
        if verdict == "digest":
            return local.tree(plan.digest_block_size(found.digest) or RANGE, concurrency) == found.digest
        if verdict in ("sha256", "md5"):
            return local.hash(verdict).hex() == str(getattr(found, verdict))
        return verdict == "same"


def _partial_paths(dest: Path, found: StoredObject) -> tuple[Path, Path]:
    # The version is in the name: a partial file of another version is never continued.
    version = hashlib.sha256(f"{found.url} {found.etag}".encode()).hexdigest()[:8]
    return dest.parent / f".{dest.name}.{version}.partial", dest.parent / f".{dest.name}.{version}.done"


@contextlib.contextmanager
def _partial(dest: Path, found: StoredObject) -> Iterator[tuple[int, Path]]:
    path, done = _partial_paths(dest, found)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise BlobError(f"dest: {path} cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlobError(f"dest: another download to {dest} is running") from None
        try:
            if found.size:
                os.posix_fallocate(descriptor, 0, found.size)
        except OSError as error:
            path.unlink()
            raise BlobError(f"dest: no room for {found.size} bytes in {dest.parent}: {error.strerror}") from None
        yield descriptor, done
    finally:
        os.close(descriptor)


def _finish(dest: Path, found: StoredObject) -> None:
    path, done = _partial_paths(dest, found)
    path.replace(dest)
    done.unlink(missing_ok=True)
    directory = os.open(dest.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class _Fetch:
    """One download: where its ranges come from, and which are here already."""

    def __init__(
        self,
        client: Client,
        found: StoredObject,
        descriptor: int,
        done: Path,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.client, self.found, self.descriptor, self.done = client, found, descriptor, done
        self.fetched = self.resumed = 0
        self._progress, self._lock, self._local = progress, threading.Lock(), threading.local()
        self.parts = read_index(client, found)
        # A digest of ours says how to cut, so that it can be computed from the ranges as they come.
        self.range = plan.digest_block_size(found.digest) or RANGE

    def run(self, result: Download, sha256: str | None, concurrency: int) -> None:
        self._moved(0)
        known = self._known()
        pieces = list(plan.blocks(self.found.size, self.range))
        if self.parts and [p["size"] for p in self.parts] != [b.size for b in pieces]:
            raise BlobError(f"'{self.found.index}' in container '{self.client.container}': sizes do not fit its digest")
        with self.done.open("a", encoding="ascii") as journal:

            def known_here(block: plan.Block) -> bool:
                if block.index not in known or self._md5(block) != known[block.index]:
                    return False
                self._moved(block.size, resumed=True)
                return True

            def arrived(block: plan.Block, md5: bytes) -> None:
                with self._lock:
                    known[block.index] = md5
                    journal.write(f"{block.index} {md5.hex()}\n")
                    journal.flush()
                self._moved(block.size)

            def one(span: list[plan.Block]) -> list[bytes]:
                missing = [block for block in span if not known_here(block)]
                for run in _runs(missing):
                    self._fetch(run, arrived)
                return [known[block.index] for block in span]

            spans = plan.spans(pieces, 1 if self.parts else SPAN // self.range, concurrency)
            md5s = [md5 for span in each(one, spans, concurrency, self.client.stop) for md5 in span]
        self._verify(result, md5s, sha256.lower() if sha256 else None)
        result.transferred_bytes, result.resumed_bytes = self.fetched, self.resumed

    def _known(self) -> dict[int, bytes]:
        """Ranges that an interrupted download has finished: index and MD5."""
        with contextlib.suppress(FileNotFoundError):
            lines = [line.split() for line in self.done.read_text(encoding="ascii", errors="replace").splitlines()]
            return {int(i): bytes.fromhex(md5) for i, md5 in (ln for ln in lines if len(ln) == 2 and len(ln[1]) == 32)}
        return {}

    def _md5(self, block: plan.Block) -> bytes:
        digest = hashlib.md5(usedforsecurity=False)
        for start in range(block.offset, block.offset + block.size, plan.MIB):
            digest.update(os.pread(self.descriptor, min(plan.MIB, block.offset + block.size - start), start))
        return digest.digest()

    def _fetch(self, run: list[plan.Block], arrived: Callable[[plan.Block, bytes], None]) -> None:
        """Get blocks that lie behind each other by one request, or by as many as the line makes necessary."""
        left = deque(run)
        name, conditions = self.found.name, {"if-match": f'"{self.found.etag}"'}
        shift = 0
        if self.parts:
            name, conditions, shift = self.parts[run[0].index]["name"], {}, run[0].offset

        def get() -> bool:
            start, size = left[0].offset - shift, sum(block.size for block in left)
            wanted = {"x-ms-range": f"bytes={start}-{start + size - 1}", **conditions}
            self.client.service.get(name, lambda response: receive(response, size), wanted)
            return True

        def receive(response: http.client.HTTPResponse, size: int) -> None:
            if response.status != 206 or response.length != size:
                raise BlobError(
                    f"'{name}' in container '{self.client.container}' has not the size that its list of parts says"
                )
            while left:
                md5 = self._receive(response, left[0])
                if self.parts and md5.hex() != self.parts[left[0].index]["md5"]:
                    raise BlobError(
                        f"'{name}' in container '{self.client.container}' is damaged: "
                        "its MD5 is not the one in the list"
                    )
                arrived(left.popleft(), md5)

        while left:
            # A line that broke after something had come is a new outage, which has its own time.
            before = len(left)

            def lost(_failure: Failure, _repeated: bool, before: int = before) -> bool | None:
                return True if len(left) < before else None

            self.client.call(f"download '{name}'", get, needs="r", lost=lost)

    def _receive(self, response: http.client.HTTPResponse, block: plan.Block) -> bytes:
        digest, at, missing = hashlib.md5(usedforsecurity=False), block.offset, block.size
        buffer = self._buffer()
        while missing:
            self.client.check()
            count = response.readinto(buffer[:missing])
            if not count:
                raise ConnectionError(f"the answer ended {missing} bytes early")
            digest.update(buffer[:count])
            _write(self.descriptor, buffer[:count], at)
            at, missing = at + count, missing - count
        return digest.digest()

    def _buffer(self) -> memoryview:
        """This thread's."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = memoryview(bytearray(PIECE))
        buffer: memoryview = self._local.buffer
        return buffer

    def _moved(self, size: int, resumed: bool = False) -> None:
        with self._lock:
            if resumed:
                self.resumed += size
            else:
                self.fetched += size
            if self._progress:
                self._progress(self.fetched + self.resumed, self.found.size)

    def _verify(self, result: Download, md5s: list[bytes], sha256: str | None) -> None:
        checks: list[tuple[str, str, str]] = []
        if self.found.digest:
            checks.append(("digest over its blocks", self.found.digest, plan.tree_digest(md5s, self.range)))
        if sha256:
            result.sha256 = self._whole("sha256")
            checks.append(("SHA-256", sha256, result.sha256))
        elif self.found.md5 and not self.found.digest:
            checks.append(("stored MD5", self.found.md5, self._whole("md5")))
        for what, expected, actual in checks:
            if expected != actual:
                self.done.unlink(missing_ok=True)
                raise BlobError(
                    f"'{self.found.name}' in container '{self.client.container}' is not what it should be: "
                    f"its {what} is {actual}, expected {expected}; the destination is unchanged"
                )
        result.verified = " and ".join(check[0] for check in checks) or "not_verified: the store keeps no digest of it"

    def _whole(self, algorithm: str) -> str:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for start in range(0, self.found.size, plan.MIB):
            digest.update(os.pread(self.descriptor, min(plan.MIB, self.found.size - start), start))
        return digest.hexdigest()


def _runs(pieces: list[plan.Block]) -> list[list[plan.Block]]:
    """Blocks, in order, as lists of those that lie behind each other."""
    neighbours = itertools.groupby(enumerate(pieces), lambda item: item[1].index - item[0])
    return [[block for _position, block in run] for _key, run in neighbours]


def _write(descriptor: int, data: Any, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
