# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions side by side: each is built beside the one in use, and a link moves when it is complete.

    ROOT/versions/venv-<id>         ROOT/venv        -> versions/venv-<id>
    ROOT/versions/collections-<id>  ROOT/collections -> versions/collections-<id>

What runs while a new version comes goes on with the old one, which stays until the version after it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

ROOT = "/opt/mainstay"
PYTHON = "/usr/bin/python3"
COMPLETE = ".complete"
COLLECTION = Path("ansible_collections/mainstay/platform")


class RuntimeInstallError(Exception):
    """A version cannot be built; the one in use is as it was."""


def environment_id(requirements: str, python: tuple[int, int]) -> str:
    """The id of the virtual environment for these requirements and this version of Python."""
    return hashlib.sha256(f"{python[0]}.{python[1]}\n{requirements}".encode()).hexdigest()[:12]


def wanted(requirements: str, python: tuple[int, int], collection: str) -> dict[str, str]:
    """The id of each kind's version that shall be in use, from the text of the requirements as it is in their file."""
    return {"venv": environment_id(pinned(requirements), python), "collections": collection[:12]}


def pinned(requirements: str) -> str:
    """Requirements without comments and empty lines, which make no difference."""
    lines = (line.rstrip() for line in requirements.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.lstrip().startswith("#"))


def current(root: Path) -> dict[str, str]:
    """The id of each kind's version that is in use and whole."""
    used = {kind: root / kind for kind in ("venv", "collections")}
    named = {kind: link.readlink().name.removeprefix(f"{kind}-") for kind, link in used.items() if link.is_symlink()}
    return {kind: identity for kind, identity in named.items() if is_current(root, kind, identity)}


def is_current(root: Path, kind: str, identity: str) -> bool:
    """Whether the link of ``kind`` (``venv`` or ``collections``) leads to this version, and the version is whole."""
    link = root / kind
    target = root / "versions" / f"{kind}-{identity}"
    if not link.is_symlink() or link.readlink() != target.relative_to(root):
        return False
    if not (target / COMPLETE).is_file():
        return False
    # A distribution's upgrade takes the interpreter away from under an environment.
    return kind != "venv" or (target / "bin/python").exists()


def install(root: Path, kind: str, identity: str, build: Callable[[Path], None]) -> None:
    """Have ``build`` fill the directory of a version, then move the link. Where ``build`` raises, nothing is left."""
    versions = root / "versions"
    versions.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = versions / f"{kind}-{identity}"
    if not (target / COMPLETE).is_file() or (kind == "venv" and not (target / "bin/python").exists()):
        shutil.rmtree(target, ignore_errors=True)
        try:
            build(target)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        (target / COMPLETE).touch()
    link = root / kind
    before = link.readlink().name if link.is_symlink() else None
    beside = root / f".{kind}.new"
    beside.unlink(missing_ok=True)
    beside.symlink_to(target.relative_to(root))
    beside.replace(link)
    for other in versions.glob(f"{kind}-*"):
        if other.name not in (target.name, before):
            shutil.rmtree(other, ignore_errors=True)


def build_environment(python: str, requirements: str) -> Callable[[Path], None]:
    """A builder of a virtual environment with exactly these requirements (with hashes)."""

    def build(target: Path) -> None:
        _run([python, "-m", "venv", str(target)], "make a virtual environment")
        pinned = target / "requirements.txt"
        pinned.write_text(requirements, encoding="utf-8")
        options = [
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--no-input",
            "--disable-pip-version-check",
            "--no-cache-dir",
        ]
        pip = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", *options, "--requirement", str(pinned)]
        _run(pip, "install the pinned Python packages")

    return build


def build_collection(archive: Path) -> Callable[[Path], None]:
    """A builder of a collections path from an archive that `archive.build` made."""

    def build(target: Path) -> None:
        place = target / COLLECTION
        place.mkdir(parents=True)
        with tarfile.open(archive, "r:gz") as packed:
            # The filter is missing in Debian 12's Python 3.11.2.
            if hasattr(tarfile, "data_filter"):
                packed.extractall(place, filter="data")
            else:
                packed.extractall(place)  # noqa: S202  our own archive, checked by its hash

    return build


def remove(root: Path) -> bool:
    """Take everything away that `install` made. Returns whether there was anything."""
    found = False
    for path in (root / "venv", root / "collections"):
        if path.is_symlink():
            path.unlink()
            found = True
    if (root / "versions").exists():
        shutil.rmtree(root / "versions")
        found = True
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()
    return found


def pip_reason(output: str) -> str:
    """The lines of pip's output that say why, without credentials of index addresses."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-3:]
    return re.sub(r"//[^/@\s]+@", "//(hidden)@", " ".join(errors[-4:]))


def _run(command: list[str], purpose: str) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeInstallError(f"cannot {purpose}: {pip_reason(done.stderr or done.stdout)}")
