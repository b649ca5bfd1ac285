# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of apps that are no images: fetched from a repository or an archive, and built once, as the app's user.

A build lies in ``/srv/<app>/builds/<release>-<what it is>-<how it was built>`` and is never changed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.mainstay.platform.plugins.module_utils.apps.users import name as user_name
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import (
    RefusedError,
    ReleaseError,
    excerpt,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units, make_root

PARTIAL = ".partial"
INNER = ".inner"
OS_RELEASE = Path("/etc/os-release")
SYSUSERS = Path("/etc/sysusers.d")
BUILD_SECONDS = 1800
FETCH_SECONDS = 600
NET_SECONDS = 60
CHUNK = 1 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Source:
    """The source of one app's releases; ``wanted`` is the folder that the inventory's files are in."""

    def __init__(
        self, app: str, source: Mapping[str, Any], folder: Path, units: Units, sysusers: Path = SYSUSERS
    ) -> None:
        self.app, self.source, self.folder, self.units = app, source, folder, units
        self.wanted, self.builds = folder / "wanted" / "release" / "source", folder / "builds"
        self.sysusers = sysusers
        self._unit = f"{app}-build.service"

    def have(self, release: str) -> str:
        """Make sure of the build of a release and return its name. Raises ReleaseError; then nothing has changed."""
        self.prepare()
        with self._fetched(release) as (tree, identity):
            name = f"{release}-{identity[:12]}-{self._recipe()}"
            if not (self.builds / name).is_dir():
                self._own(tree)
                self._build(release)
                _touch(tree)
                self.builds.joinpath(PARTIAL).replace(self.builds / name)
        return name

    def prepare(self) -> None:
        """Make sure of the app's user and of the root directory of its sandbox."""
        user = self.source["user"]
        self._user(user)
        make_root(self.folder / "root", self.source["mounts"])
        self.builds.mkdir(exist_ok=True)
        # nginx, which serves static files, passes through.
        self.builds.chmod(0o711)

    def _user(self, user: Mapping[str, Any]) -> None:
        for found, what in ((_entry(user["uid"]), f"user number {user['uid']}"), (_entry(user["name"]), user["name"])):
            if found and (found.pw_name, found.pw_uid) != (user["name"], user["uid"]):
                raise ReleaseError(
                    f"{self.app}: {what} is {found.pw_name} ({found.pw_uid}) on this server, and was to be the app's "
                    f"own user {user['name']} ({user['uid']}). Rename that user or the app"
                )
        if _entry(user["name"]):
            return
        path = self.sysusers / f"mainstay-{self.app}.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "# Managed by Mainstay (role app_stack).\n"
            f'u {user["name"]} {user["uid"]} "App {self.app}" /nonexistent -\n',
            encoding="utf-8",
        )
        done = subprocess.run(["systemd-sysusers", str(path)], check=False, capture_output=True, text=True)
        if done.returncode or not _entry(user["name"]):
            raise ReleaseError(f"{self.app}: its user {user['name']} cannot be made: {'; '.join(excerpt(done.stderr))}")

    @staticmethod
    def user(app: str) -> str | None:
        """Return the name of an app's user where it has one."""
        found = _entry(user_name(app))
        return found.pw_name if found else None

    @staticmethod
    def remove_user(app: str, sysusers: Path = SYSUSERS) -> None:
        """Remove an app's user."""
        (sysusers / f"mainstay-{app}.conf").unlink(missing_ok=True)
        done = subprocess.run(["userdel", user_name(app)], check=False, capture_output=True, text=True)
        if done.returncode:
            raise ReleaseError(f"{app}: its user {user_name(app)} cannot be removed: {'; '.join(excerpt(done.stderr))}")

    # -- fetching ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _fetched(self, release: str) -> Any:
        """Give the release's files, in a folder that is gone afterwards, and what they are: a commit or a SHA-256."""
        tree = self.builds / PARTIAL
        self.units.halt(self._unit)
        for path in (tree, tree.with_name(INNER)):
            shutil.rmtree(path, ignore_errors=True)
        tree.mkdir(mode=0o755)
        tree.chmod(0o755)
        try:
            fetch = self._clone if self.source["repository"] else self._unpack
            yield tree, fetch(tree, release)
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _clone(self, tree: Path, release: str) -> str:
        url = self.source["repository"]
        name = self._reference(url, release)
        self._git("init", "--quiet", str(tree))
        # Submodules may be named relative to it.
        self._git("-C", str(tree), "remote", "add", "origin", url)
        self._git("-C", str(tree), "fetch", "--quiet", "--depth=1", "--no-tags", "origin", name)
        self._git("-C", str(tree), "checkout", "--quiet", "FETCH_HEAD")
        if (tree / ".gitmodules").exists():
            self._git("-C", str(tree), "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
        commit = self._git("-C", str(tree), "rev-parse", "HEAD").strip()
        # Nobody needs it at run time, and it may name credentials.
        for path in [*tree.rglob(".git")]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return commit

    def _reference(self, url: str, release: str) -> str:
        """Return what a repository calls a release: a tag, a branch or a commit, in this order."""
        names = [f"refs/tags/{release}", f"refs/heads/{release}"]
        listed = {line.split("\t")[1] for line in self._git("ls-remote", url, *names).splitlines()}
        found = next((name for name in names if name in listed), release if _COMMIT.fullmatch(release) else None)
        if found is None:
            raise ReleaseError(
                f"{self.app}: {url} has no tag or branch '{release}' "
                "(push it, name another release, or a commit in full)"
            )
        return found

    def _git(self, *words: str) -> str:
        key, known = self.wanted / "deploy_key", self.folder / "known_hosts"
        ssh = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o StrictHostKeyChecking=accept-new"
        ssh += f" -o UserKnownHostsFile={known}"
        if key.exists():
            ssh += f" -o IdentitiesOnly=yes -i {key}"
        # No question, no configuration of root's, and whoever owns a repository on this server.
        env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "HOME": "/nonexistent"}
        git = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false"]
        try:
            done = subprocess.run(
                [*git, *words],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                env=env,
                umask=0o022,
                timeout=FETCH_SECONDS,
            )
        except FileNotFoundError as error:
            raise ReleaseError(f"{self.app}: git is not installed here: the role app_stack installs it") from error
        except subprocess.TimeoutExpired as error:
            raise ReleaseError(
                f"{self.app}: {self.source['repository']} gave no answer in {FETCH_SECONDS} s"
            ) from error
        if done.returncode:
            said = "; ".join(excerpt(done.stderr, lines=6)) or f"exit code {done.returncode}"
            raise ReleaseError(f"{self.app}: {self.source['repository']} cannot be fetched: {said}")
        return done.stdout

    def _unpack(self, tree: Path, release: str) -> str:
        url, archive = self.source["archive"], self.builds / ".archive"
        try:
            digest = self._download(url, archive)
            if self.source["checksum"] not in (None, f"sha256:{digest}"):
                raise ReleaseError(
                    f"{self.app}: {url} is not what it has to be: its SHA-256 is {digest}, source.checksum says "
                    f"{self.source['checksum']}"
                )
            words = [
                "tar",
                "--extract",
                "--no-same-owner",
                "--no-same-permissions",
                f"--directory={tree}",
                f"--file={archive}",
            ]
            done = subprocess.run(words, check=False, capture_output=True, text=True, errors="replace", umask=0o022)
            if done.returncode:
                raise ReleaseError(f"{self.app}: {url} cannot be unpacked: {'; '.join(excerpt(done.stderr, lines=3))}")
        finally:
            archive.unlink(missing_ok=True)
        entries = list(tree.iterdir())
        if not entries:
            raise ReleaseError(f"{self.app}: {url} is an empty archive")
        # Archives of forges have all in one directory.
        if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
            inner = entries[0].rename(tree.with_name(INNER))
            tree.rmdir()
            inner.rename(tree)
        return digest

    def _download(self, url: str, path: Path) -> str:
        digest = hashlib.sha256()
        try:
            # The model takes https: and file: alone.
            with open_url(url, timeout=NET_SECONDS) as answer, path.open("wb") as file:
                while chunk := answer.read(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise ReleaseError(f"{self.app}: {url} cannot be fetched: {reason}") from error
        return digest.hexdigest()

    # -- building ------------------------------------------------------------------------------------------------

    def _recipe(self) -> str:
        """Return a digest of how it is built: by another script, on another system or with other packages is anew."""
        if not self.source["build"]:
            return "unbuilt"
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
        system = sorted(line for line in lines if line.startswith(("ID=", "VERSION_ID=")))
        script = (self.wanted / "build.sh").read_text(encoding="utf-8")
        return hashlib.sha256("\0".join([script, *system, *sorted(self.source["packages"])]).encode()).hexdigest()[:8]

    def _own(self, tree: Path) -> None:
        user = self.source["user"]
        for root, folders, files in os.walk(tree):
            for name in (".", *folders, *files):
                os.chown(Path(root, name), user["uid"], user["gid"], follow_symlinks=False)

    def _build(self, release: str) -> None:
        if not self.source["build"]:
            return
        unit = self.wanted.parent / "once" / "build.service"
        code, log = self.units.run_file(unit, self._unit, BUILD_SECONDS)
        if code != 0:
            how = (
                f"did not end in {BUILD_SECONDS} s and was stopped" if code is None else f"ended with exit code {code}"
            )
            raise RefusedError(f"the build of {release} {how}", "source.build", excerpt(log))

    def open_to_nginx(self, build: str, root: str, fallback: str | None) -> None:
        """Make sure that nginx can serve the static files below ``root`` of a build. Raises RefusedError."""
        tree = self.builds / build
        folder = tree / root
        if not folder.is_dir() or folder.is_symlink():
            raise RefusedError(f"{root} is no directory of the release (services[].static.path)")
        if fallback and not (folder / fallback.lstrip("/")).is_file():
            raise RefusedError(f"{root} has no file {fallback} (services[].static.fallback)")
        for path in (tree, *(tree / part for part in Path(root).parents), folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def _touch(tree: Path) -> None:
    """Give files the time at which they came here, whatever an archive or a package said.

    nginx tells two releases of a page apart by its time and size. Python does so for what it has compiled: its sources
    keep theirs.
    """
    for root, _folders, files in os.walk(tree):
        for name in files:
            if not name.endswith(".py"):
                os.utime(Path(root, name), follow_symlinks=False)


def _entry(user: int | str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return None
