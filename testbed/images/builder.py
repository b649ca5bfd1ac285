# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images of the catalogue with Docker, each cached by the hash of its content, and pushes them."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed.cloud import authority
from testbed.cloud import images as bed_images
from testbed.cloud.docker import LABEL, BedError, docker
from testbed.cloud.places import CACHE, MIRROR_PORT, REGISTRY_PORT
from testbed.cloud.services import REGISTRY_USER
from testbed.images import catalogue
from testbed.images.catalogue import Image

REQUIREMENTS = catalogue.PRODUCT / "backend" / "requirements.txt"
PYTHON = "3.13"  # of Debian 13
PROGRAMS = CACHE / "go" / "bin"
UPSTREAM = ("postgres:17", "redis:8.0", "mongo:7")
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
MIRROR = os.environ.get("BED_MIRROR", f"127.0.0.1:{MIRROR_PORT}")
REGISTRY = os.environ.get("BED_REGISTRY", f"127.0.0.1:{REGISTRY_PORT}")
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


class Engine:
    """What the engine has of the images, asked once: asking is what takes time in a run that finds nothing to do."""

    def __init__(self, names: list[str]) -> None:
        self.hashes: dict[str, str] = {}
        self.digests: dict[str, set[str]] = {}
        for name in names:
            self.hashes[name], self.digests[name] = "", set()
        # Fails where one is not there, and tells of the others.
        for image in json.loads(docker("image", "inspect", *names, check=False) or "[]"):
            for name in image["RepoTags"]:
                self.hashes[name] = (image["Config"]["Labels"] or {}).get("mainstay.hash", "")
                self.digests[name] = {digest.partition("@")[2] for digest in image["RepoDigests"]}

    def build(self, image: Image) -> None:
        """Build one image unless the engine has it made from the same content."""
        wanted = catalogue.content_hash(image, f"{image.parent} {self.hashes[image.parent]}")
        if self.hashes[image.name] != wanted:
            print(f"images: building {image.tag}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                for dest, content, executable in catalogue.contents({"Dockerfile": image.recipe, **image.files}):
                    path = Path(folder, dest)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                    path.chmod(0o755 if executable else 0o644)
                labels = ("--label", LABEL, "--label", f"mainstay.hash={wanted}")
                docker("build", "--quiet", *labels, "--tag", image.name, folder)
            self.hashes[image.name], self.digests[image.name] = wanted, set()
        if image.public and self.hashes[image.public] != wanted:
            docker("tag", image.name, image.public)

    def push(self, image: Image) -> None:
        """Push one image unless the registry has this very one."""
        name = f"{MIRROR}/library/{image.mirror}" if image.mirror else f"{REGISTRY}/{image.registry}"
        if pushed_digest(name) not in self.digests[image.name]:
            print(f"images: pushing {image.public}", flush=True)
            docker("tag", image.name, name)
            docker("push", "--quiet", name)


def pushed_digest(name: str) -> str:
    """Return the digest of what a registry of the bed has under ``host/path:tag``; empty where it has nothing."""
    host, _, path = name.partition("/")
    repository, _, tag = path.partition(":")
    # Certificates of the bed name the host inside its network, not the loopback address.
    context = ssl.create_default_context(cafile=authority.CA)
    context.check_hostname = False
    scheme = "https" if host == REGISTRY else "http"
    request = urllib.request.Request(f"{scheme}://{host}/v2/{repository}/manifests/{tag}", method="HEAD")
    request.add_header("Accept", ", ".join(MANIFESTS))
    credentials = f"{REGISTRY_USER}:{authority.secret('registry')}".encode()
    request.add_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return ""
        raise BedError(f"{name}: the registry answered {error.code}: {error.reason}") from error


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
    shared = [*databases, *catalogue.backend_base(site_packages()), catalogue.frontend_base()]
    releases = catalogue.releases()
    if arguments.upstream:
        print(f"images: taking {', '.join(UPSTREAM)} from Docker Hub (for MongoDB set snippetly_mongo_version to '7')")
        for name in UPSTREAM:
            docker("pull", "--quiet", name)
            docker("tag", name, f"mainstay/image/{name}")
        shared = [image for image in shared if image.mirror not in UPSTREAM]
    others = catalogue.other_databases() if arguments.all else []
    images = [*shared, *releases]
    upstream = [Image(name, Path(), "", {}, mirror=name) for name in UPSTREAM] if arguments.upstream else []
    engine = Engine(
        [
            catalogue.BASE,
            *(name for image in (*images, *upstream, *others) for name in {image.name, image.public or image.name}),
        ]
    )
    for image in shared:
        engine.build(image)
    for image in others:
        try:
            engine.build(image)
        except BedError as error:
            print(f"images: no image {image.tag}, what is tested with it is skipped: {error}", file=sys.stderr)
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(engine.build, releases))
        if arguments.push:
            list(pool.map(engine.push, (image for image in (*images, *upstream) if image.public)))


def main() -> int:
    """Return the exit status; errors that the user can do something about are printed without a traceback."""
    parser = argparse.ArgumentParser(prog="testbed/images/build", description=__doc__)
    parser.add_argument("--push", action="store_true", help="to $BED_MIRROR and $BED_REGISTRY")
    parser.add_argument("--all", action="store_true", help="also those that the product does not use: MariaDB, MySQL")
    parser.add_argument("--upstream", action="store_true", help="take the databases' images from Docker Hub")
    try:
        run(parser.parse_args())
    except (BedError, catalogue.ReleaseError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0
