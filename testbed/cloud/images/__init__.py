# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the bed itself, each cached by the content it is made from."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from testbed.cloud.docker import AS_ROOT, BedError, digest, docker, image_hash

HERE = Path(__file__).parent
BASE_PACKAGES = "python3,ca-certificates"
DEBIAN = ("trixie", "bookworm")
UBUNTU = ("noble",)
RELEASES = DEBIAN + UBUNTU


def base(release: str) -> str:
    """A Debian or Ubuntu without any registry: mmdebstrap and docker import. Returns the tag."""
    tag = f"mainstay/{'ubuntu' if release in UBUNTU else 'debian'}:{release}"
    wanted = digest("mmdebstrap minbase", BASE_PACKAGES, release)
    if image_hash(tag) == wanted:
        return tag
    print(f"bed: making {tag} from the distribution's packages", flush=True)
    source = ["http://archive.ubuntu.com/ubuntu", "--components=main,universe"] if release in UBUNTU else []
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        made = subprocess.run(
            [
                *AS_ROOT,
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={BASE_PACKAGES}",
                release,
                str(tar),
                *source,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise BedError(f"mmdebstrap {release} failed:\n{made.stderr.strip()[-2000:]}")
        docker("import", "--change", f"LABEL mainstay.bed=1 mainstay.hash={wanted}", str(tar), tag)
    return tag


def build(name: str, release: str, files: tuple[str, ...]) -> str:
    """Build ``<name>.Dockerfile`` with these files beside it on a release's base. Returns the tag."""
    tag, recipe = f"mainstay/{name}:{release}", HERE / f"{name}.Dockerfile"
    wanted = digest(base(release), image_hash(base(release)), recipe, *(HERE / file for file in files))
    if image_hash(tag) == wanted:
        return tag
    print(f"bed: building {tag}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(recipe, Path(folder) / "Dockerfile")
        for file in files:
            shutil.copy(HERE / file, folder)
        labels = ("--label", "mainstay.bed=1", "--label", f"mainstay.hash={wanted}")
        docker("build", "--quiet", *labels, "--build-arg", f"BASE={base(release)}", "--tag", tag, folder)
    return tag


def server(release: str) -> str:
    """The image of a bare server."""
    if release not in RELEASES:
        raise BedError(f"no server of release {release!r}: one of {', '.join(RELEASES)}")
    return build("server", release, ("bed-init",))


def services() -> str:
    """The image that the services around the servers share."""
    return build("services", "trixie", ("sink.py",))


def packages() -> str:
    """The image of Docker's package repository for Debian 12."""
    return build("packages", "trixie", ("docker-repository",))
