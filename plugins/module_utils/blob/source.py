# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that is read by several threads, and hashes over it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError, StoppedError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.plan import Block, Fingerprint, blocks, tree_digest

S = TypeVar("S")
T = TypeVar("T")
# Read in pieces that stay in the processor's cache between hashing and sending.
READ = 256 * 1024


class Source:
    """A regular file, open for reading, and what it was when it was opened."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self._local = threading.local()
        self._status = os.fstat(descriptor)
        self.size = self._status.st_size
        self.fingerprint = Fingerprint(size=self.size, mtime=self._status.st_mtime_ns)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``. Raises BlobError where the file has become shorter."""
        data = bytearray(size)
        self._fill(memoryview(data), offset)
        return bytes(data)

    def view(self, offset: int, size: int) -> memoryview:
        """The same for up to ``READ`` bytes, valid until this thread's next call."""
        # A new buffer for every piece would cost as much as moving the data: its pages are fresh each time.
        buffer = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = memoryview(bytearray(READ))
        piece: memoryview = buffer[:size]
        self._fill(piece, offset)
        return piece

    def _fill(self, target: memoryview, offset: int) -> None:
        while target:
            count = os.preadv(self._descriptor, [target], offset)
            if not count:
                raise BlobError(f"{self.path} changed while it was read: it ends at byte {offset} of {self.size}")
            target, offset = target[count:], offset + count

    def md5(self, block: Block) -> bytes:
        """The MD5 of a block."""
        return self.hash("md5", block.offset, block.size)

    def hash(
        self,
        algorithm: str,
        offset: int = 0,
        size: int | None = None,
        check: Callable[[], None] | None = None,
    ) -> bytes:
        """The digest of a range, of the whole file by default. ``check`` may raise to end it."""
        digest = hashlib.new(algorithm, usedforsecurity=False)
        end = self.size if size is None else offset + size
        for start in range(offset, end, READ):
            if check:
                check()
            digest.update(self.view(start, min(READ, end - start)))
        return digest.digest()

    def md5_within(self, block: Block, whole: hashlib._Hash, check: Callable[[], None]) -> bytes:
        """The MD5 of a block, by the same reading that adds it to the hash of the ``whole``. ``check`` may raise."""
        digest = hashlib.md5(usedforsecurity=False)
        for start in range(block.offset, block.offset + block.size, READ):
            check()
            piece = self.view(start, min(READ, block.offset + block.size - start))
            whole.update(piece)
            digest.update(piece)
        return digest.digest()

    def tree(self, block_size: int, concurrency: int) -> str:
        """The digest over block digests (`plan.tree_digest`)."""
        return tree_digest(each(self.md5, blocks(self.size, block_size), concurrency, threading.Event()), block_size)

    def unchanged(self) -> None:
        """Raises BlobError when the file is no longer what it was when it was opened, or the path leads elsewhere."""
        for now in (os.fstat(self._descriptor), self._at_path()):
            fields = ("st_ino", "st_dev", "st_size", "st_mtime_ns", "st_ctime_ns")
            differing = [field for field in fields if getattr(now, field, None) != getattr(self._status, field)]
            if differing:
                what = (
                    "size" if "st_size" in differing else "modification time" if "st_mtime_ns" in differing else "file"
                )
                raise BlobError(f"{self.path} changed while it was read (another {what}); nothing was stored")

    def _at_path(self) -> os.stat_result | None:
        with contextlib.suppress(FileNotFoundError):
            return self.path.stat()
        return None


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a regular file. Raises BlobError with the reason where that cannot be done."""
    try:
        # Without O_NONBLOCK a pipe would block here for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise BlobError(f"src: {path} does not exist") from None
    except OSError as error:
        raise BlobError(f"src: {path} cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BlobError(f"src: {path} is not a regular file")
        yield Source(path, descriptor)
    finally:
        os.close(descriptor)


def each(function: Callable[[S], T], items: Iterable[S], concurrency: int, stop: threading.Event) -> list[T]:
    """``function`` of every item, ``concurrency`` at a time, in the items' order.

    The first failure sets ``stop``, on which the others are expected to end with `StoppedError`, and is raised.
    """

    def guarded(item: S) -> T:
        try:
            return function(item)
        except BaseException:
            stop.set()
            raise

    results: list[T] = []
    queue: deque[Future[T]] = deque()
    with ThreadPoolExecutor(concurrency) as pool:
        try:
            for item in items:
                queue.append(pool.submit(guarded, item))
                if len(queue) >= 2 * concurrency:
                    results.append(queue[0].result())
                    queue.popleft()
            while queue:
                results.append(queue[0].result())
                queue.popleft()
        except BaseException as error:
            stop.set()
            for future in queue:
                future.cancel()
            causes = [future.exception() for future in queue if not future.cancelled()]
            raise next((cause for cause in causes if cause and not isinstance(cause, StoppedError)), error) from None
    return results
