# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each role gets of the same small shop."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.backups_jobs import backups_jobs
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.certbot_certificates import (
    certbot_certificates,
)
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.firewall_rules import firewall_rules
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.monitoring_targets import (
    monitoring_targets,
)
from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections.nginx_sites import nginx_sites

from tests.unit.plugins.module_utils.apps.shop import PASSWORD, apps
from tests.unit.plugins.module_utils.apps.test_systemd import club

PORTS = {"0.services.0.ports": {"blue": 20001, "green": 20002}, "0.services.1.ports": {"blue": 20003, "green": 20004}}


STATE = {
    "name": "server-state",
    "app": "server",
    "database": "state",
    "engine": "files",
    "schedule": "*-*-* 03:15:00 UTC",
    "keep_local": 7,
    "max_drop": 50,
    "file_prefix": "state-backup",
    "paths": ["/etc/letsencrypt", "/etc/nginx", "/srv", "/var/lib/mainstay"],
    "exclude": [
        "/srv/*/builds/*",
        "/srv/*/root/*",
        "/var/lib/mainstay/backups/*.lock",
        "/var/lib/mainstay/drill/*",
        "/var/lib/mainstay/tmp/*",
    ],
}


def site(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return nginx_sites(load(apps(PORTS | (changes or {}))))[0]


def test_a_site() -> None:
    got = site(
        {
            "0.services.1.rate_limits": [
                {"path": "/api/", "rate": "10/s", "burst": 20},
                {"path": "/api/auth/", "rate": "5/m"},
            ]
        }
    )
    assert got == {
        "name": "shop",
        "domains": ["shop.example", "www.shop.example"],
        "certificate": "shop",
        "upstreams": [
            {"name": "shop_web", "service": "web", "ports": {"blue": 20001, "green": 20002}},
            {"name": "shop_api", "service": "api", "ports": {"blue": 20003, "green": 20004}},
        ],
        "routes": [{"path": "/api/", "upstream": "shop_api"}, {"path": "/", "upstream": "shop_web"}],
        "private": ["/api/metrics", "/metrics"],
        "metrics": [{"location": "/shop/api", "upstream": "shop_api", "path": "/api/metrics"}],
        "rate_limits": [
            {"path": "/api/auth/", "upstream": "shop_api", "zone": "shop_8eb1863c", "rate": "5/m", "burst": 4},
            {"path": "/api/", "upstream": "shop_api", "zone": "shop_4d3a663e", "rate": "10/s", "burst": 20},
        ],
        "headers": {
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "font-src 'self'; connect-src 'self'; manifest-src 'self'; media-src 'self'; worker-src 'self'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
            "Strict-Transport-Security": "max-age=63072000",
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    }


@pytest.mark.parametrize(
    ("changes", "private"),
    [
        pytest.param({}, ["/api/metrics", "/metrics"], id="inside its own route"),
        pytest.param({"0.services.1.metrics": "/stats"}, ["/metrics"], id="a path that another service answers"),
        pytest.param({"0.services.0.metrics": "/stats"}, ["/api/metrics", "/metrics", "/stats"], id="two services"),
        pytest.param({"0.services.0.routes": ["/", "/metrics"]}, ["/api/metrics"], id="the usual path is a route"),
    ],
)
def test_metrics_are_private_where_a_route_reaches_them(changes: dict[str, Any], private: list[str]) -> None:
    assert site(changes)["private"] == private


@pytest.mark.parametrize(
    ("changes", "header", "value"),
    [
        pytest.param(
            {"0.headers": {"csp": "default-src 'none'"}}, "Content-Security-Policy", "default-src 'none'", id="changed"
        ),
        pytest.param({"0.headers": {"frame_options": ""}}, "X-Frame-Options", None, id="left out"),
        pytest.param(
            {"0.headers": {"csp_report_only": "script-src 'nonce-{nonce}'"}},
            "Content-Security-Policy-Report-Only",
            "script-src 'nonce-{nonce}'",
            id="a policy to try out",
        ),
        pytest.param({}, "Content-Security-Policy-Report-Only", None, id="no policy to try out"),
        pytest.param(
            {"0.headers": {"csp": "default-src 'none'"}}, "X-Content-Type-Options", "nosniff", id="others stay"
        ),
    ],
)
def test_headers(changes: dict[str, Any], header: str, value: str | None) -> None:
    assert site(changes)["headers"].get(header) == value


def test_an_app_without_domains_keeps_its_metrics() -> None:
    hidden: dict[str, Any] = {
        "0.domains": [],
        "0.services.0.routes": [],
        "0.services.1.routes": [],
        "0.services.1.rate_limits": [],
    }
    got = site(hidden)
    assert (got["domains"], got["routes"], got["private"]) == ([], [], [])
    assert [upstream["name"] for upstream in got["upstreams"]] == ["shop_api"]
    assert [item["location"] for item in got["metrics"]] == ["/shop/api"]


@pytest.mark.parametrize(
    ("static", "below", "fallback"),
    [
        pytest.param("frontend/build", "/frontend/build", None, id="a directory of the release"),
        pytest.param({"path": "build", "fallback": "/index.html"}, "/build", "/index.html", id="with a fallback"),
        pytest.param(".", "", None, id="the release itself"),
    ],
)
def test_static_files_are_where_the_slots_lead(static: Any, below: str, fallback: str | None) -> None:
    [got] = nginx_sites(load(club({"services.0.static": static, "services.1.ports": {"blue": 20001, "green": 20002}})))
    assert got["upstreams"] == [
        {
            "name": "club_frontend",
            "service": "frontend",
            "roots": {"blue": f"/srv/club/slots/blue/tree{below}", "green": f"/srv/club/slots/green/tree{below}"},
            "fallback": fallback,
        },
        {"name": "club_backend", "service": "backend", "ports": {"blue": 20001, "green": 20002}},
    ]
    assert got["routes"] == [{"path": "/api/", "upstream": "club_backend"}, {"path": "/", "upstream": "club_frontend"}]
    assert got["metrics"] == []


def test_an_app_that_nothing_reaches_has_no_site() -> None:
    hidden: dict[str, Any] = {"1.domains": [], "1.services.0.routes": []}
    assert [item["name"] for item in nginx_sites(load(apps(hidden)))] == ["shop"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {},
            [
                {"name": "shop", "domains": ["shop.example", "www.shop.example"]},
                {"name": "blog", "domains": ["blog.example"]},
            ],
            id="one each",
        ),
        pytest.param(
            {"0": {"name": "job", "release": "1", "services": [{"name": "a", "image": "a", "memory": "8m"}]}},
            [{"name": "blog", "domains": ["blog.example"]}],
            id="none for an app without domains",
        ),
    ],
)
def test_certificates(changes: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert certbot_certificates(load(apps(changes))) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(apps(), [{"port": 80, "proto": "tcp"}, {"port": 443, "proto": "tcp"}], id="with domains"),
        pytest.param([], [], id="no apps"),
        pytest.param(apps({"1.domains": [], "1.services.0.routes": []})[1:], [], id="without domains"),
    ],
)
def test_firewall(given: list[Any], expected: list[dict[str, Any]]) -> None:
    assert firewall_rules(load(given)) == expected


CDN = ["192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        pytest.param(apps(), {"http3": True}, ["80/tcp", "443/tcp", "443/udp"], id="HTTP/3"),
        pytest.param(
            apps(), {"web_sources": CDN},
            [f"{port}/tcp {source}" for source in CDN for port in (80, 443)], id="behind a CDN alone",
        ),
        pytest.param(
            apps(), {"http3": True, "web_sources": CDN[:1]},
            [f"{port} {CDN[0]}" for port in ("80/tcp", "443/tcp", "443/udp")], id="both",
        ),
        pytest.param([], {"http3": True, "web_sources": CDN}, [], id="no apps"),
    ],
)  # fmt: skip
def test_firewall_options(given: list[Any], options: dict[str, Any], expected: list[str]) -> None:
    found = firewall_rules(load(given), **options)
    assert [f"{rule['port']}/{rule['proto']} {rule.get('from', '')}".strip() for rule in found] == expected


def test_backups() -> None:
    assert backups_jobs(
        load(apps({"0.databases.1.backup": {"schedule": "00/6:00", "keep_local": 2}})), encrypted=True
    ) == [
        {
            "name": "shop-db",
            "app": "shop",
            "database": "db",
            "engine": "postgresql",
            "container": "shop-data-db-1",
            "user": "shop",
            "databases": ["shop"],
            "password": PASSWORD,
            "schedule": "*-*-* 02:00:00 UTC",
            "keep_local": 7,
            "max_drop": 50,
            "file_prefix": "pg-backup",
        },
        {
            "name": "shop-cache",
            "app": "shop",
            "database": "cache",
            "engine": "redis",
            "container": "shop-data-cache-1",
            "user": None,
            "databases": [],
            "password": PASSWORD,
            "schedule": "00/6:00",
            "keep_local": 2,
            "max_drop": 100,
            "file_prefix": "redis-backup",
        },
        STATE,
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"0.databases.0.engine": "mariadb"},
            {"container": "shop-data-db-1", "user": "root", "databases": ["shop"], "file_prefix": "mariadb-backup"},
            id="mariadb, by its root",
        ),
        pytest.param(
            {"0.databases.0.external": "db.example.net", "0.databases.0.memory": None},
            {
                "container": None, "user": "shop", "host": "db.example.net", "port": 5432, "tls": True,
                "image": "postgres:17",
            },
            id="managed elsewhere, by the tools of its version",
        ),
        pytest.param(
            {
                "0.databases.0.engine": "mysql", "0.databases.0.memory": None,
                "0.databases.0.external": {"socket": "/run/mysqld/mysqld.sock"},
            },
            {"container": None, "user": "shop", "socket": "/run/mysqld/mysqld.sock", "file_prefix": "mysql-backup"},
            id="native, by the tools of the host",
        ),
        pytest.param(
            {
                "0.databases.0.engine": "mongodb", "0.databases.0.memory": None,
                "0.databases.0.external": {"host": "10.0.0.7", "port": 27018, "tls": False, "tools": "host"},
            },
            {"container": None, "host": "10.0.0.7", "port": 27018},
            id="in a private network",
        ),
    ],
)  # fmt: skip
def test_where_a_database_is(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    job = backups_jobs(load(apps(changes)))[0]
    assert {key: job.get(key) for key in expected} == expected
    assert "image" in expected or "image" not in job
    assert "tls" in expected or "tls" not in job


def test_a_volume_is_backed_up_once() -> None:
    volume = {"name": "up", "path": "/up", "backup": {"schedule": "Sun 03:30", "max_drop": 80}}
    jobs = backups_jobs(load(apps({"0.services.0.volumes": [volume], "0.services.1.volumes": [volume]})))
    assert [job["name"] for job in jobs] == ["shop-db", "shop-cache", "shop-up"]
    assert jobs[2] == {
        "name": "shop-up",
        "app": "shop",
        "database": "up",
        "engine": "files",
        "schedule": "Sun 03:30",
        "keep_local": 7,
        "max_drop": 80,
        "file_prefix": "up-backup",
        "paths": ["/opt/app-data/shop/up"],
    }


def test_a_backup_can_be_switched_off() -> None:
    loaded = load(apps({"0.databases.0.backup": {"enabled": False}}))
    assert [job["name"] for job in backups_jobs(loaded)] == ["shop-cache"]
    assert [job["name"] for job in backups_jobs(loaded, encrypted=True)] == ["shop-cache", "server-state"]
    assert [item["name"] for item in monitoring_targets(loaded, encrypted=True)["backups"]] == [
        "shop-cache",
        "server-state",
    ]


def test_monitoring() -> None:
    assert monitoring_targets(load(apps({"0.databases.1.backup": {"schedule": "Mon..Fri 02:00"}}))) == {
        "scrapes": [{"job": "shop-api", "app": "shop", "address": "127.0.0.1:9080", "path": "/shop/api"}],
        "probes": [
            {"app": "shop", "url": "https://shop.example/"},
            {"app": "shop", "url": "https://shop.example/api/health"},
        ],
        "certificates": ["shop.example", "blog.example"],
        "backups": [
            {"name": "shop-db", "app": "shop", "max_age": 26 * 3600},
            {"name": "shop-cache", "app": "shop", "max_age": 74 * 3600},
        ],
        "recoveries": [],
    }


def test_objectives_are_watched() -> None:
    targets = monitoring_targets(load(apps({"0.rpo": "25h", "0.rto": "15m"})))
    assert targets["backups"] == [
        {"name": "shop-db", "app": "shop", "max_age": 26 * 3600, "rpo": 90000},
        {"name": "shop-cache", "app": "shop", "max_age": 26 * 3600, "rpo": 90000},
    ]
    assert targets["recoveries"] == [{"app": "shop", "rto": 900}]


def test_a_health_path_outside_the_service_s_routes_is_not_probed() -> None:
    targets = monitoring_targets(load(apps({"0.services.1.health": "/internal"})))
    assert [probe["url"] for probe in targets["probes"]] == ["https://shop.example/"]
