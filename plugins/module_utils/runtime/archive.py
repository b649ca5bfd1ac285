# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as one file: the same content always gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

# What a server needs of the collection. Its tests, inventories and documentation stay where they are.
KEPT = ("galaxy.yml", "MANIFEST.json", "meta", "playbooks", "plugins", "roles")


def members(root: Path) -> Iterator[tuple[str, Path]]:
    """``(path inside the collection, file)`` of everything that travels, sorted."""
    for name in KEPT:
        top = root / name
        found = [top] if top.is_file() else sorted(top.rglob("*"))
        for path in found:
            inside = path.relative_to(root)
            hidden = any(part.startswith(".") for part in inside.parts) or "__pycache__" in inside.parts
            if path.is_file() and not hidden and path.suffix != ".pyc":
                yield inside.as_posix(), path


def content_hash(root: Path) -> str:
    """SHA-256, hexadecimal, over the names, permissions and contents of everything that travels."""
    total = hashlib.sha256()
    for name, path in members(root):
        total.update(f"{name}\0{_mode(path):o}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def build(root: Path) -> bytes:
    """A tar archive, compressed, of everything that travels. Neither times nor owners of the checkout are in it."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in members(root):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), _mode(path)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
