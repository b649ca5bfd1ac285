# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources with a real git and real archives, and a build that is a note of having been asked for."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError, ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.source import Source
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units

ME = pwd.getpwuid(os.getuid())


class Builder(Units):
    """Counts builds; ``code`` is what they end with."""

    def __init__(self) -> None:
        super().__init__()
        self.built: list[str] = []
        self.halted: list[str] = []
        self.code: int | None = 0

    def halt(self, name: str) -> None:
        self.halted.append(name)

    def run_file(self, path: Path, name: str, timeout: float) -> tuple[int | None, str]:
        self.built.append(name)
        return self.code, "the last line\n"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.builder = folder, Builder()
        self.app = folder / "srv/club"
        (self.app / "wanted/release/source").mkdir(parents=True)
        self.repository = folder / "club"
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        for tag in ("v1", "v2"):
            (self.repository / "RELEASE").write_text(tag)
            (self.repository / "run.sh").write_text("#!/bin/sh\n")
            (self.repository / "run.sh").chmod(0o755)
            self.git("add", ".")
            self.git("commit", "--quiet", "--message", tag)
            self.git("tag", tag)

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@club.example"]
        done = subprocess.run(
            ["git", "-C", str(self.repository), *who, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def archive(self, *names: str, inside: str = "") -> str:
        path = self.folder / "club-v1.tar.gz"
        with tarfile.open(path, "w:gz") as file:
            for name in names:
                file.add(self.repository / name, arcname=f"{inside}{name}")
        return path.as_uri()

    def source(self, build: str | None = None, **more: Any) -> Source:
        if build:
            (self.app / "wanted/release/source/build.sh").write_text(build)
        order = {
            "repository": None,
            "archive": None,
            "checksum": None,
            "build": bool(build),
            "packages": [],
            "user": {"name": ME.pw_name, "uid": ME.pw_uid, "gid": ME.pw_gid},
            "mounts": [],
            **more,
        }
        return Source("club", order, self.app, self.builder, self.folder / "sysusers.d")

    def builds(self) -> list[str]:
        return sorted(path.name for path in (self.app / "builds").iterdir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("release", ["v1", "main"])
def test_a_tag_and_a_branch(world: World, release: str) -> None:
    name = world.source(repository=world.repository.as_uri()).have(release)
    commit = world.git("rev-parse", release)
    assert name == f"{release}-{commit[:12]}-unbuilt"
    build = world.app / "builds" / name
    assert sorted(path.name for path in build.iterdir()) == ["RELEASE", "run.sh"]
    assert (build / "run.sh").stat().st_mode & 0o777 == 0o755
    assert world.builds() == [name]


def test_a_commit(world: World) -> None:
    commit = world.git("rev-parse", "v1")
    name = world.source(repository=world.repository.as_uri()).have(commit)
    assert (world.app / "builds" / name / "RELEASE").read_text() == "v1"


def test_an_annotated_tag_is_its_commit(world: World) -> None:
    world.git("tag", "--annotate", "--message", "three", "v3")
    assert world.git("rev-parse", "v3^{commit}")[:12] in world.source(repository=world.repository.as_uri()).have("v3")


def test_what_is_there_is_not_built_again_and_another_script_builds_anew(world: World) -> None:
    url = world.repository.as_uri()
    first = world.source("make", repository=url).have("v1")
    assert world.source("make", repository=url).have("v1") == first
    assert world.builder.built == ["club-build.service"]
    assert world.source("make all", repository=url).have("v1") != first
    assert world.source("make all", repository=url, packages=["nodejs"]).have("v1") != first
    assert world.builder.built == ["club-build.service"] * 3


def test_what_a_run_that_was_cut_off_has_begun_is_stopped_first(world: World) -> None:
    source = world.source("make", repository=world.repository.as_uri())
    source.prepare()
    for leftover in (".partial", ".inner"):
        (world.app / "builds" / leftover / "half").mkdir(parents=True)
    name = source.have("v1")
    assert world.builder.halted == ["club-build.service"]
    assert world.builds() == [name]


@pytest.mark.parametrize(
    ("root", "fallback", "reason"),
    [
        pytest.param("pages", "/index.html", None, id="all there"),
        pytest.param("pages", None, None, id="no fallback"),
        pytest.param("build", None, "build is no directory of the release", id="no directory"),
        pytest.param("link", None, "link is no directory of the release", id="a link"),
        pytest.param("pages", "/gone.html", "pages has no file /gone.html", id="no such fallback"),
    ],
)
def test_static_files_can_be_served(world: World, root: str, fallback: str | None, reason: str | None) -> None:
    page = world.repository / "pages" / "index.html"
    page.parent.mkdir()
    page.write_text("hello")
    (world.repository / "link").symlink_to("pages")
    source = world.source(archive=world.archive("pages", "link", "RELEASE"))
    name = source.have("v1")
    built = world.app / "builds" / name / "pages"
    (built / "index.html").chmod(0o600)
    built.chmod(0o700)
    if reason:
        with pytest.raises(RefusedError, match=reason):
            source.open_to_nginx(name, root, fallback)
        return
    source.open_to_nginx(name, root, fallback)
    assert (built.stat().st_mode & 0o777, (built / "index.html").stat().st_mode & 0o777) == (0o755, 0o644)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(2, "the build of v1 ended with exit code 2", id="fails"),
        pytest.param(None, "the build of v1 did not end in 1800 s and was stopped", id="hangs"),
    ],
)
def test_a_build_that_fails_leaves_nothing(world: World, code: int | None, reason: str) -> None:
    world.builder.code = code
    with pytest.raises(RefusedError) as caught:
        world.source("make", repository=world.repository.as_uri()).have("v1")
    assert (caught.value.reason, caught.value.log) == (reason, ["the last line"])
    assert world.builds() == []


def test_a_repository_without_the_release(world: World) -> None:
    with pytest.raises(ReleaseError, match="has no tag or branch 'v9'"):
        world.source(repository=world.repository.as_uri()).have("v9")
    with pytest.raises(ReleaseError, match="cannot be fetched"):
        world.source(repository=(world.folder / "gone").as_uri()).have("v1")
    assert world.builds() == []


@pytest.mark.parametrize("inside", ["", "club-v1/"], ids=["flat", "in one directory"])
def test_an_archive(world: World, inside: str) -> None:
    url = world.archive("RELEASE", "run.sh", inside=inside)
    digest = hashlib.sha256((world.folder / "club-v1.tar.gz").read_bytes()).hexdigest()
    name = world.source(archive=url, checksum=f"sha256:{digest}").have("v1")
    assert name.startswith(f"v1-{digest[:12]}-")
    assert (world.app / "builds" / name / "RELEASE").read_text() == "v2"
    assert world.builds() == [name]


@pytest.mark.parametrize(
    ("make", "checksum", "message"),
    [
        pytest.param(True, f"sha256:{'0' * 64}", "source.checksum says sha256:0000", id="another"),
        pytest.param(False, None, "cannot be fetched", id="none"),
    ],
)
def test_an_archive_that_is_not_it(world: World, make: bool, checksum: str | None, message: str) -> None:
    url = world.archive("RELEASE") if make else (world.folder / "gone.tar.gz").as_uri()
    with pytest.raises(ReleaseError, match=message):
        world.source(archive=url, checksum=checksum).have("v1")
    assert world.builds() == []


def test_something_that_is_no_archive(world: World) -> None:
    (world.folder / "page.html").write_text("<html>not found</html>")
    with pytest.raises(ReleaseError, match="cannot be unpacked"):
        world.source(archive=(world.folder / "page.html").as_uri()).have("v1")
    assert world.builds() == []


def test_an_archive_cannot_write_outside(world: World) -> None:
    world.archive("RELEASE", inside="../../../")
    with pytest.raises(ReleaseError, match="cannot be unpacked"):
        world.source(archive=(world.folder / "club-v1.tar.gz").as_uri()).have("v1")
    assert not (world.folder / "RELEASE").exists()


def test_files_are_as_young_as_their_build(world: World) -> None:
    for name in ("RELEASE", "run.sh"):
        os.utime(world.repository / name, (499162500, 499162500))
    (world.repository / "app.py").write_text("")
    os.utime(world.repository / "app.py", (499162500, 499162500))
    name = world.source(archive=world.archive("RELEASE", "run.sh", "app.py")).have("v1")
    old = [path.name for path in (world.app / "builds" / name).iterdir() if path.stat().st_mtime == 499162500]
    assert old == ["app.py"], "what is compiled of it would be made again at every start"


def test_a_user_of_somebody_else_is_left_alone(world: World) -> None:
    taken = {"name": "app-club", "uid": ME.pw_uid, "gid": ME.pw_gid}
    with pytest.raises(ReleaseError, match=f"user number {ME.pw_uid} is {ME.pw_name}"):
        world.source(repository=world.repository.as_uri(), user=taken).have("v1")
    assert not (world.app / "builds").exists()
