# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to send and under which names: pure decisions about an upload, without any input or output."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

MIB = 1024 * 1024
MAX_BLOCKS = 50_000
MAX_BLOCK = 4000 * MIB
MAX_SIZE = MAX_BLOCKS * MAX_BLOCK
PART_SIZE = 32 * MIB
MAX_PARTS = 99_999

# 5 digits of position and all 43 characters of a SHA-256 in base64. Azure's own library uses 48 characters as well,
# so that its leftovers need no special care.
ID_LENGTH = 48
# Below this an id holds fewer than 96 bits of digest: too few to trust a block that somebody else may have left.
TRUSTED_ID_LENGTH = 21
MIN_ID_LENGTH = 5
# Raw lengths of the ids of azcopy, rclone, azure-cli and others, most likely first; then whatever else is legal.
KNOWN_ID_LENGTHS = (48, 36, 18, 16, 24, 8, 9, 64, 32, 20)

_PART = re.compile(r"(?P<name>.+)\.(?P<attempt>[0-9a-f]{8})\.part-(?P<number>\d{5})-of-(?P<count>\d{5})")
_INDEX = re.compile(r"(?P<name>.+)\.(?P<attempt>[0-9a-f]{8})\.parts\.json")


@dataclasses.dataclass(frozen=True)
class Block:
    """One piece of a file: ``index`` from 0, ``offset`` and ``size`` in bytes."""

    index: int
    offset: int
    size: int


def block_size_for(size: int, wanted: int) -> int:
    """The block size in bytes for a file of ``size`` bytes: ``wanted``, or more when 50,000 blocks would not do.

    Raises ValueError beyond the service's limit of 50,000 blocks of 4000 MiB.
    """
    if size > MAX_SIZE:
        raise ValueError(f"{size} bytes are more than one blob can hold ({MAX_SIZE} bytes)")
    needed = -(-size // MAX_BLOCKS)
    return max(wanted, -(-needed // MIB) * MIB)


def blocks(size: int, block_size: int) -> Iterator[Block]:
    """The blocks of a file of ``size`` bytes, in order. An empty file has none."""
    for index, offset in enumerate(range(0, size, block_size)):
        yield Block(index, offset, min(block_size, size - offset))


def spans(pieces: Sequence[Block], most: int, concurrency: int) -> Iterator[list[Block]]:
    """Blocks for one request each: at most ``most`` of them, and so few that every connection gets four requests,
    since a slow one is waited for at the end."""
    count = max(1, min(most, len(pieces) // (4 * concurrency)))
    for start in range(0, len(pieces), count):
        yield list(pieces[start : start + count])


def block_id(block: Block, md5: bytes, length: int = ID_LENGTH) -> bytes:
    """The id of a block, ``length`` characters of ASCII: position, then a digest over position, size and content.

    The same block of the same file always gets the same id, so what the service still holds of an interrupted upload
    is recognised. The service wants all ids of a blob to have one length; ``length`` follows what is there already.
    """
    if not MIN_ID_LENGTH <= length <= 64:
        raise ValueError(f"block ids of {length} characters cannot hold a position")
    digest = hashlib.sha256(struct.pack(">QQ", block.index, block.size) + md5).digest()
    text = b"%05d" % block.index + base64.urlsafe_b64encode(digest).rstrip(b"=")
    return text[:length].ljust(length, b"-")


def id_lengths(seen: Iterable[int] = ()) -> list[int]:
    """Lengths of ids to try where blocks of another client lie in the way: those seen, the known ones, the rest."""
    return [
        length
        for length in dict.fromkeys((*seen, *KNOWN_ID_LENGTHS, *range(64, MIN_ID_LENGTH - 1, -1)))
        if MIN_ID_LENGTH <= length <= 64
    ]


def tree_digest(md5s: Iterable[bytes], block_size: int) -> str:
    """The digest kept with an object: ``md5tree-<block size>-<SHA-256 over the blocks' MD5s, hexadecimal>``."""
    tree = hashlib.sha256()
    for md5 in md5s:
        tree.update(md5)
    return f"md5tree-{block_size}-{tree.hexdigest()}"


def digest_block_size(digest: str | None) -> int | None:
    """The block size in bytes that a digest was made with; None where it is not one of ours."""
    found = re.fullmatch(r"md5tree-([1-9]\d{0,15})-[0-9a-f]{64}", digest or "")
    return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What is known of a stored object, or of a file, without reading it. ``mtime`` is in nanoseconds."""

    size: int
    mtime: int | None = None
    digest: str | None = None
    md5: bytes | None = None
    sha256: str | None = None

    @classmethod
    def of_metadata(cls, size: int, metadata: Mapping[str, str] | None, md5: bytes | None = None) -> Fingerprint:
        """Read what `metadata` wrote. Nonsense counts as absent."""
        meta = {key.lower(): value for key, value in (metadata or {}).items()}
        mtime, digest = meta.get("mainstay_mtime", ""), meta.get("mainstay_digest")
        return cls(
            size=int(meta["mainstay_size"]) if meta.get("mainstay_size", "").isdigit() else size,
            mtime=int(mtime) if mtime.isdigit() else None,
            digest=digest if digest_block_size(digest) else None,
            md5=bytes(md5) if md5 else None,
            sha256=meta.get("mainstay_sha256"),
        )

    def metadata(self) -> dict[str, str]:
        """The metadata that `of_metadata` reads."""
        fields = {"size": str(self.size), "mtime": self.mtime, "digest": self.digest, "sha256": self.sha256}
        return {f"mainstay_{key}": str(value) for key, value in fields.items() if value is not None}


def compare(local: Fingerprint, stored: Fingerprint, by: str = "quick") -> str:
    """What is known before the file is read: ``same``, ``different``, or what must be computed of the file to
    tell: ``digest``, ``sha256`` or ``md5``. ``by`` is ``quick`` (size and mtime suffice) or ``content``."""
    if local.size != stored.size:
        return "different"
    if by == "quick" and local.mtime is not None and local.mtime == stored.mtime:
        return "same"
    if stored.digest:
        return "digest"
    if stored.sha256:
        return "sha256"
    return "md5" if stored.md5 else "different"


def part_name(name: str, attempt: str, index: int, count: int) -> str:
    """The name of part ``index`` (from 0) of ``count``. ``attempt`` is 8 hexadecimal digits, new for every upload, so
    that a refused repetition can only mean that the part is already there."""
    return f"{name}.{attempt}.part-{index + 1:05d}-of-{count:05d}"


def index_name(name: str, attempt: str) -> str:
    """The name of the list of parts, written last: without it the upload did not finish."""
    return f"{name}.{attempt}.parts.json"


def split_part(name: str) -> tuple[str, str] | None:
    """``(object's name, attempt)`` of a part's name; None for any other name."""
    found = _PART.fullmatch(name)
    return (found["name"], found["attempt"]) if found else None


def split_index(name: str) -> tuple[str, str] | None:
    """``(object's name, attempt)`` of a part list's name; None for any other name."""
    found = _INDEX.fullmatch(name)
    return (found["name"], found["attempt"]) if found else None


def check_metadata(metadata: Mapping[str, str], what: str = "metadata") -> list[str]:
    """Errors in metadata given by the user, each with its path; empty when there are none."""
    errors = []
    for key, value in metadata.items():
        path = f"{what}.{key}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(key)):
            errors.append(f"{path}: not a name for metadata (letters, digits and _, not starting with a digit)")
        elif str(key).lower().startswith("mainstay_"):
            errors.append(f"{path}: names starting with mainstay_ are reserved")
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
            errors.append(f"{path}: {value!r} is not a value for metadata (printable ASCII, no space at either end)")
    return errors
