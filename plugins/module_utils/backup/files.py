# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are either whole or not there: partial names, locks, leftovers, room on the disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

PARTIAL = ".partial"
MANIFEST = ".manifest.json"
WAY_OUT = ".restore.sh"
CHUNK = 1 << 20
POLL = 0.5
# No run may take as long (TimeoutStartSec of its unit).
STALE = 12 * 3600
# Ansible's folders for one run: those of the controller and of a connection name the process that has made them.
_SCRATCH = re.compile(r"ansible-(?:local-(?P<here>\d+)[a-z0-9_]{8}|tmp-[\d.]+-(?P<there>\d+)-\d+|moduletmp-.+)")


def partial_name(name: str) -> str:
    """The name that a file has until it is whole: hidden, and with an end that no backup and no manifest has."""
    return f".{name}{PARTIAL}"


class PartialFile:
    """A file under a name that nothing takes for a backup. Counts and hashes what is written in the same pass."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / partial_name(name)
        self.target = directory / name
        self.size = 0
        self._digest = hashlib.sha256()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append all of ``data``. Raises BackupError with the numbers when the disk is full."""
        self._digest.update(data)
        self.size += len(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise _full(self.target.parent, self.size, error) from error

    @property
    def sha256(self) -> str:
        """The digest of everything written so far, in hex."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Put the content on the disk for good."""
        if self._fd < 0:
            return
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _full(self.target.parent, self.size, error) from error
        finally:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Leave nothing of it, unless it has its final name already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.path.unlink(missing_ok=True)

    def commit(self) -> None:
        """Give it its final name."""
        self.path.rename(self.target)


def _full(directory: Path, written: int, error: OSError) -> BaseException:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return BackupError(
        f"no space left in {directory} after {size_text(written)}: free some space there or lower keep_local; "
        "what was written has been removed, older backups are untouched"
    )


class NamelessFile(PartialFile):
    """A file that never has a name: whoever is killed leaves nothing of it. ``path`` works in this process alone."""

    def __init__(self, directory: Path, name: str) -> None:
        super().__init__(directory, name)
        self.path.unlink()
        self.path = Path(f"/proc/self/fd/{self._fd}")

    def close(self) -> None:
        """Nothing to be done: it is gone with its descriptor, and need not outlive a power cut."""

    def discard(self) -> None:
        """Leave nothing of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def commit(self) -> None:
        """Raises RuntimeError: it is there to be encrypted."""
        raise RuntimeError("a file without a name cannot get one")


@contextlib.contextmanager
def partial(directory: Path, name: str, nameless: bool = False) -> Iterator[PartialFile]:
    """A partial file that is gone when the block ends without having committed it."""
    file = (NamelessFile if nameless else PartialFile)(directory, name)
    try:
        yield file
    finally:
        file.discard()


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a small file as a whole."""
    temporary = path.with_name(partial_name(path.name))
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make renames in a directory survive a power cut."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def private_directory(path: Path) -> None:
    """Make a directory that only its owner can enter; its parents are left as they are, or made the same way."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def leftovers(directory: Path) -> list[Path]:
    """What killed runs have left: partial files, and manifests and scripts whose backup never got its name."""
    if not directory.is_dir():
        return []
    papers = [path for end in (MANIFEST, WAY_OUT) for path in directory.glob(f"*{end}")]
    orphans = [path for path in papers if not backup_of(path).exists()]
    return sorted([*directory.glob(f".*{PARTIAL}"), *orphans])


def stale(scratch: Path, now: float, processes: Path = Path("/proc")) -> list[Path]:
    """What runs that were killed have left in Ansible's folder for temporary files: nobody has touched it for longer
    than a run may take, and who made it is gone. Everything else there is somebody else's."""
    found = []
    for path in sorted(scratch.iterdir()) if scratch.is_dir() else []:
        name = _SCRATCH.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):
            if name and now - path.lstat().st_mtime > STALE and not _runs(name["here"] or name["there"], processes):
                found.append(path)
    return found


def _runs(process: str | None, processes: Path) -> bool:
    """Whether a process is still Ansible's: its number may be another's by now."""
    try:
        return process is not None and b"ansible" in (processes / process / "cmdline").read_bytes()
    except OSError:
        return False


def sweep(scratch: Path, now: float) -> None:
    """Remove what is stale there. Whatever cannot be removed stays: it must not hinder a backup."""
    for path in stale(scratch, now):
        shutil.rmtree(path, ignore_errors=True)


def manifest_of(path: Path) -> Path:
    """Where the manifest of a backup lies."""
    return path.with_name(path.name + MANIFEST)


def backup_of(paper: Path) -> Path:
    """The backup that a manifest or a script belongs to."""
    return paper.with_name(paper.name.removesuffix(MANIFEST).removesuffix(WAY_OUT))


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock while the block runs. Raises BackupError at once when somebody else holds it, and says who."""
    private_directory(path.parent)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            file.seek(0)
            holder = file.read().strip() or "an unknown process"
            raise BackupError(f"{what} is being worked on already, by {holder}; nothing was done") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
        file.flush()
        yield
        file.truncate(0)


@contextlib.contextmanager
def turn(path: Path, who: str, patience: float) -> Iterator[None]:
    """Hold a lock that all jobs share while the block runs, after having waited for it for up to ``patience`` seconds.

    Raises BackupError that says who has it when it did not come free.
    """
    private_directory(path.parent)
    deadline = time.monotonic() + patience
    with path.open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    holder = file.read().strip() or "an unknown process"
                    raise BackupError(
                        f"waited {patience:.0f} s for another backup to end: {holder}; nothing was done"
                    ) from None
                time.sleep(min(POLL, patience))
        file.truncate(0)
        file.write(f"{who}, process {os.getpid()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
        file.flush()
        yield
        file.truncate(0)


def check_room(directory: Path, needed: int, basis: str) -> None:
    """Raise BackupError, with the numbers, when ``directory`` has not ``needed`` bytes free."""
    stat = os.statvfs(directory)
    free = stat.f_bavail * stat.f_frsize
    if free < needed:
        raise BackupError(
            f"not enough space in {directory}: {size_text(free)} free, about {size_text(needed)} needed ({basis}); "
            "free some space there or lower keep_local; nothing was done"
        )


def sha256_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file, in one pass."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(CHUNK)
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
    return size, digest.hexdigest()


def size_text(size: float) -> str:
    """A size for people: ``2.7 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
