# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that files suffer: the letters are those of the anchors on verification. And formats to try them on."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable

BLOCK = 64


def flip(data: bytes, dice: random.Random) -> bytes:
    at, bit = dice.randrange(len(data)), dice.randrange(8)
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def zero(data: bytes, dice: random.Random, block: int = BLOCK) -> bytes:
    while True:
        at = dice.randrange(max(1, len(data) - block))
        if any(data[at : at + block]):
            return data[:at] + bytes(min(block, len(data) - at)) + data[at + block :]


def truncate(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def drop(data: bytes, dice: random.Random, block: int = BLOCK) -> bytes:
    at = dice.randrange(max(1, len(data) - block))
    return data[:at] + data[at + block :]


def append(data: bytes, dice: random.Random, block: int = BLOCK) -> bytes:
    return data + dice.randbytes(block)


def append_zeros(data: bytes, dice: random.Random, block: int = BLOCK) -> bytes:
    return data + bytes(block)


def swap(data: bytes, dice: random.Random, block: int = BLOCK) -> bytes:
    while True:
        first, second = sorted(dice.randrange(max(1, len(data) // block)) * block for _each in range(2))
        a, b = data[first : first + block], data[second : second + block]
        if a != b and len(a) == len(b) and first != second:
            return data[:first] + b + data[first + block : second] + a + data[second + block :]


FAULTS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": flip,
    "zero": zero,
    "truncate": truncate,
    "drop": drop,
    "append": append,
    "append zeros": append_zeros,
    "swap": swap,
}


def crc64(data: bytes) -> int:
    """CRC-64/XZ, bit by bit, as a reference."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFFFFFFFFFF


def bson(**fields: object) -> bytes:
    body = b""
    for name, value in fields.items():
        key = name.encode() + b"\0"
        if isinstance(value, bool):
            body += b"\x08" + key + bytes([value])
        elif isinstance(value, int):
            body += b"\x12" + key + struct.pack("<q", value)
        else:
            text = str(value).encode() + b"\0"
            body += b"\x02" + key + struct.pack("<i", len(text)) + text
    return struct.pack("<i", len(body) + 5) + body + b"\0"


TERMINATOR = b"\xff\xff\xff\xff"
MAGIC = bytes.fromhex("6de29981")


def header(name: str, **more: object) -> bytes:
    database, _dot, collection = name.partition(".")
    return bson(**{"db": database, "collection": collection, "EOF": False, "CRC": 0, **more})


def archive(collections: dict[str, list[bytes]], *, interleaved: bool = False, wrong_crc: str = "") -> bytes:
    """An archive as mongodump writes it, not compressed."""
    out = MAGIC + bson(concurrent_collections=4, version="0.1", server_version="7.0.5", tool_version="100.9.4")
    for name in collections:
        database, _dot, collection = name.partition(".")
        out += bson(db=database, collection=collection, metadata="{}", size=0, type="collection")
    out += TERMINATOR
    parts = {name: [docs[:1], docs[1:]] if interleaved else [docs] for name, docs in collections.items()}
    for step in range(2 if interleaved else 1):
        for name, blocks in parts.items():
            out += header(name) + b"".join(blocks[step]) + TERMINATOR
    for name, docs in collections.items():
        crc = crc64(b"".join(docs)) ^ (1 if name == wrong_crc else 0)
        signed = crc - (1 << 64) if crc >= 1 << 63 else crc
        out += header(name, EOF=True, CRC=signed) + TERMINATOR
    return out


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
