# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and folders of this host: a tar stream, packed; checks by decoding every byte of it."""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Sink, Source, Target, chunks
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import private_directory
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import CHUNK, Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
    Findings,
    HalfDoneError,
)

FILES, BYTES = "files", "bytes"
BLOCK = 512
# Everything that makes a file what it is. Numeric owners: names may mean others elsewhere.
TAR = ["tar", "--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner"]
MAX_HEADER = 1 << 20
EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
KNOWN = (*tarfile.REGULAR_TYPES, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE,
         tarfile.FIFOTYPE)  # fmt: skip
# tar's status where files have changed while it read them.
CHANGED = 1
STAGE = ".mainstay-restore"
OLD = ".mainstay-before"


def tally(counts: dict[str, int], root: str, files: int, size: int) -> None:
    """Add to what is counted of one path: entries of every kind, and bytes of regular files."""
    for what, more in ((FILES, files), (BYTES, size)):
        counts[f"{root} {what}"] = counts.get(f"{root} {what}", 0) + more


class ArchiveError(ValueError):
    """The stream is no whole and sound tar archive."""


class _Bytes:
    """Exact reads over a stream that comes in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def take(self, count: int) -> bytes:
        while len(self._rest) < count:
            piece = next(self._pieces, b"")
            if not piece:
                raise ArchiveError("the archive has no end")
            self._rest += piece
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def skip(self, count: int) -> None:
        while count > 0:
            step = min(count, CHUNK)
            self.take(step)
            count -= step

    def nothing_left(self) -> bool:
        piece, self._rest = self._rest, b""
        while piece.count(0) == len(piece):
            piece = next(self._pieces, b"")
            if not piece:
                return True
        return False


def pax_records(data: bytes) -> dict[bytes, bytes]:
    """What an extended header says: ``27 path=…``, each with its own length in front. Raises ArchiveError."""
    records: dict[bytes, bytes] = {}
    while data:
        number, _space, _more = data.partition(b" ")
        length = int(number) if number.isdigit() else 0
        key, equals, value = data[len(number) + 1 : length - 1].partition(b"=")
        if not equals or data[length - 1 : length] != b"\n":
            raise ArchiveError("an extended header is damaged")
        records[key] = value
        data = data[length:]
    return records


def members(pieces: Iterator[bytes]) -> Iterator[tuple[str, int]]:
    """Name and bytes of each member of a tar archive, every header checked. Raises ArchiveError, at the end as well.

    The format is that of POSIX with GNU's extensions, as GNU tar writes it without sparse files.
    """
    stream = _Bytes(pieces)
    more: dict[bytes, bytes] = {}
    while (head := stream.take(BLOCK)) != bytes(BLOCK):
        try:
            info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise ArchiveError(f"a header is damaged: {error}") from error
        if info.type in EXTENDED:
            if info.size > MAX_HEADER:
                raise ArchiveError(f"an extended header says it has {info.size} bytes")
            data = stream.take(-(-info.size // BLOCK) * BLOCK)[: info.size]
            if info.type == tarfile.XHDTYPE:
                more |= pax_records(data)
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                more[b"path"] = data.rstrip(b"\0")
            continue
        if info.type not in KNOWN:
            raise ArchiveError(f"a header has the unknown type {info.type!r}")
        size = int(more.get(b"size", info.size)) if info.isreg() else 0
        yield more.get(b"path", info.name.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape"), size
        more = {}
        stream.skip(-(-size // BLOCK) * BLOCK)
    if stream.take(BLOCK) != bytes(BLOCK) or not stream.nothing_left():
        raise ArchiveError("there is something behind the end of the archive")


def count(found: Iterator[tuple[str, int]]) -> dict[str, int]:
    """Entries and bytes of each path that was packed: each is followed by what is in it."""
    counts: dict[str, int] = {}
    root = ""
    for name, size in found:
        path = "/" + name.strip("/")
        if not root or not (path == root or path.startswith(root + "/")):
            root = path
        tally(counts, root, 1, size)
    return counts


def mounted_below(root: str, mounts: str) -> list[str]:
    """What is mounted inside a folder; ``mounts`` is the text of /proc/self/mounts."""
    points = (line.split()[1].encode().decode("unicode_escape") for line in mounts.splitlines())
    return sorted({point for point in points if point.startswith(f"{root}/")})


class Files:
    """Paths of this host. A ``database`` is a new folder below which they are restored, beside what is there."""

    name = "files"
    whole_server = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._aside = target.database
        self.compression = target.compression or packing.best()
        self._host = Place()
        paths = sorted({"/" + path.strip("/") for path in target.paths})
        self._roots = tuple(path for path in paths if not any(path.startswith(f"{other}/") for other in paths))

    @property
    def suffix(self) -> str:
        """How names of archives end."""
        return ".tar" + packing.SUFFIX[self.compression]

    def _there(self) -> list[str]:
        return [root for root in self._roots if os.path.lexists(self._aside + root)]

    def _excluded(self, path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self._target.exclude)

    def _walk(self, root: str) -> Iterator[os.stat_result]:
        stack = [self._aside + root]
        while stack:
            path = stack.pop()
            if self._excluded(path):
                continue
            try:
                info = os.lstat(path)
                inside = [item.name for item in os.scandir(path)] if stat.S_ISDIR(info.st_mode) else []
            except FileNotFoundError:
                continue
            if not stat.S_ISSOCK(info.st_mode):
                yield info
            stack += [f"{path}/{name}" for name in inside]

    def counts(self) -> dict[str, int]:
        """Entries and bytes of each path that is there. A file with several names is there once."""
        counts: dict[str, int] = {}
        seen: set[tuple[int, int]] = set()
        for root in self._there():
            tally(counts, root, 0, 0)
            for info in self._walk(root):
                key = (info.st_dev, info.st_ino)
                regular = stat.S_ISREG(info.st_mode)
                again = regular and info.st_nlink > 1 and key in seen
                if regular and info.st_nlink > 1:
                    seen.add(key)
                tally(counts, root, 1, info.st_size if regular and not again else 0)
        return counts

    def estimate(self) -> int | None:
        """The bytes of all files: packed they are fewer, but for photographs and the like not by much."""
        counts = self.counts()
        return sum(count + BLOCK * 3 * (key.endswith(FILES) * count) for key, count in counts.items())

    def version(self) -> str:
        """There is no server."""
        return ""

    def dump(self, write: Sink) -> Source:
        """Pack all paths, and count before and behind it: files are no database and may change meanwhile."""
        there = self._there()
        if not there:
            raise BackupError(f"none of {', '.join(self._roots)} is there")
        before = self.counts()
        excluded = [f"--exclude={pattern.lstrip('/')}" for pattern in self._target.exclude]
        command = [*TAR, "--create", "--format=posix", "--sort=name", "--warning=no-file-ignored", "--file=-"]
        command += ["--directory=/", "--anchored", *excluded, "--", *(root.lstrip("/") for root in there)]
        changed = ""
        with packing.packing(self.compression, write, self._target.timeout) as feed:
            try:
                with self._host.running(command, guarded=True, timeout=self._target.timeout) as tool:
                    for chunk in chunks(tool.stdout):
                        feed(chunk)
            except ToolError as error:
                # What was read is whole; what has changed meanwhile is named.
                if error.status != CHANGED:
                    raise
                changed = error.said.splitlines()[-1]
        after = self.counts()
        missing = [root for root in self._roots if root not in there]
        note = "files were counted before and behind: they are of no one moment"
        note += f"; not there: {', '.join(missing)}" if missing else ""
        note += f"; changed meanwhile: {changed}" if changed else ""
        return Source(
            server_version="",
            tool_version=self._host.run(["tar", "--version"]).splitlines()[0],
            counts=before,
            counts_after=after,
            same_snapshot=False,
            note=note,
        )

    def look(self, path: Path) -> Findings:
        """What it is packed with."""
        return packing.look(path)

    def examine(self, path: Path) -> Findings:
        """Unpack every byte, follow every header to the end mark, and count what is in there."""
        try:
            counts = count(members(packing.unpack(path, self._target.timeout)))
        except ToolError as error:
            return Findings([Check("decode", NOT_VERIFIED, str(error))])
        except (packing.PackedError, ArchiveError) as error:
            return Findings([Check("decode", BAD, str(error))])
        entries = sum(number for key, number in counts.items() if key.endswith(FILES))
        return Findings([Check("decode", OK, f"unpacked to its end, {entries} entries")], counts=counts)

    def restore(self, path: Path) -> None:
        """Unpack each path beside the one that is there, and put it in its place when all of it has come."""
        packed = {key.removesuffix(f" {FILES}") for key in self.examine(path).counts or {} if key.endswith(FILES)}
        roots = sorted(packed & set(self._roots) if self._roots else packed)
        if self._aside:
            self._put_aside(path, roots)
            return
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        # What was there is removed in the end, and with it would go what is mounted inside.
        if inside := [point for root in roots for point in mounted_below(root, mounts)]:
            raise BackupError(
                f"nothing was restored: {', '.join(inside)} is mounted inside of what would be replaced; unmount it, or"
                " restore beside (to=beside)"
            )
        done: list[str] = []
        for root in roots:
            try:
                self._put_back(path, root)
            except (BackupError, OSError) as error:
                said = f"{', '.join(done)} restored, {root} and what follows not" if done else "nothing was restored"
                kind = HalfDoneError if done or isinstance(error, HalfDoneError) else BackupError
                raise kind(f"{said}; run it again when the cause is gone: {error}") from error
            done.append(root)

    def _extract(self, path: Path, stage: Path, roots: Sequence[str]) -> None:
        command = [
            *TAR,
            "--extract",
            "--preserve-permissions",
            "--same-owner",
            "--file=-",
            f"--directory={stage}",
            "--",
        ]
        command += [root.lstrip("/") for root in roots]
        with (
            packing.unpacked(path, self._target.timeout) as stream,
            self._host.running(command, source=stream, timeout=self._target.timeout) as tool,
        ):
            tool.stdout.read()

    def _put_aside(self, path: Path, roots: Sequence[str]) -> None:
        place = Path(self._aside)
        if os.path.lexists(place):
            raise BackupError(f"nothing was restored: {place} is there already; remove it, or say another name")
        private_directory(place.parent)
        stage = place.parent / f"{STAGE}-{place.name}"
        _remove(stage)
        try:
            stage.mkdir(mode=0o700)
            self._extract(path, stage, roots)
            stage.rename(place)
        except (BackupError, OSError) as error:
            raise BackupError(f"nothing was restored: {error}") from error
        finally:
            _remove(stage)

    def _put_back(self, path: Path, root: str) -> None:
        place = Path(root)
        mounted = os.path.ismount(place)
        folder = place if mounted else place.parent
        folder.mkdir(parents=True, exist_ok=True)
        stage, old = folder / f"{STAGE}-{place.name}", folder / f"{OLD}-{place.name}"
        if not mounted and old.exists() and not os.path.lexists(place):
            old.rename(place)
        self._carry_over(old, place)
        for leftover in (stage, old):
            _remove(leftover)
        try:
            stage.mkdir(mode=0o700)
            self._extract(path, stage, [root])
            new = stage / root.lstrip("/")
            if mounted:
                _exchange(place, new, old, keep=(stage.name, old.name))
            else:
                if os.path.lexists(place):
                    place.rename(old)
                new.rename(place)
            self._carry_over(old, place)
        finally:
            _remove(stage)
        _remove(old)

    def _carry_over(self, old: Path, place: Path) -> None:
        """Bring what backups leave out back from what was there: no copy of it is anywhere."""
        folders = [Path()] if self._target.exclude and old.is_dir() and not old.is_symlink() else []
        try:
            while folders:
                folder = folders.pop()
                for item in list(os.scandir(old / folder)):
                    inside = folder / item.name
                    if not self._excluded(str(place / inside)):
                        folders += [inside] if item.is_dir(follow_symlinks=False) else []
                    elif not os.path.lexists(place / inside):
                        (place / folder).mkdir(parents=True, exist_ok=True)
                        (old / inside).rename(place / inside)
        except OSError as error:
            raise HalfDoneError(f"what backups leave out of {place} is in {old}: {error}") from error


def _exchange(place: Path, new: Path, old: Path, keep: tuple[str, ...]) -> None:
    """Exchange what is in a folder that cannot be renamed. Raises HalfDoneError where that breaks off."""
    old.mkdir(mode=0o700)
    try:
        for item in [item for item in place.iterdir() if item.name not in keep]:
            item.rename(old / item.name)
        for item in list(new.iterdir()):
            item.rename(place / item.name)
    except OSError as error:
        raise HalfDoneError(f"{error}; what was there is in {old}") from error
    info = new.stat()
    os.chown(place, info.st_uid, info.st_gid)
    shutil.copystat(new, place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
