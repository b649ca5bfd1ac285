# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption with age (age-encryption.org/v1, by pyrage), streamed.

Each backup is encrypted to the recipients and to a key of its own, made for it and forgotten. That key, encrypted to
the recipients, is in the manifest. So whoever holds an identity opens the file with age alone; and a restore opens the
small key where the identity is, and hands the server no more than the key of the one backup that it is to see.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
)

SUFFIX = ".age"
MAGIC = b"age-encryption.org/v1\n"
KIND = "age"
NO_KEY = "No matching keys"
T = TypeVar("T")


class WrongKeyError(BackupError):
    """The key is one, but not of this backup: nothing is said about the backup."""


@dataclasses.dataclass(frozen=True)
class Sealed:
    """What the manifest says of an encrypted file. ``key`` is the file's own key, encrypted, in ASCII armour."""

    recipients: tuple[str, ...]
    key: str

    def as_dict(self) -> dict[str, Any]:
        """The form in the manifest."""
        return {"kind": KIND, "recipients": list(self.recipients), "key": self.key}


def library() -> Any:
    """Import pyrage, or say where it is missing. Raises BackupError."""
    try:
        return importlib.import_module("pyrage")
    except ImportError as error:
        raise BackupError(
            f"the Python package pyrage is missing for {sys.executable} ({error}); install it there, or run with an "
            "interpreter that has it (the role runtime makes /opt/mainstay/venv/bin/python)"
        ) from None


def parse_recipients(texts: Sequence[str]) -> list[Any]:
    """Public keys, ``age1…`` or ``ssh-ed25519 …``. Raises BackupError that names every one that is none."""
    age = library()
    found, wrong = [], []
    for index, text in enumerate(texts):
        kind = age.ssh.Recipient if text.startswith("ssh-") else age.x25519.Recipient
        if text.upper().startswith("AGE-SECRET-KEY-"):
            wrong.append(
                f"recipients[{index}]: this is a private key, which belongs to no server (try its public key, age1…)"
            )
            continue
        try:
            found.append(kind.from_str(text.strip()))
        except age.RecipientError:
            wrong.append(f"recipients[{index}]: '{text}' is not a public key (try the age1… that age-keygen prints)")
    if wrong:
        raise BackupError("; ".join(wrong))
    return found


def parse_identities(text: str) -> list[Any]:
    """Private keys, one a line, as ``age-keygen`` writes them; or one SSH key. Raises BackupError, without the text."""
    age = library()
    try:
        if "-----BEGIN" in text:
            return [age.ssh.Identity.from_buffer(text.strip().encode() + b"\n")]
        lines = [line.strip() for line in text.splitlines()]
        found = [age.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except age.IdentityError:
        found = []
    if not found:
        raise BackupError("identity: not a private key of age (the AGE-SECRET-KEY-1… that age-keygen prints)")
    return found


def seal(source: Path, write: Callable[[bytes], None], recipients: Sequence[str]) -> tuple[Sealed, str]:
    """Encrypt a file piece by piece. Returns what the manifest keeps, and the file's own key, which nobody keeps.

    Raises BackupError; and what ``write`` raises.
    """
    age = library()
    keys = parse_recipients(recipients)
    own = age.x25519.Identity.generate()
    with source.open("rb") as plain:
        ends = _Ends(plain, write)
        ends.carry(lambda r, w: age.encrypt_io(r, w, [own.to_public(), *keys]), "it could not be encrypted")
    key = age.encrypt(str(own).encode(), keys, armored=True).decode()
    return Sealed(tuple(recipients), key), str(own)


def unseal(source: Path, write: Callable[[bytes], None], identity: str) -> None:
    """Decrypt a file piece by piece.

    Raises BackupError when the key does not fit or the file is damaged: then what was written so far is worth nothing.
    """
    _unseal(source, write, parse_identities(identity))


def _unseal(source: Path, write: Callable[[bytes], None], keys: Sequence[Any]) -> None:
    with source.open("rb") as sealed:
        ends = _Ends(sealed, write)
        ends.carry(lambda r, w: library().decrypt_io(r, w, keys), f"{source} could not be decrypted")


def open_key(armoured: str, identity: str) -> str:
    """The key of one file out of its manifest. Raises BackupError when ``identity`` is not of a recipient."""
    age = library()
    keys = parse_identities(identity)
    try:
        return str(age.decrypt(armoured.encode(), keys).decode())
    except (age.DecryptError, UnicodeDecodeError) as error:
        kind = WrongKeyError if NO_KEY in str(error) else BackupError
        raise kind(f"the key of this backup cannot be opened with this identity: {error}") from None


def proof(sealed: Path, key: str, size: int, sha256: str) -> Check:
    """Whether an encrypted file decrypts to what it was made of, byte for byte."""
    digest, seen = hashlib.sha256(), [0]

    def take(data: bytes) -> None:
        digest.update(data)
        seen[0] += len(data)

    try:
        unseal(sealed, take, key)
    except BackupError as error:
        return Check("encryption", BAD, str(error))
    if (seen[0], digest.hexdigest()) != (size, sha256):
        return Check("encryption", BAD, "does not decrypt to what was encrypted")
    return Check("encryption", OK, "decrypts to what was proven")


def encrypted(path: Path) -> bool:
    """Whether a file begins as age's do, or is called like one."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC or path.suffix == SUFFIX


@dataclasses.dataclass(frozen=True)
class Content:
    """What is to be decoded: ``path``, None where no key is. ``size`` and ``sha256`` are of what was decrypted."""

    path: Path | None
    size: int = 0
    sha256: str = ""

    def checks(self, plain: Mapping[str, Any] | None) -> list[Check]:
        """Whether it is what the manifest says it decrypts to; nothing is said of a file that was never encrypted."""
        if self.path is None:
            return [Check("structure", OK, "encrypted with age")]
        if not self.sha256:
            return []
        if not plain:
            return [Check("plain", NOT_VERIFIED, "decrypted, but nothing says to what")]
        if (self.size, self.sha256) != (plain["size"], plain["sha256"]):
            return [Check("plain", BAD, "does not decrypt to what was encrypted")]
        return [Check("plain", OK, "decrypts to what was proven")]


@contextlib.contextmanager
def opened(path: Path, identity: str | None) -> Iterator[Content]:
    """The content of a backup: the file itself, or what it decrypts to, in a file without a name that goes afterwards.

    Raises BackupError when the key does not fit, the file is damaged or the disk is full.
    """
    if not encrypted(path):
        yield Content(path)
    elif not identity:
        yield Content(None)
    else:
        keys = parse_identities(identity)
        files.check_room(path.parent, path.stat().st_size, "what the backup decrypts to")
        with files.partial(path.parent, path.name.removesuffix(SUFFIX), nameless=True) as plain:
            _unseal(path, plain.write, keys)
            yield Content(plain.path, plain.size, plain.sha256)


class _Ends:
    """Both ends of a stream for pyrage, which turns every exception in them into an error of its own and forgets it: a
    full disk must come out as what it is. (A signal's still ends the work, in pyrage's words.)"""

    def __init__(self, source: IO[bytes], write: Callable[[bytes], None]) -> None:
        self._source, self._write = source, write
        self._error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        return self._kept(lambda: self._source.read(size))

    def write(self, data: bytes) -> int:
        self._kept(lambda: self._write(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def _kept(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except BaseException as error:
            self._error = error
            raise

    def carry(self, work: Callable[[_Ends, _Ends], None], what: str) -> None:
        """Do the work; ``what`` is said when it fails."""
        age = library()
        try:
            work(self, self)
        except (age.EncryptError, age.DecryptError, OSError) as error:
            if self._error is None:
                raise (WrongKeyError if NO_KEY in str(error) else BackupError)(f"{what}: {error}") from None
        if self._error is not None:
            raise self._error
