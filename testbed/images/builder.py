# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images of the catalogue with Docker, each cached by the hash of its content, and pushes them."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed.cloud import images as bed_images
from testbed.cloud.docker import LABEL, BedError, docker, image_hash
from testbed.cloud.places import CACHE
from testbed.images import catalogue
from testbed.images.catalogue import Image

REQUIREMENTS = catalogue.PRODUCT / "backend" / "requirements.txt"
PYTHON = "3.13"  # of Debian 13
PROGRAMS = CACHE / "go" / "bin"
UPSTREAM = ("postgres:17", "redis:8.0", "mongo:7")
JOBS = 4


def site_packages() -> Path:
    """Install the backend's requirements for the image's Python into the cache. Returns the folder.

    It happens outside the build, so that nothing of how this machine reaches its package index gets into an image.
    """
    target = CACHE / "site-packages" / hashlib.sha256(PYTHON.encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]
    if target.is_dir():
        return target
    uv = CACHE / "uv-venv" / "bin" / "uv"
    if not uv.exists():
        raise BedError("uv is not there: run `make setup`")
    shutil.rmtree(target.parent, ignore_errors=True)
    partial = target.with_suffix(".partial")
    index = subprocess.run(
        [uv.with_name("pip"), "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    ).stdout.strip()
    environment = os.environ | {"UV_SYSTEM_CERTS": "1", "UV_CACHE_DIR": str(CACHE / "uv")}
    if index:
        environment["UV_DEFAULT_INDEX"] = index
    done = subprocess.run(
        [
            uv, "pip", "install", "--quiet", "--no-progress", "--target", partial, "--python-version", PYTHON,
            "--python-platform", f"{platform.machine()}-manylinux_2_28", "--only-binary", ":all:", "--no-deps",
            "--require-hashes", "--requirement", REQUIREMENTS,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise BedError(f"the backend's Python packages could not be installed:\n{done.stderr.strip()}")
    # Their programs name this machine's Python.
    shutil.rmtree(partial / "bin", ignore_errors=True)
    partial.rename(target)
    return target


def build(image: Image) -> None:
    """Build one image unless the engine has it made from the same content."""
    parent = image_hash(image.parent)
    wanted = catalogue.content_hash(image, f"{image.parent} {parent}")
    if image_hash(image.name) != wanted:
        print(f"images: building {image.tag}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for dest, content, executable in catalogue.contents({"Dockerfile": image.recipe, **image.files}):
                path = Path(folder, dest)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o755 if executable else 0o644)
            labels = ("--label", LABEL, "--label", f"mainstay.hash={wanted}")
            docker("build", "--quiet", *labels, "--tag", image.name, folder)
    for name in filter(None, (image.mirror, image.registry)):
        if image_hash(name) != wanted:
            docker("tag", image.name, name)


def push(images: list[Image]) -> None:
    """Push to the mirror of Docker Hub and to the private registry; layers that are there are not sent again."""
    mirror, registry = os.environ.get("BED_MIRROR", "127.0.0.1:5001"), os.environ.get("BED_REGISTRY", "127.0.0.1:5002")

    def send(local: str, name: str) -> None:
        docker("tag", local, name)
        docker("push", "--quiet", name)

    pairs = [(image.mirror, f"{mirror}/library/{image.mirror}") for image in images if image.mirror]
    pairs += [(image.registry, f"{registry}/{image.registry}") for image in images if image.registry]
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(lambda pair: send(*pair), pairs))


def missing_programs() -> list[str]:
    """Which of the programs that MongoDB's stand-in is made of the set-up did not get."""
    return [name for name in catalogue.MONGO_PROGRAMS if not (PROGRAMS / name).exists()]


def run(arguments: argparse.Namespace) -> None:
    """Build, and push if so asked."""
    bed_images.base("trixie")
    missing = missing_programs()
    if missing:
        print(
            f"images: no image of MongoDB, for want of {', '.join(missing)} in {PROGRAMS} (no Go module proxy?);"
            " the product runs without it and keeps snippets in PostgreSQL"
        )
    databases = catalogue.databases(None if missing else PROGRAMS)
    for image in (*databases, *catalogue.backend_base(site_packages()), catalogue.frontend_base()):
        build(image)
    releases = catalogue.releases()
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(build, releases))
    if arguments.upstream:
        print(f"images: taking {', '.join(UPSTREAM)} from Docker Hub (for MongoDB set snippetly_mongo_version to '7')")
        databases = [Image(name, Path(), "", {}, mirror=name) for name in UPSTREAM]
        for name in UPSTREAM:
            docker("pull", "--quiet", name)
    if arguments.push:
        push([*databases, *releases])


def main() -> int:
    """Return the exit status; errors that the user can do something about are printed without a traceback."""
    parser = argparse.ArgumentParser(prog="testbed/images/build", description=__doc__)
    parser.add_argument("--push", action="store_true", help="to $BED_MIRROR and $BED_REGISTRY")
    parser.add_argument("--upstream", action="store_true", help="take the databases' images from Docker Hub")
    try:
        run(parser.parse_args())
    except (BedError, catalogue.ReleaseError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0
