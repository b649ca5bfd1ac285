# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a transfer is, in a small file for whoever wants to watch."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError

EVERY = 0.5


@contextlib.contextmanager
def told(path: str | None) -> Iterator[Callable[[int, int], None] | None]:
    """A function to call with the bytes done and all there are. It keeps ``{"done": …, "total": …}`` in the file at
    ``path``, readable for all, replaced whole twice a second at most, and removed at the end. None without a path.

    Raises BlobError where there is no writing.
    """
    if not path:
        yield None
        return
    file = Path(path)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    due = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            try:
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
                with os.fdopen(descriptor, "w") as writer:
                    os.fchmod(descriptor, 0o644)
                    json.dump({"done": done, "total": total}, writer)
                fresh.replace(file)
            except OSError as error:
                raise BlobError(f"progress: {path} cannot be written: {error.strerror}") from None

    try:
        yield tell
    finally:
        for left in (fresh, file):
            with contextlib.suppress(OSError):
                left.unlink()
