# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import (
    RefusedError,
    excerpt,
    explain_registry,
    refusal,
    registry_of,
)


@pytest.mark.parametrize(
    ("text", "secrets", "lines", "expected"),
    [
        pytest.param("a\n\n  \nb\n", (), 20, ["a", "b"], id="empty lines go"),
        pytest.param("1\n2\n3\n", (), 2, ["2", "3"], id="the last lines stay"),
        pytest.param("\x1b[31mred\x1b[0m", (), 20, ["red"], id="colours go"),
        pytest.param("10 %\r100 %\n", (), 1, ["100 %"], id="what was written over goes"),
        pytest.param("x" * 400, (), 20, ["x" * 299 + "…"], id="long lines are cut"),
        pytest.param(
            "url postgres://u:hunter2hunter2@db", ["hunter2hunter2"], 20, ["url postgres://u:********@db"], id="secret"
        ),
        pytest.param(
            "abcdefgh abcdef", ["abcdef", "abcdefgh"], 20, ["******** ********"], id="a secret that holds another"
        ),
        pytest.param("the id is 1", ["1"], 20, ["the id is 1"], id="too short to be a secret"),
        pytest.param(
            "x" * 295 + "secret-secret", ["secret-secret"], 20, ["x" * 295 + "****…"], id="hidden before it is cut"
        ),
        pytest.param("", (), 20, [], id="nothing"),
    ],
)
def test_excerpt(text: str, secrets: list[str], lines: int, expected: list[str]) -> None:
    assert [line.replace("\r", "") for line in excerpt(text, secrets, lines)] == expected


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("postgres:17", "docker.io"),
        ("grafana/grafana:11", "docker.io"),
        ("docker.io/library/postgres:17", "docker.io"),
        ("registry.test:5000/snippetly-backend:good-1", "registry.test:5000"),
        ("localhost/x", "localhost"),
        ("shop.azurecr.io/a/b@sha256:00", "shop.azurecr.io"),
    ],
)
def test_registry_of(image: str, registry: str) -> None:
    assert registry_of(image) == registry


# What engines and registries have said, word for word.
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            "Error response from daemon: login attempt to https://r.test:5000/v2/ failed with status: 401 Unauthorized",
            "r.test:5000 refuses the username or password",
            id="wrong password",
        ),
        pytest.param(
            'Error response from daemon: Head "https://r.test:5000/v2/a/manifests/1": no basic auth credentials',
            "this server has none: name it in docker_registries",
            id="not logged in",
        ),
        pytest.param(
            "Error response from daemon: unauthorized: incorrect username or password",
            "refuses the username or password",
            id="Docker Hub login",
        ),
        pytest.param(
            "Error response from daemon: manifest for r.test:5000/a:2 not found: manifest unknown: manifest unknown",
            "has no such tag: push it, or name another release",
            id="unknown tag",
        ),
        pytest.param(
            "Error response from daemon: pull access denied for nosuch, repository does not exist "
            "or may require 'docker login': "
            "denied: requested access to the resource is denied",
            "no such image, or it is private",
            id="unknown image on Docker Hub",
        ),
        pytest.param(
            'Get "https://r.test:5000/v2/": http: server gave HTTP response to HTTPS client',
            "insecure-registries",
            id="plain HTTP",
        ),
        pytest.param(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "docker_registry_ca",
            id="unknown authority",
        ),
        pytest.param(
            "dial tcp: lookup registry-1.docker.io on 127.0.0.11:53: no such host",
            "cannot be resolved here",
            id="no DNS",
        ),
        pytest.param(
            "dial tcp 10.0.0.1:5000: connect: connection refused", "nothing answers at r.test:5000", id="refused"
        ),
        pytest.param(
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            "does not answer",
            id="dropped",
        ),
        pytest.param("write /var/lib/docker/tmp/x: no space left on device", "disk of this server is full", id="disk"),
        pytest.param(
            "toomanyrequests: You have reached your pull rate limit", "log in with docker_registries", id="rate limit"
        ),
        pytest.param("first\nsecond\nsomething new", "second; something new", id="unknown"),
        pytest.param("", "Docker gives no reason", id="silence"),
    ],
)
def test_explain_registry(output: str, expected: str) -> None:
    assert expected in explain_registry("r.test:5000", output)


def test_refusal() -> None:
    refused = RefusedError("web: GET http://127.0.0.1:1/h answered 503", "shop-green-web-1", ["one", "two"])
    assert refusal("shop", "v2", "v1", refused, "fix it").splitlines() == [
        "shop: release v2 was refused; v1 serves as before.",
        "Reason: web: GET http://127.0.0.1:1/h answered 503",
        "Last lines of shop-green-web-1:",
        "  one",
        "  two",
        "Next: fix it",
    ]
    assert "nothing serves yet" in refusal("shop", "v2", None, refused, "fix it")
    assert "shop-green-web-1 has logged nothing" in refusal(
        "shop", "v2", "v1", RefusedError("x", "shop-green-web-1"), "fix it"
    )
