# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps of ``runtime: systemd``: what may be said of them, and what not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load, users

from tests.unit.plugins.module_utils.apps.shop import GONE, PASSWORD, SHOP, apps, changed

CLUB: dict[str, Any] = {
    "name": "club",
    "domains": ["club.example"],
    "runtime": "systemd",
    "release": "v1.2.0",
    "source": {"repository": "https://git.example/club.git", "build": "python3 -m venv venv"},
    "services": [
        {"name": "frontend", "static": "frontend/build", "routes": ["/"]},
        {
            "name": "backend",
            "command": ["venv/bin/uvicorn", "server:app"],
            "port": 8001,
            "memory": "256m",
            "routes": ["/api/"],
            "health": "/api/health",
        },
        {"name": "migrate", "command": ["venv/bin/migrate"], "memory": "64m", "run": "before_release"},
    ],
    "databases": [
        {"name": "mongo", "engine": "mongodb", "version": "7", "external": "127.0.0.1", "password": PASSWORD}
    ],
}


def club(changes: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return changed([CLUB], {f"0.{path}": value for path, value in (changes or {}).items()})


def test_an_app_has_one_user_of_its_own() -> None:
    [app] = load(club())
    assert {service["user"] for service in app["services"]} == {users.derived("club")}
    number, group = (int(part) for part in users.derived("club").split(":"))
    assert number == group
    assert 50000 <= number < 59000


def test_static_files_have_a_path_and_may_have_a_fallback() -> None:
    changes = {"services.0.static": {"path": "build", "fallback": "/index.html"}}
    assert load(club())[0]["services"][0]["static"] == {"path": "frontend/build", "fallback": None}
    assert load(club(changes))[0]["services"][0]["static"] == {"path": "build", "fallback": "/index.html"}


BROKEN = [
    pytest.param(
        {"env": {"PORT": "8001"}, "services.1.env": {"HOST": "0.0.0.0"}},
        [
            "env.PORT: is what a unit with a port is told, another in each slot (leave it out)",
            "services[1].env.HOST: is what a unit with a port is told, another in each slot (leave it out)",
        ],
        id="where to listen",
    ),
    pytest.param(
        {"source": GONE},
        ["source: is missing: where releases come from (such as {repository: 'https://git.example/shop.git'})"],
        id="no source",
    ),
    pytest.param({"source": {}}, ["source: has neither a repository nor an archive (name one)"], id="empty source"),
    pytest.param(
        {"source": {"repository": "git@host:a/b.git", "archive": "https://host/b.tar"}},
        ["source: has both a repository and an archive (keep one)"],
        id="two sources",
    ),
    pytest.param(
        {"source.repository": "https://me:hunter2@git.example/club.git"},
        ["source.repository: holds a password, which would be seen in process lists (use ssh and deploy_key)"],
        id="password in the URL",
    ),
    pytest.param(
        {"source.repository": "http://git.example/club.git"},
        [
            "source.repository: 'http://git.example/club.git' is not a git URL "
            "(such as 'https://git.example/shop.git' or 'git@git.example:shop.git')"
        ],
        id="plain HTTP",
    ),
    pytest.param(
        {"source.deploy_key": "a key that nobody uses"},
        ["source.deploy_key: 'https://git.example/club.git' is not read by SSH (write it as 'git@host:path')"],
        id="key without SSH",
    ),
    pytest.param(
        {"source": {"archive": "https://host/b.tar", "deploy_key": "a key that nobody uses", "checksum": "sha256:ab"}},
        [
            "source.checksum: 'sha256:ab' is not a checksum "
            "(sha256: and 64 hexadecimal digits, as sha256sum prints them)",
            "source.deploy_key: means nothing without a repository (leave it out)",
        ],
        id="an archive with what it has not",
    ),
    pytest.param(
        {"source.checksum": "sha256:" + "0" * 64},
        ["source.checksum: means nothing without an archive (name a commit as release instead)"],
        id="checksum of a repository",
    ),
    pytest.param(
        {"source.packages": ["python3-venv", "Not One"]},
        ["source.packages[1]: 'Not One' is not the name of a package (such as 'python3-venv')"],
        id="package",
    ),
    pytest.param(
        {"services.1.image": "shop/web", "services.1.read_only": False, "services.1.capabilities": ["CHOWN"]},
        [
            "services[1].image: means nothing with runtime: systemd, where a release comes from the app's source "
            "(leave it out)",
            "services[1].read_only: means nothing with runtime: systemd, where a unit sees its release and the system "
            "read-only, always (leave it out)",
            "services[1].capabilities: means nothing with runtime: systemd, where a unit has none (leave it out)",
        ],
        id="what only containers have",
    ),
    pytest.param(
        {"services.1.user": "0:0"},
        ["services[1].user: means nothing with runtime: systemd, where an app has a user of its own (leave it out)"],
        id="root",
    ),
    pytest.param(
        {"services.1.command": GONE, "services.1.memory": GONE},
        [
            "services[1].command: is missing: what to run (such as [venv/bin/uvicorn, 'app:app'])",
            "services[1].memory: is missing: memory limit (such as '512m')",
        ],
        id="neither command nor files",
    ),
    pytest.param({"services.1.command": []}, ["services[1].command: is empty (name a program)"], id="empty command"),
    pytest.param(
        {"services.0.static": "../etc"},
        ["services[0].static.path: '../etc' is not a path inside the release"],
        id="files outside of the release",
    ),
    pytest.param(
        {"services.0.memory": "64m", "services.0.command": ["serve"]},
        [
            "services[0].command: means nothing for static files, which nginx serves (leave it out)",
            "services[0].memory: means nothing for static files, which nginx serves (leave it out)",
        ],
        id="files with a process",
    ),
    pytest.param(
        {"databases.0": {"name": "m", "engine": "mongodb", "version": "7", "memory": "1g", "password": PASSWORD}},
        [
            "databases[0].external: is missing: units reach no container of MongoDB "
            "(install it on the host and write external: 127.0.0.1)"
        ],
        id="MongoDB in a container",
    ),
    pytest.param(
        {
            "rto": "1h",
            "databases.0": {"name": "p", "engine": "postgresql", "version": "17", "memory": "1g", "password": PASSWORD},
        },
        [
            "rto: 1h is held against drills, and a drill starts no release of runtime: systemd (leave it out)",
        ],
        id="rto",
    ),
    pytest.param(
        {"secrets": {"KEY": PASSWORD}, "source.build": f"echo {PASSWORD}"},
        ["source.build: holds the password of databases[0] (move it to secrets)"],
        id="secret in the build",
    ),
]


@pytest.mark.parametrize(("changes", "messages"), BROKEN)
def test_broken(changes: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        load(club(changes))
    assert caught.value.errors == [f"apps[0] 'club': {message}" for message in messages]


def test_a_name_too_long_for_a_user() -> None:
    with pytest.raises(ModelError, match="longer than Linux takes"):
        load(club({"name": "a" * 28}))


def test_a_deploy_key_is_never_quoted() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----"
    with pytest.raises(ModelError) as caught:
        load(club({"source.deploy_key": key, "release": key}))
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"0.source": {"archive": "https://host/x.tar"}},
            "source: means nothing with runtime: compose, whose releases are images (leave it out)",
            id="source",
        ),
        pytest.param(
            {"0.services.0.image": GONE},
            "services[0].image: is missing: image without a tag (such as 'registry.example/shop-web')",
            id="no image",
        ),
        pytest.param(
            {"0.services.0.static": "build"},
            "services[0].static: needs runtime: systemd (a container serves its files itself)",
            id="files",
        ),
    ],
)
def test_what_containers_do_not_have(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(apps(changes))
    assert f"apps[0] '{SHOP['name']}': {message}" in caught.value.errors
