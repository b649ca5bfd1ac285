# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good apps: defaults, normal forms, and what holds for any input at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load, spec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.apps.shop import PASSWORD, apps

MIB = 1024**2


def test_defaults_of_a_service() -> None:
    blog = load(apps())[1]
    assert blog == {
        "name": "blog",
        "domains": ["blog.example"],
        "runtime": "compose",
        "release": "v2",
        "source": None,
        "strategy": "blue_green",
        "rpo": None,
        "rto": None,
        "services": [
            {
                "name": "web",
                "image": "registry.example/blog:v2",
                "command": None,
                "static": None,
                "port": 80,
                "memory": 64 * MIB,
                "memory_reservation": None,
                "cpus": None,
                "pids": 256,
                "user": "65532:65532",
                "read_only": True,
                "tmpfs": ["/tmp"],
                "capabilities": [],
                "env": {},
                "secrets": None,
                "volumes": [],
                "routes": ["/"],
                "health": None,
                "metrics": None,
                "rate_limits": [],
                "singleton": False,
                "run": "always",
                "stop_timeout": 30,
                "ports": {"blue": 24657, "green": 29792},
            }
        ],
        "databases": [],
        "env": {},
        "secrets": {},
        "headers": {
            "csp": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            "connect-src 'self'; manifest-src 'self'; media-src 'self'; worker-src 'self'; base-uri 'self'; "
            "form-action 'self'; frame-ancestors 'none'",
            "csp_report_only": "",
            "hsts": "max-age=63072000",
            "frame_options": "DENY",
            "content_type_options": "nosniff",
            "referrer_policy": "strict-origin-when-cross-origin",
            "permissions_policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "opener_policy": "same-origin",
            "resource_policy": "same-origin",
        },
    }


def test_defaults_of_databases() -> None:
    db, cache = load(apps())[0]["databases"]
    assert db == {
        "name": "db",
        "engine": "postgresql",
        "version": "17",
        "image": "postgres:17",
        "memory": 512 * MIB,
        "cpus": None,
        "user": "shop",
        "database": "shop",
        "password": PASSWORD,
        "backup": {"enabled": True, "schedule": "*-*-* 02:00:00 UTC", "keep_local": 7, "max_drop": 50},
        "external": None,
    }
    assert (cache["image"], cache["user"], cache["database"]) == ("redis:7", None, None)


@pytest.mark.parametrize(
    ("path", "value", "normal"),
    [
        pytest.param("0.services.0.memory", "1g", 1024 * MIB, id="size"),
        pytest.param("0.services.0.cpus", "0.5", 0.5, id="cpus as a string"),
        pytest.param("0.services.0.port", "8080", 8080, id="port as a string, from -e"),
        pytest.param("0.services.0.read_only", "False", False, id="boolean as a string, from -e"),
        pytest.param("0.services.0.stop_timeout", "2m", 120, id="duration"),
        pytest.param("0.services.0.image", "x/y@sha256:" + "0" * 64, "x/y@sha256:" + "0" * 64, id="digest kept"),
        pytest.param("0.services.0.image", "r.example:5000/y", "r.example:5000/y:v1", id="registry's port is no tag"),
        pytest.param("0.services.0.image", "x/y:1.2", "x/y:1.2", id="tag kept"),
        pytest.param("0.services.0.tmpfs", ["/run"], ["/tmp", "/run"], id="tmp always"),
        pytest.param("0.services.0.tmpfs", ["/tmp"], ["/tmp"], id="tmp once"),
        pytest.param("0.services.0.command", ["-w", 4, ""], ["-w", "4", ""], id="numbers in a command"),
        pytest.param(
            "0.services.0.env",
            {"A": 1, "B": True, "C": 0.5, "D": ""},
            {"A": "1", "B": "true", "C": "0.5", "D": ""},
            id="env",
        ),
        pytest.param(
            "0.services.0.health",
            "/up",
            {"path": "/up", "command": None, "interval": 2, "timeout": 60},
            id="health path",
        ),
        pytest.param(
            "0.services.2.health",
            {"command": ["true"], "timeout": "2m"},
            {"path": None, "command": ["true"], "interval": 2, "timeout": 120},
            id="health command",
        ),
        pytest.param(
            "0.services.1.rate_limits",
            [{"path": "/api/", "rate": "5/m"}],
            [{"path": "/api/", "rate": "5/m", "burst": 4}],
            id="burst",
        ),
        pytest.param(
            "0.services.1.rate_limits",
            [{"path": "/api/", "rate": "5/m", "burst": 0}],
            [{"path": "/api/", "rate": "5/m", "burst": 0}],
            id="no burst",
        ),
        pytest.param(
            "0.services.0.ports", {"blue": 20001, "green": "20002"}, {"blue": 20001, "green": 20002}, id="ports"
        ),
        pytest.param("0.databases.0.image", "registry.example/pg", "registry.example/pg:17", id="image of a database"),
        pytest.param("0.databases.0.user", "app_user", "app_user", id="user of a database"),
        pytest.param("0.secrets", {"KEY": "two\nlines"}, {"KEY": "two\nlines"}, id="secret of two lines"),
        pytest.param("0.domains", ["xn--bcher-kva.example"], ["xn--bcher-kva.example"], id="punycode"),
    ],
)
def test_normal_forms(path: str, value: Any, normal: Any) -> None:
    place: Any = load(apps({path: value}))
    for step in path.split("."):
        place = place[int(step) if isinstance(place, list) else step]
    assert place == normal


def test_no_apps_are_a_server_without_apps() -> None:
    assert load([], {"memory": "1g", "cpus": 1, "reserved": "1g"}) == []


def test_loading_twice_changes_nothing() -> None:
    once = load(apps())
    assert load(once) == once


def test_nothing_stands_for_an_absent_field() -> None:
    held = ("image", "memory", "port", "routes", "health")
    empty = {f"0.services.0.{field.name}": None for field in spec.SERVICE.fields if not field.required}
    kept = {path: value for path, value in empty.items() if path.split(".")[-1] not in held}
    assert load(apps(kept)) == load(apps())


def test_strings_of_ansible_become_plain() -> None:
    from ansible.template import trust_as_template

    tagged = trust_as_template("256m")
    loaded = load(apps({"0.release": trust_as_template("v9"), "0.services.0.memory": tagged, "0.env": {"A": tagged}}))
    assert {type(value) for value in (loaded[0]["release"], loaded[0]["env"]["A"])} == {str}


# Any JSON at all, with the words of the model among its keys so that it gets past the first check.
WORDS = sorted(
    {
        field.name
        for struct in (spec.APP, spec.SERVICE, spec.DATABASE, spec.HEALTH, spec.BACKUP)
        for field in struct.fields
    }
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["256m", "/", "x/y", "v1", "a.example"])
)
KEYS = st.sampled_from(WORDS) | st.text(max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25
)
MUTATIONS = st.sampled_from(
    [
        f"{app}.{field}"
        for app, fields in enumerate(
            (("name", "domains", "release", "strategy", "services", "databases", "env", "secrets", "headers"),) * 2
        )
        for field in fields
    ]
    + [f"0.services.{index}.{field.name}" for index in range(4) for field in spec.SERVICE.fields]
    + [f"0.databases.{index}.{field.name}" for index in range(2) for field in spec.DATABASE.fields]
    + ["0", "1", "0.services.0", "0.databases.0", "0.services.1.rate_limits.0", "0.databases.0.backup"]
)


def outcome(raw: Any, server: Any = None) -> list[Any]:
    """Return what is loaded or what is wrong; anything else that is raised fails the test."""
    try:
        return load(raw, server)
    except ModelError as error:
        assert error.errors and all("\n" not in line for line in error.errors)
        return error.errors


@settings(max_examples=150, deadline=None)
@given(raw=JSON, server=JSON)
def test_any_input_loads_or_is_a_model_error(raw: Any, server: Any) -> None:
    outcome(raw, server)
    outcome([raw], server)


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(MUTATIONS, JSON, min_size=1, max_size=3))
def test_a_good_list_spoilt_anywhere_loads_or_is_a_model_error(changes: dict[str, Any]) -> None:
    first = {path: changes[path] for path in sorted(changes, key=lambda path: -path.count("."))}
    result = outcome(apps(first), {"memory": "8g", "cpus": 4})
    assert json.dumps(result) == json.dumps(outcome(apps(first), {"memory": "8g", "cpus": 4}))
    if result and isinstance(result[0], dict):
        assert load(result) == result


@settings(max_examples=100, deadline=None)
@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=12, max_size=80),
    paths=st.sets(
        st.sampled_from(
            ["0.name", "0.release", "0.runtime", "1.domains.0", "0.services.0.image", "0.services.0.memory"]
        ),
        min_size=1,
    ),
)
def test_secrets_are_never_quoted(secret: str, paths: set[str]) -> None:
    changes: dict[str, Any] = dict.fromkeys(sorted(paths), secret)
    result = outcome(apps(changes | {"0.databases.0.password": secret, "0.secrets": {"TOKEN": secret}}))
    if result and isinstance(result[0], str):
        assert not any(secret in line for line in result)
