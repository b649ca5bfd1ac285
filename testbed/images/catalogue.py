# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images there are, what each is made from, and the hash that says when to make one anew. No Docker in here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

IMAGES = Path(__file__).resolve().parent
PRODUCT = IMAGES.parent / "product"
RELEASES = PRODUCT / "releases.yml"
BASE = "mainstay/debian:trixie"
FERRETDB = "ferretdb-1.24.0"
MYSQL = "9"
MONGO_PROGRAMS = ("ferretdb", "mongodump", "mongorestore")


class ReleaseError(Exception):
    """The table of releases is wrong; the message has one line per mistake."""


@dataclasses.dataclass(frozen=True)
class Image:
    """One image: ``FROM parent`` as its recipe says, with these files beside the recipe.

    ``files`` maps a path in the build's context to its content, or to a file or folder on disk. ``mirror`` is its name
    on Docker Hub, ``registry`` that in the private registry, if any.
    """

    tag: str
    recipe: Path
    parent: str
    files: Mapping[str, bytes | Path]
    mirror: str = ""
    registry: str = ""

    @property
    def name(self) -> str:
        """What the outer engine knows it by: ``mainstay/image/postgres:17``."""
        return f"mainstay/image/{self.tag}"

    @property
    def public(self) -> str:
        """What it is called where it is deployed; empty for a layer that others are made of."""
        return self.mirror or self.registry


def contents(files: Mapping[str, bytes | Path]) -> Iterable[tuple[str, bytes, bool]]:
    """Every file that a build sees, folders walked: its path, content and whether it can be executed."""
    for dest, source in sorted(files.items()):
        if isinstance(source, bytes):
            yield dest, source, False
        elif source.is_file():
            yield dest, source.read_bytes(), bool(source.stat().st_mode & 0o100)
        else:
            inside = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            yield from contents({f"{dest}/{path.relative_to(source)}": path for path in inside})


def content_hash(image: Image, parent: str) -> str:
    """Return the hash of all that an image is made from; ``parent`` is the same of the image that it is FROM."""
    hashed = hashlib.sha256(f"{parent}\0".encode())
    for dest, content, executable in contents({"Dockerfile": image.recipe, **image.files}):
        hashed.update(f"{dest}\0{executable}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()[:16]


def load_releases(text: str) -> dict[str, dict[str, Any]]:
    """Return every release of the table with the defaults filled in, by tag, in the table's order.

    Raises ReleaseError naming each field that no release can have, or that is of another type than its default.
    """
    table = yaml.safe_load(text)
    defaults: dict[str, Any] = table["defaults"]
    errors = []
    for tag, own in table["releases"].items():
        for field, value in own.items():
            if field not in defaults:
                errors.append(f"releases.{tag}.{field}: no such field (there are: {', '.join(defaults)})")
            elif type(value) is not type(defaults[field]):
                wanted = type(defaults[field]).__name__
                errors.append(f"releases.{tag}.{field}: {value!r} is not of type {wanted}, as its default is")
    if errors:
        raise ReleaseError("\n".join(errors))
    return {tag: {"release": tag, **defaults, **own} for tag, own in table["releases"].items()}


def page(template: str, release: Mapping[str, Any]) -> bytes:
    """Return the front page of a release: the template with its title and tag."""
    return Template(template).substitute(title=release["title"], release=release["release"]).encode()


def database(name: str, version: str, parent: str, files: Mapping[str, bytes | Path], start: str = "") -> Image:
    """Return the image of one database; ``start`` names the folder of its entry point where that is another's."""
    entry = IMAGES / (start or name) / "docker-entrypoint.sh"
    shared = {"docker-entrypoint.sh": entry, "file-env.sh": IMAGES / "file-env.sh"}
    tag = f"{name}:{version}"
    return Image(tag, IMAGES / name / "Dockerfile", parent, {**shared, **files}, mirror=tag)


def databases(programs: Path | None) -> list[Image]:
    """Return the images of the databases; that of MongoDB's stand-in only where there is a folder with its programs."""
    server = Image("postgresql:base", IMAGES / "postgresql.Dockerfile", BASE, {})
    images = [server, database("postgres", "17", server.name, {}), database("redis", "8.0", BASE, {})]
    if programs:
        mongo = {program: programs / program for program in MONGO_PROGRAMS}
        images.append(database("mongo", FERRETDB, server.name, mongo))
    return images


def other_databases() -> list[Image]:
    """Return the images of databases that the product does not use, but tests do."""
    return [database("mariadb", "11.8", BASE, {}, start="mysql"), database("mysql", MYSQL, BASE, {})]


def backend_base(packages: Path | bytes) -> list[Image]:
    """Return the layers that all releases of the backend share: Python with ``packages``, the source over it."""
    backend = PRODUCT / "backend"
    python = Image("snippetly-python:base", backend / "python.Dockerfile", BASE, {"site-packages": packages})
    source = {"app": backend / "app", "migrations": backend / "migrations"}
    return [python, Image("snippetly-backend:base", backend / "source.Dockerfile", python.name, source)]


def frontend_base() -> Image:
    """Return the layers that all releases of the frontend share."""
    frontend = PRODUCT / "frontend"
    files = {"nginx.conf": frontend / "nginx.conf", "site": frontend / "site"}
    return Image("snippetly-frontend:base", frontend / "base.Dockerfile", BASE, files)


def releases() -> list[Image]:
    """Return both images of every release."""
    template = (PRODUCT / "frontend" / "index.html").read_text()
    images = []
    for tag, release in load_releases(RELEASES.read_text()).items():
        for part, file, content in (
            ("frontend", "index.html", page(template, release)),
            ("backend", "release.json", json.dumps(release, indent=1).encode()),
        ):
            name = f"snippetly-{part}:{tag}"
            recipe = PRODUCT / part / "release.Dockerfile"
            images.append(Image(name, recipe, f"mainstay/image/snippetly-{part}:base", {file: content}, registry=name))
    return images
