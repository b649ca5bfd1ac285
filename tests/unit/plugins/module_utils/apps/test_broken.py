# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken apps, each with all its messages."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load

from tests.unit.plugins.module_utils.apps.shop import GONE, PASSWORD, SHOP, apps

BROKEN = [
    pytest.param(
        {"0.services.0.memroy": "256m"},
        ["apps[0] 'shop': services[0].memroy: is not a field of a service (did you mean 'memory'?)"],
        id="unknown field, near",
    ),
    pytest.param(
        {"0.services.0.memory": GONE, "0.services.0.memroy": "256m"},
        ["apps[0] 'shop': services[0].memroy: is not a field of a service (did you mean 'memory'?)"],
        id="unknown field, meant",
    ),
    pytest.param(
        {"1.colour": "red"},
        [
            "apps[1] 'blog': colour: is not a field of an app (known: name, domains, runtime, release, source, "
            "strategy, rpo, rto, services, databases, env, secrets, headers)"
        ],
        id="unknown field, far",
    ),
    pytest.param(
        {"0.services.0.environment": {"A": "b"}},
        ["apps[0] 'shop': services[0].environment: is not a field of a service (did you mean 'env'?)"],
        id="unknown field, of compose",
    ),
    pytest.param(
        {"0.rpo": "6h"},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '*-*-* 02:00:00 UTC' leaves 24h between two backups, more "
            "than the rpo of 6h (back up more often, or promise less)",
            "apps[0] 'shop': databases[1].backup.schedule: '*-*-* 02:00:00 UTC' leaves 24h between two backups, more "
            "than the rpo of 6h (back up more often, or promise less)",
        ],
        id="schedule that cannot hold the rpo",
    ),
    pytest.param(
        {"0.rpo": "24h", "0.databases.0.backup": {"enabled": False}, "0.databases.1.backup": {"schedule": "Sun 03:30"}},
        [
            "apps[0] 'shop': databases[0].backup.enabled: is off, and the app promises an rpo of 24h "
            "(leave either out)",
            "apps[0] 'shop': databases[1].backup.schedule: 'Sun 03:30' leaves 7d between two backups, more than the "
            "rpo of 24h (back up more often, or promise less)",
        ],
        id="no backup that could hold the rpo",
    ),
    pytest.param(
        {"0.rpo": "24h", "0.databases.1.backup": {"schedule": "*-*-* 00/12:00:00"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '*-*-* 02:00:00 UTC' leaves 24h between two backups, as "
            "much as the rpo of 24h, and a backup takes its time (back up more often, or promise less)",
        ],
        id="schedule that holds the rpo but for the time that a backup takes",
    ),
    pytest.param(
        {
            "0.rpo": "6h",
            "0.databases.0.backup": {"schedule": "hourly"},
            "0.databases.1.backup": {"schedule": "hourly"},
            "0.services.0.volumes": [
                {"name": "uploads", "path": "/uploads"},
                {"name": "scratch", "path": "/scratch", "backup": {"enabled": False}},
            ],
            "0.services.1.volumes": [
                {"name": "uploads", "path": "/uploads"},
                {"name": "often", "path": "/often", "backup": {"schedule": "hourly"}},
            ],
        },
        [
            "apps[0] 'shop': services[0].volumes[0].backup.schedule: '*-*-* 03:00:00 UTC' leaves 24h between two "
            "backups, more than the rpo of 6h (back up more often, or promise less)",
        ],
        id="volume whose schedule cannot hold the rpo",
    ),
    pytest.param(
        {"1.rto": "15m"},
        [
            "apps[1] 'blog': rto: 15m is held against drills, which bring back databases that run here, and this app "
            "has none (leave it out)",
        ],
        id="rto that nothing can measure",
    ),
    pytest.param(
        {"0.rpo": "1 day", "0.rto": "30s", "1.rto": "900d"},
        [
            "apps[0] 'shop': rpo: '1 day' is not a time (try '24h')",
            "apps[0] 'shop': rto: '30s' is not a time (such as '15m', '6h' or '7d')",
            "apps[1] 'blog': rto: '900d' is out of range: from '1m' to '366d'",
        ],
        id="objectives that are no times",
    ),
    pytest.param(
        {"0.services.0.replicas": 2},
        ["apps[0] 'shop': services[0].replicas: is not a field of a service (a service runs once per slot)"],
        id="unknown field, replicas",
    ),
    pytest.param(
        {"0.services.1.depends_on": ["db"]},
        [
            "apps[0] 'shop': services[1].depends_on: is not a field of a service (services start together; health "
            "decides when a release is live)"
        ],
        id="unknown field, depends_on",
    ),
    pytest.param(
        {"1.services.0.7": 1},
        [
            "apps[1] 'blog': services[0].7: is not a field of a service (known: name, image, command, static, port, "
            "memory, memory_reservation, cpus, pids, user, read_only, tmpfs, capabilities, env, secrets, volumes, "
            "routes, health, metrics, rate_limits, singleton, run, stop_timeout, ports)"
        ],
        id="key that is no string",
    ),
    pytest.param(
        {"0.services.1.secrets": ["TOKE", "NOTHING-LIKE-IT", "TOKEN", "TOKEN"], "1.services.0.secrets": ["X"]},
        [
            "apps[0] 'shop': services[1].secrets[1]: 'NOTHING-LIKE-IT' is not a name of an environment variable: "
            "letters, digits and '_', no digit first",
            "apps[0] 'shop': services[1].secrets[0]: 'TOKE' is not one of the app's secrets (did you mean 'TOKEN'?)",
            "apps[0] 'shop': services[1].secrets[3]: 'TOKEN' is also services[1].secrets[2]",
            "apps[1] 'blog': services[0].secrets[0]: 'X' is not one of the app's secrets (there are: none)",
        ],
        id="secrets that are not there",
    ),
    pytest.param(
        {"0.name": GONE}, ["apps[0]: name: is missing: name, unique on the server (such as 'snippetly')"], id="no name"
    ),
    pytest.param(
        {"0.release": GONE},
        [
            "apps[0] 'shop': release: is missing: tag of every service's image that has none of its own (such as "
            "'v1.4.2')"
        ],
        id="no release",
    ),
    pytest.param(
        {"0.release": 1.1},
        ["apps[0] 'shop': release: 1.1 is a number, not a string (write \"1.1\" in quotes)"],
        id="release is a number",
    ),
    pytest.param(
        {"0.release": "latest"},
        ["apps[0] 'shop': release: 'latest' names another image every day and cannot be rolled back (name a version)"],
        id="release latest",
    ),
    pytest.param(
        {"0.release": "feature/x"},
        ["apps[0] 'shop': release: 'feature/x' is not a tag: letters, digits, '_', '.' and '-', at most 128"],
        id="release with a slash",
    ),
    pytest.param(
        {"1.name": "My Blog"},
        [
            "apps[1] 'My Blog': name: 'My Blog' is not a name: lower-case letters, digits and '-', a letter first, at "
            "most 31 (try 'my-blog')"
        ],
        id="name with capitals",
    ),
    pytest.param(
        {"1.name": "shop-data"},
        ["apps[1] 'shop-data': name: 'shop-data' ends like a Compose project of its own (not -data, -blue, -green)"],
        id="name ends in -data",
    ),
    pytest.param({"1.name": ["blog"]}, ["apps[1]: name: a list is not a string"], id="name is a list"),
    pytest.param({"1": "blog"}, ["apps[1]: is a string, not a mapping of app fields"], id="app is a string"),
    pytest.param(
        {"0.runtime": "kubernetes"},
        ["apps[0] 'shop': runtime: 'kubernetes' is not one of compose, systemd"],
        id="runtime to come",
    ),
    pytest.param(
        {"0.strategy": "canary"},
        ["apps[0] 'shop': strategy: 'canary' is not one of blue_green, recreate"],
        id="strategy to come",
    ),
    pytest.param(
        {"1.services": GONE}, ["apps[1] 'blog': services: is missing: what the app consists of"], id="services missing"
    ),
    pytest.param(
        {"1.services": [], "1.domains": []},
        ["apps[1] 'blog': services: is empty (an app has at least one service)"],
        id="services empty",
    ),
    pytest.param(
        {"1.services": {"web": {}}},
        ["apps[1] 'blog': services: is a mapping, not a list (begin each service with '-')"],
        id="services a mapping",
    ),
    pytest.param(
        {"1.services.0": "web"},
        ["apps[1] 'blog': services[0]: is a string, not a mapping of service fields"],
        id="service a string",
    ),
    pytest.param(
        {"1.services.0": {"name": "m", "image": "x/y", "memory": "64m", "run": "before_release"}, "1.domains": []},
        ["apps[1] 'blog': services: nothing is left running, all have run: before_release"],
        id="only migrations",
    ),
    pytest.param(
        {"1.domains.0": "https://blog.example/"},
        ["apps[1] 'blog': domains[0]: 'https://blog.example/' is not a host name (try 'blog.example')"],
        id="domain with scheme",
    ),
    pytest.param(
        {"1.domains.0": "Blog.Example"},
        ["apps[1] 'blog': domains[0]: 'Blog.Example' is not a host name (try 'blog.example')"],
        id="domain with capitals",
    ),
    pytest.param(
        {"1.domains.0": "bücher.example"},
        ["apps[1] 'blog': domains[0]: 'bücher.example' is not an ASCII host name (try 'xn--bcher-kva.example')"],
        id="domain not ASCII",
    ),
    pytest.param(
        {"1.domains.0": "*.blog.example"},
        [
            "apps[1] 'blog': domains[0]: '*.blog.example' is a wildcard, to which nobody can be redirected (put a name "
            "before it)"
        ],
        id="domain wildcard first",
    ),
    pytest.param(
        {"1.domains": ["blog.example", "*.blog.example", "www.blog.example"]},
        [
            "apps[1] 'blog': domains[2]: 'www.blog.example' is also in '*.blog.example', and no certificate may hold "
            "both (leave one out)"
        ],
        id="domain in a wildcard",
    ),
    pytest.param(
        {"1.domains": ["blog.example", "*.*.blog.example"]},
        ["apps[1] 'blog': domains[1]: '*.blog.example' is not a host name"],
        id="domain with two wildcards",
    ),
    pytest.param(
        {"1.domains.0": "203.0.113.7"},
        ["apps[1] 'blog': domains[0]: '203.0.113.7' is not a host name (an address cannot get a certificate by name)"],
        id="domain an address",
    ),
    pytest.param(
        {"1.domains.0": "blog"},
        ["apps[1] 'blog': domains[0]: 'blog' is not a public host name (it needs a dot, such as 'shop.example')"],
        id="domain without dot",
    ),
    pytest.param(
        {"1.domains.0": "my_blog.example"},
        ["apps[1] 'blog': domains[0]: 'my_blog.example' is not a host name"],
        id="domain with underscore",
    ),
    pytest.param(
        {"1.domains": "blog.example"},
        ["apps[1] 'blog': domains: 'blog.example' is not a list (try [blog.example])"],
        id="domains a string",
    ),
    pytest.param(
        {"1.domains": "\n"},
        ["apps[1] 'blog': domains: '\\n' is not a list"],
        id="domains a line break",
    ),
    pytest.param(
        {"1.domains.0": "www.shop.example"},
        ["apps[1] 'blog': domains[0]: 'www.shop.example' is also a domain of apps[0] 'shop'"],
        id="domain of two apps",
    ),
    pytest.param(
        {"1.domains": ["blog.example", "blog.example"]},
        ["apps[1] 'blog': domains[1]: 'blog.example' is listed twice"],
        id="domain twice",
    ),
    pytest.param(
        {"1.services.0.routes": []},
        ["apps[1] 'blog': domains: no service has a route (add routes: [/] to the one that serves them)"],
        id="domains without route",
    ),
    pytest.param(
        {"1.domains": []},
        ["apps[1] 'blog': services[0].routes: the app has no domains to be reached by (add domains)"],
        id="routes without domain",
    ),
    pytest.param(
        {"0.services.1.routes.0": "api/"},
        ["apps[0] 'shop': services[1].routes[0]: 'api/' is not a path of a URL (try '/api/')"],
        id="route without slash",
    ),
    pytest.param(
        {"0.services.1.routes.0": "/api/*"},
        ["apps[0] 'shop': services[1].routes[0]: '/api/*' is not a path of a URL (try '/api/')"],
        id="route with star",
    ),
    pytest.param(
        {"0.services.0.routes": "/"},
        ["apps[0] 'shop': services[0].routes: '/' is not a list (try [/])"],
        id="route a string",
    ),
    pytest.param(
        {"0.services.1.routes": ["/api/", "/"]},
        ["apps[0] 'shop': services[1].routes[1]: '/' is already claimed by services[0].routes[0]"],
        id="route claimed twice",
    ),
    pytest.param(
        {"0.services.1.routes": ["/api/", "/.well-known/acme-challenge/"]},
        [
            "apps[0] 'shop': services[1].routes[1]: '/.well-known/acme-challenge/' belongs to certbot, which answers "
            "challenges there"
        ],
        id="route of ACME",
    ),
    pytest.param(
        {"1.services.0.routes": ["/{id}"]},
        [
            "apps[1] 'blog': services[0].routes[0]: '/{id}' is not a path of a URL ('/' first, then letters, digits "
            "and '-._~+:@!,=/')"
        ],
        id="route with a brace",
    ),
    pytest.param(
        {"0.services.1.port": GONE},
        [
            "apps[0] 'shop': services[1].routes: needs a port (add port: the one that the service listens on)",
            "apps[0] 'shop': services[1].metrics: needs a port (add port: the one that the service listens on)",
            "apps[0] 'shop': services[1].health: needs a port (add port: the one that the service listens on)",
        ],
        id="no port",
    ),
    pytest.param(
        {"0.services.1.port": 80000},
        ["apps[0] 'shop': services[1].port: 80000 is not a port from 1 to 65535"],
        id="port too high",
    ),
    pytest.param(
        {"0.services.1.port": "8080:8000"},
        [
            "apps[0] 'shop': services[1].port: '8080:8000' is not a port from 1 to 65535 (the port inside the "
            "container only: try 8000)"
        ],
        id="port as published",
    ),
    pytest.param(
        {"0.services.1.port": True},
        ["apps[0] 'shop': services[1].port: true is not a port from 1 to 65535"],
        id="port a boolean",
    ),
    pytest.param(
        {"0.services.0.memory": "1 gib"},
        ["apps[0] 'shop': services[0].memory: '1 gib' is not a size (try '1g')"],
        id="size in words",
    ),
    pytest.param(
        {"0.services.0.memory": "1.5g"},
        ["apps[0] 'shop': services[0].memory: '1.5g' is not a size (try '1536m')"],
        id="size with fraction",
    ),
    pytest.param(
        {"0.services.0.memory": 512},
        ["apps[0] 'shop': services[0].memory: 512 bytes is less than '6m', the least that Docker takes (try '512m')"],
        id="size without unit",
    ),
    pytest.param(
        {"0.services.0.memory": "256M"},
        ["apps[0] 'shop': services[0].memory: '256M' is not a size (try '256m')"],
        id="size with capital",
    ),
    pytest.param(
        {"0.services.0.memory": "lots"},
        ["apps[0] 'shop': services[0].memory: 'lots' is not a size (such as '256m' or '1g')"],
        id="size of nothing",
    ),
    pytest.param(
        {"0.services.0.memory": "4m"},
        ["apps[0] 'shop': services[0].memory: '4m' is less than '6m', the least that Docker takes"],
        id="size too small",
    ),
    pytest.param(
        {"0.services.0.memory_reservation": "1g"},
        ["apps[0] 'shop': services[0].memory_reservation: 1g is more than the limit of 256m"],
        id="reservation above limit",
    ),
    pytest.param(
        {"0.services.0.cpus": "500m"},
        ["apps[0] 'shop': services[0].cpus: '500m' is not a number of CPUs (try 0.5)"],
        id="cpus as in kubernetes",
    ),
    pytest.param(
        {"0.services.0.cpus": 0},
        ["apps[0] 'shop': services[0].cpus: 0 is not a number of CPUs from 0.01 to 1024"],
        id="cpus of zero",
    ),
    pytest.param(
        {"0.services.0.pids": 0},
        ["apps[0] 'shop': services[0].pids: 0 is not a number of processes from 1 to 65536"],
        id="pids of zero",
    ),
    pytest.param(
        {"0.services.0.image": "registry.example/shop-web:latest"},
        [
            "apps[0] 'shop': services[0].image: 'registry.example/shop-web:latest': 'latest' names another image "
            "every day and cannot be rolled back (name a version)"
        ],
        id="image latest",
    ),
    pytest.param(
        {"0.services.0.image": "https://registry.example/shop-web"},
        ["apps[0] 'shop': services[0].image: holds '://': an image has no scheme (try 'registry.example/shop-web')"],
        id="image with scheme",
    ),
    pytest.param(
        {"0.services.0.image": "registry.example/Shop-Web"},
        [
            "apps[0] 'shop': services[0].image: 'registry.example/Shop-Web' is not an image reference (try "
            "'registry.example/shop-web')"
        ],
        id="image with capitals",
    ),
    pytest.param(
        {"0.services.2.image": "registry.example/shop-api:v0"},
        [
            "apps[0] 'shop': services[2].image: pins 'v0', while services[1] runs the same image at release 'v1' "
            "(leave the tag out)"
        ],
        id="image pinned beside the release",
    ),
    pytest.param(
        {"1.services.0.image": "registry.example/blog:v1"},
        ["apps[1] 'blog': release: 'v2' is used by no service: every image has a tag or digest of its own"],
        id="release nobody uses",
    ),
    pytest.param(
        {"0.services.2.command": "celery -A app beat"},
        ["apps[0] 'shop': services[2].command: 'celery -A app beat' is not a list (try [celery, -A, app, beat])"],
        id="command a string",
    ),
    pytest.param(
        {"0.services.2.command": ["run", True]},
        ["apps[0] 'shop': services[2].command[1]: true is a boolean, not a string (write it in quotes)"],
        id="command with a boolean",
    ),
    pytest.param(
        {"0.services.0.user": 60010},
        ["apps[0] 'shop': services[0].user: 60010 is a number (write it in quotes: '1000:1000')"],
        id="user a number",
    ),
    pytest.param(
        {"0.services.0.user": "nobody"},
        [
            "apps[0] 'shop': services[0].user: 'nobody' is not a numeric user (such as '65532:65532'; names differ "
            "between images)"
        ],
        id="user a name",
    ),
    pytest.param(
        {"0.services.0.read_only": "maybe"},
        ["apps[0] 'shop': services[0].read_only: 'maybe' is not a boolean (write true or false)"],
        id="boolean a word",
    ),
    pytest.param(
        {"0.services.0.tmpfs": ["var/cache"]},
        [
            "apps[0] 'shop': services[0].tmpfs[0]: 'var/cache' is not an absolute path inside the container (try "
            "'/var/cache')"
        ],
        id="tmpfs relative",
    ),
    pytest.param(
        {"0.services.0.capabilities": ["CAP_NET_BIND_SERVICE"]},
        [
            "apps[0] 'shop': services[0].capabilities[0]: 'CAP_NET_BIND_SERVICE' is not a capability (try "
            "'NET_BIND_SERVICE')"
        ],
        id="capability with prefix",
    ),
    pytest.param(
        {"0.services.0.capabilities": ["ALL"]},
        ["apps[0] 'shop': services[0].capabilities[0]: 'ALL' is not a capability (see capabilities(7))"],
        id="capability unknown",
    ),
    pytest.param(
        {"0.services.0.stop_timeout": "30"},
        ["apps[0] 'shop': services[0].stop_timeout: '30' is not a duration (try '30s')"],
        id="duration without unit",
    ),
    pytest.param(
        {"0.services.0.stop_timeout": "5 minutes"},
        ["apps[0] 'shop': services[0].stop_timeout: '5 minutes' is not a duration (try '5m')"],
        id="duration in words",
    ),
    pytest.param(
        {"0.services.0.stop_timeout": "48h"},
        ["apps[0] 'shop': services[0].stop_timeout: '48h' is out of range: from '1s' to '24h'"],
        id="duration too long",
    ),
    pytest.param(
        {"0.services.0.health": ["/"]},
        ["apps[0] 'shop': services[0].health: is a list, not a mapping of health fields or a path"],
        id="health a list",
    ),
    pytest.param(
        {"0.services.0.health": {"path": "/", "command": ["true"]}},
        ["apps[0] 'shop': services[0].health: has both a path and a command (keep one)"],
        id="health both",
    ),
    pytest.param(
        {"0.services.0.health": {"interval": "1s"}},
        ["apps[0] 'shop': services[0].health: has neither a path nor a command (add one)"],
        id="health neither",
    ),
    pytest.param(
        {"0.services.0.health": {"path": "/", "interval": "30s", "timeout": "10s"}},
        ["apps[0] 'shop': services[0].health.timeout: 10s is shorter than the interval of 30s"],
        id="health impatient",
    ),
    pytest.param(
        {"0.services.1.metrics": "/api/"},
        ["apps[0] 'shop': services[1].metrics: '/api/' is a route as well, and metrics are closed to the internet"],
        id="metrics a route",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0": {"path": "/api/", "rate": "2/h", "burst": 5}},
        [
            "apps[0] 'shop': services[1].rate_limits[0].burst: means nothing with '2/h', of which all 2 may come at "
            "once (leave it out)"
        ],
        id="burst of a rate per hour",
    ),
    pytest.param(
        {
            "0.headers": {"hsts": "max-age=63072000; preload"},
            "1.headers": {"hsts": "max-age=60; includeSubDomains; preload"},
        },
        [
            f"apps[{number}] '{name}': headers.hsts: the browsers' lists take no preload without the subdomains and a "
            "year (write 'max-age=63072000; includeSubDomains; preload')"
            for number, name in enumerate(("shop", "blog"))
        ],
        id="preload too weak",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0.rate": "2/0h"},
        ["apps[0] 'shop': services[1].rate_limits[0].rate: '2/0h' counts in no time at all (try '2/h')"],
        id="rate in no time",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0.rate": "2/32d"},
        [
            "apps[0] 'shop': services[1].rate_limits[0].rate: '2/32d' counts longer than 31 days, which nginx will not "
            "remember"
        ],
        id="rate in years",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0.rate": "10 requests per second"},
        ["apps[0] 'shop': services[1].rate_limits[0].rate: '10 requests per second' is not a rate (try '10/s')"],
        id="rate in words",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0.rate": "0/s"},
        ["apps[0] 'shop': services[1].rate_limits[0].rate: '0/s' lets nothing through (at least 1)"],
        id="rate of zero",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0.path": "/login"},
        [
            "apps[0] 'shop': services[1].rate_limits[0].path: '/login' is served by 'web' (routes of this service: "
            "/api/)"
        ],
        id="rate of another's route",
    ),
    pytest.param(
        {"0.services.0.routes": [], "0.services.1.rate_limits.0.path": "/login"},
        ["apps[0] 'shop': services[1].rate_limits[0].path: '/login' lies in no route (routes of this service: /api/)"],
        id="rate outside any route",
    ),
    pytest.param(
        {"0.services.1.rate_limits.+": {"path": "/api/", "rate": "1/s"}},
        [
            "apps[0] 'shop': services[1].rate_limits[1].path: '/api/' is already limited by "
            "services[1].rate_limits[0].path"
        ],
        id="rate twice",
    ),
    pytest.param(
        {"0.services.1.rate_limits.0": {"rate": "1/s"}},
        [
            "apps[0] 'shop': services[1].rate_limits[0].path: is missing: path prefix that is limited, inside a route "
            "of this service (such as '/api/v1/auth/')"
        ],
        id="rate without path",
    ),
    pytest.param(
        {"0.services.3.port": 80, "0.services.3.routes": ["/m"], "0.services.3.health": "/m"},
        [
            "apps[0] 'shop': services[3].port: means nothing with run: before_release",
            "apps[0] 'shop': services[3].routes: means nothing with run: before_release",
            "apps[0] 'shop': services[3].health: means nothing with run: before_release",
        ],
        id="migration with routes",
    ),
    pytest.param(
        {"0.services.1.singleton": True},
        [
            "apps[0] 'shop': services[1].singleton: has routes, which blue_green serves by two at once (use strategy: "
            "recreate)"
        ],
        id="singleton with routes",
    ),
    pytest.param(
        {"0.services.1.ports": {"blue": 20001, "green": 20001}},
        ["apps[0] 'shop': services[1].ports: blue and green are both 20001 (two slots run at once)"],
        id="ports equal",
    ),
    pytest.param(
        {"0.services.1.ports": {"blue": 8080, "green": 20001}},
        ["apps[0] 'shop': services[1].ports.blue: 8080 is not a loopback port from 20000 to 29999"],
        id="ports out of range",
    ),
    pytest.param(
        {"0.services.1.ports": {"blue": 20001}},
        [
            "apps[0] 'shop': services[1].ports.green: is missing: port on the server's loopback address for slot "
            "green (such as 20012)"
        ],
        id="ports half",
    ),
    pytest.param(
        {"0.services.2.ports": {"blue": 20001, "green": 20002}},
        ["apps[0] 'shop': services[2].ports: needs a port (add port: the one that the service listens on)"],
        id="ports without port",
    ),
    pytest.param(
        {"0.services.1.ports": {"blue": 20001, "green": 20002}, "1.services.0.ports": {"blue": 20002, "green": 20003}},
        [
            "apps[1] 'blog': services[0].ports.blue: 20002 is also a port of 'shop', service 'api' (set "
            "services[0].ports: {blue: …, green: …} to two free ports, 20000 to 29999)"
        ],
        id="ports clash, explicit",
    ),
    pytest.param(
        {
            "0.services.+": {"name": "web19", "image": "registry.example/shop-api", "port": 1, "memory": "64m"},
            "1.services.0.name": "api",
        },
        [
            "apps[1] 'blog': services[0].ports.green: 25459 is also a port of 'shop', service 'web19' (set "
            "services[0].ports: {blue: …, green: …} to two free ports, 20000 to 29999)"
        ],
        id="ports clash, derived",
    ),
    pytest.param(
        {"0.services.1.name": "web"},
        ["apps[0] 'shop': services[1].name: 'web' is also services[0].name"],
        id="service named twice",
    ),
    pytest.param(
        {"0.services.2.name": "db"},
        ["apps[0] 'shop': databases[0].name: 'db' is also services[2].name"],
        id="service named as a database",
    ),
    pytest.param(
        {"1.name": "shop"}, ["apps[1] 'shop': name: 'shop' is also the name of apps[0]"], id="app named twice"
    ),
    pytest.param(
        {"0.services.0.volumes": [{"name": "up", "path": "/tmp"}]},
        ["apps[0] 'shop': services[0].volumes[0].path: '/tmp' is already mounted by services[0].tmpfs"],
        id="volume over tmpfs",
    ),
    pytest.param(
        {"0.services.0.volumes": [{"name": "db", "path": "/data"}]},
        ["apps[0] 'shop': services[0].volumes[0].name: 'db' is the directory of a database"],
        id="volume named as a database",
    ),
    pytest.param(
        {"0.services.0.volumes": [{"path": "/data"}]},
        [
            "apps[0] 'shop': services[0].volumes[0].name: is missing: directory /opt/app-data/<app>/<name> (such as "
            "'uploads')"
        ],
        id="volume without a name",
    ),
    pytest.param(
        {"0.services.0.volumes": [{"name": "up", "path": "/"}]},
        ["apps[0] 'shop': services[0].volumes[0].path: '/' is not an absolute path inside the container"],
        id="volume at the root",
    ),
    pytest.param(
        {"0.databases.0.memory": GONE},
        ["apps[0] 'shop': databases[0].memory: is missing: memory limit (such as '512m')"],
        id="database without a limit",
    ),
    pytest.param(
        {"0.databases.0.external": "db.example.net"},
        [
            "apps[0] 'shop': databases[0].memory: means nothing for a database that does not run here (leave it out)",
        ],
        id="limit of a database elsewhere",
    ),
    pytest.param(
        {"0.databases.0.external": {"tls": True}, "0.databases.0.memory": GONE},
        ["apps[0] 'shop': databases[0].external: has neither a host nor a socket (name one)"],
        id="external without a place",
    ),
    pytest.param(
        {"0.databases.0.external": {"host": "a", "socket": "/run/x"}, "0.databases.0.memory": GONE},
        ["apps[0] 'shop': databases[0].external: has both a host and a socket (keep one)"],
        id="external with two places",
    ),
    pytest.param(
        {"0.databases.0.external": "postgres://u@db.example.net:5432/x", "0.databases.0.memory": GONE},
        [
            "apps[0] 'shop': databases[0].external.host: 'postgres://u@db.example.net:5432/x' is not a host name or an "
            "address (try 'db.example.net')"
        ],
        id="external by a URL",
    ),
    pytest.param(
        {"0.databases.0.engine": "mariadb", "0.databases.0.user": "root"},
        ["apps[0] 'shop': databases[0].user: 'root' may do everything, and backups use it (name another)"],
        id="root for an app",
    ),
    pytest.param(
        {
            "0.services.0.volumes": [{"name": "up", "path": "/up"}],
            "0.services.1.volumes": [{"name": "up", "path": "/up", "backup": {"enabled": False}}],
        },
        [
            "apps[0] 'shop': services[1].volumes[0].backup: is not what services[0].volumes[0].backup says of the same "
            "volume (say the same)"
        ],
        id="two backups of one volume",
    ),
    pytest.param(
        {"0.name": "server", "0.databases.0.name": "state"},
        [
            "apps[0] 'server': databases[0].name: its backup job would be 'server-state', as the server's own is "
            "(rename it)"
        ],
        id="job of the server's own",
    ),
    pytest.param(
        {"0.databases.0.engine": "postgres"},
        [
            "apps[0] 'shop': databases[0].engine: 'postgres' is not one of postgresql, mysql, mariadb, mongodb, "
            "redis (did you mean 'postgresql'?)"
        ],
        id="engine unknown",
    ),
    pytest.param(
        {"0.databases.0.version": 16},
        ["apps[0] 'shop': databases[0].version: 16 is a number, not a string (write \"16\" in quotes)"],
        id="version a number",
    ),
    pytest.param(
        {"0.databases.0.version": "latest"},
        [
            "apps[0] 'shop': databases[0].version: 'latest' names another image every day and cannot be rolled back "
            "(name a version)"
        ],
        id="version latest",
    ),
    pytest.param(
        {"0.databases.0.password": GONE},
        ["apps[0] 'shop': databases[0].password: is missing: password of at least 12 characters, from Ansible Vault"],
        id="password missing",
    ),
    pytest.param(
        {"0.databases.0.password": None},
        ["apps[0] 'shop': databases[0].password: is missing: password of at least 12 characters, from Ansible Vault"],
        id="password null",
    ),
    pytest.param(
        {"0.databases.0.password": ""},
        ["apps[0] 'shop': databases[0].password: is empty, and needs at least 12 (try: openssl rand -hex 24)"],
        id="password empty",
    ),
    pytest.param(
        {"0.databases.0.password": "hunter2hunt"},
        ["apps[0] 'shop': databases[0].password: has 11 characters, and needs at least 12 (try: openssl rand -hex 24)"],
        id="password short",
    ),
    pytest.param(
        {"0.databases.0.password": 123456789012},
        ["apps[0] 'shop': databases[0].password: is a number, not a string (quote it)"],
        id="password a number",
    ),
    pytest.param(
        {"0.databases.0.password": "$ANSIBLE_VAULT;1.1;AES256\n6162"},
        ["apps[0] 'shop': databases[0].password: is still encrypted (write it with the tag !vault)"],
        id="password still encrypted",
    ),
    pytest.param(
        {"0.secrets": {"TOKEN": "ENC[AES256_GCM,data:abc=,iv:def=,tag:ghi==,type:str]"}},
        [
            "apps[0] 'shop': secrets.TOKEN: is still encrypted by SOPS (enable its vars plugin: docs/secrets.md)",
        ],
        id="secret still encrypted by SOPS",
    ),
    pytest.param(
        {"0.databases.0.password": "change-me-please-now"},
        ["apps[0] 'shop': databases[0].password: still is the placeholder of vault.yml.example (write a real one)"],
        id="password still the placeholder",
    ),
    pytest.param(
        {"0.databases.1.user": "shop"},
        ["apps[0] 'shop': databases[1].user: redis has none (leave it out)"],
        id="redis with a user",
    ),
    pytest.param(
        {"0.databases.0.user": "shop user"},
        [
            "apps[0] 'shop': databases[0].user: 'shop user' is not an identifier: letters, digits, '_' and '-', a "
            "letter first, at most 63"
        ],
        id="database user with a space",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "0 2 * * *"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '0 2 * * *' is not a calendar schedule (it looks like "
            "cron: try '*-*-* 02:00:00 UTC')"
        ],
        id="schedule as cron",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "30 3 * * 0"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '30 3 * * 0' is not a calendar schedule (it looks like "
            "cron: try 'Sun *-*-* 03:30:00 UTC')"
        ],
        id="schedule as cron on sundays",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "@daily"}},
        ["apps[0] 'shop': databases[0].backup.schedule: '@daily' is not a calendar schedule (try 'daily')"],
        id="schedule as cron word",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "every 6 hours"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: 'every 6 hours' is not a calendar schedule (try '*-*-* "
            "00/6:00:00 UTC')"
        ],
        id="schedule as interval",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "*-*-* 25:00:00"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '*-*-* 25:00:00' is not a calendar schedule (no hour 25; "
            "such as '*-*-* 02:00:00 UTC' or 'Sun 03:30')"
        ],
        id="schedule with hour 25",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "*-02-30 02:00"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: '*-02-30 02:00' never comes round (such as '*-*-* 02:00:00 "
            "UTC' or 'Sun 03:30')"
        ],
        id="schedule that never comes",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": "Sat..Mon 02:00"}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: 'Sat..Mon 02:00' is not a calendar schedule ('Sat..Mon' "
            "runs backwards; such as '*-*-* 02:00:00 UTC' or 'Sun 03:30')"
        ],
        id="schedule backwards",
    ),
    pytest.param(
        {"0.databases.0.backup": {"schedule": 2}},
        [
            "apps[0] 'shop': databases[0].backup.schedule: 2 is not a calendar schedule (such as '*-*-* 02:00:00 UTC' "
            "or 'Sun 03:30')"
        ],
        id="schedule a number",
    ),
    pytest.param(
        {"0.databases.0.backup": {"keep_local": 0}},
        ["apps[0] 'shop': databases[0].backup.keep_local: 0 is not a number of days from 1 to 3650"],
        id="keep_local of zero",
    ),
    pytest.param(
        {"0.databases.0.backup": False},
        ["apps[0] 'shop': databases[0].backup: is a boolean, not a mapping of backup fields (try {enabled: false})"],
        id="backup false",
    ),
    pytest.param(
        {"0.env": {"LOG-LEVEL": "info"}},
        [
            "apps[0] 'shop': env: 'LOG-LEVEL' is not a name of an environment variable: letters, digits and '_', no "
            "digit first"
        ],
        id="env with a bad key",
    ),
    pytest.param(
        {"0.env": {"HOSTS": ["a", "b"]}}, ["apps[0] 'shop': env.HOSTS: is a list, not a string"], id="env with a list"
    ),
    pytest.param(
        {"0.env": {"HOSTS": None}},
        ["apps[0] 'shop': env.HOSTS: is empty (write '' for an empty string)"],
        id="env empty",
    ),
    pytest.param(
        {"0.env": ["A=b"]}, ["apps[0] 'shop': env: is a list, not a mapping (write KEY: value)"], id="env a list"
    ),
    pytest.param(
        {"0.env": {"TOKEN": "x"}},
        ["apps[0] 'shop': env.TOKEN: is in secrets as well (keep it in secrets only)"],
        id="env also secret",
    ),
    pytest.param(
        {"0.env": {"DATABASE_URL": f"postgresql://shop:{PASSWORD}@db/shop"}},
        ["apps[0] 'shop': env.DATABASE_URL: holds the password of databases[0] (move it to secrets)"],
        id="env holds a password",
    ),
    pytest.param(
        {"0.services.1.command": ["serve", "--token=a-long-enough-token"]},
        ["apps[0] 'shop': services[1].command[1]: holds secrets.TOKEN (move it to secrets)"],
        id="command holds a secret",
    ),
    pytest.param({"0.secrets": {"TOKEN": ""}}, ["apps[0] 'shop': secrets.TOKEN: is empty"], id="secret empty"),
    pytest.param({"0.secrets": {"TOKEN": None}}, ["apps[0] 'shop': secrets.TOKEN: is empty"], id="secret null"),
    pytest.param(
        {"0.secrets": {"TOKEN": {"value": "very-secret"}}},
        ["apps[0] 'shop': secrets.TOKEN: is a mapping, not a string"],
        id="secret a mapping",
    ),
    pytest.param(
        {"0.secrets": {"TOKEN": "CHANGE_ME"}},
        ["apps[0] 'shop': secrets.TOKEN: still is the placeholder of vault.yml.example (write a real one)"],
        id="secret a placeholder",
    ),
    pytest.param(
        {"0.services.1.memory": "1 gib", "0.domains.1": "SHOP.example", "1.release": GONE, "1.services.0.port": "http"},
        [
            "apps[0] 'shop': domains[1]: 'SHOP.example' is not a host name (try 'shop.example')",
            "apps[0] 'shop': services[1].memory: '1 gib' is not a size (try '1g')",
            "apps[1] 'blog': release: is missing: tag of every service's image that has none of its own (such as "
            "'v1.4.2')",
            "apps[1] 'blog': services[0].port: 'http' is not a port from 1 to 65535",
        ],
        id="several at once, in order",
    ),
    pytest.param(
        {"0.headers": {"csp": 'default-src "self"'}},
        [
            "apps[0] 'shop': headers.csp: 'default-src \"self\"' is not a header's value: printable ASCII without "
            "'\"', '\\' and '$'"
        ],
        id="header with a quote",
    ),
    pytest.param(
        {
            "0.databases.0.name": "x-db",
            "1.name": "shop-x",
            "1.databases": [{"name": "db", "engine": "redis", "version": "7", "memory": "64m", "password": PASSWORD}],
        },
        [
            "apps[1] 'shop-x': databases[0].name: its backup job would be 'shop-x-db', as one of apps[0] 'shop' is "
            "(rename either)"
        ],
        id="backup jobs of one name",
    ),
]


@pytest.mark.parametrize(("changes", "messages"), BROKEN)
def test_broken_apps(changes: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        load(apps(changes))
    assert caught.value.errors == messages


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(None, "apps: is nothing, not a list of apps (begin each with '- name: …')", id="nothing"),
        pytest.param({}, "apps: is a mapping, not a list of apps (begin each with '- name: …')", id="mapping"),
        pytest.param("shop", "apps: is a string, not a list of apps (begin each with '- name: …')", id="string"),
        pytest.param([None], "apps[0]: is nothing, not a mapping of app fields", id="list of nothing"),
    ],
)
def test_what_is_no_list_of_apps(raw: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(raw)
    assert caught.value.errors == [message]


SERVERS = [
    pytest.param({"memory": "8g", "cpus": 2}, [], id="large enough"),
    pytest.param({"memory": "3328m", "cpus": 1}, [], id="just large enough"),
    pytest.param(
        {"memory": "3327m", "cpus": 1},
        [
            "server.memory: 3327m is less than 3.25g, the sum of 1.5g for apps and databases, 768m more while 'shop' "
            "is "
            "released, 1g reserved (lower limits, use strategy: recreate, or take a larger server)"
        ],
        id="a megabyte short",
    ),
    pytest.param({"memory": "2496m", "cpus": 1, "reserved": "192m"}, [], id="with less reserved"),
    pytest.param(
        {},
        [
            "server.memory: is missing: memory of the server (such as '8g')",
            "server.cpus: is missing: CPUs of the server (such as 2)",
        ],
        id="empty",
    ),
    pytest.param(
        {"memory": "8 GB", "cpus": "many"},
        [
            "server.memory: '8 GB' is not a size (try '8g')",
            "server.cpus: 'many' is not a number of CPUs from 0.01 to 1024 (such as 0.5)",
        ],
        id="wrong types",
    ),
    pytest.param(
        {"ram": "8g", "memory": "8g", "cpus": 2},
        ["server.ram: is not a field of a server (known: memory, cpus, reserved)"],
        id="unknown field",
    ),
    pytest.param("8g", ["server: is a string, not a mapping of server fields"], id="string"),
]


@pytest.mark.parametrize(("server", "messages"), SERVERS)
def test_server(server: Any, messages: list[str]) -> None:
    try:
        load(apps(), server)
        errors = []
    except ModelError as error:
        errors = error.errors
    assert errors == messages


def test_one_limit_of_cpus_is_above_the_server_s() -> None:
    with pytest.raises(ModelError) as caught:
        load(apps({"0.services.0.cpus": 1.5, "0.databases.0.cpus": 4}), {"memory": "8g", "cpus": 1})
    assert caught.value.errors == [
        "apps[0] 'shop': services[0].cpus: 1.5 is more than the server's 1",
        "apps[0] 'shop': databases[0].cpus: 4 is more than the server's 1",
    ]


RATES = {"0.services.1.rate_limits": [{"path": "/api/", "rate": "10/s"}, {"path": "/api/reset", "rate": "2/h"}]}


@pytest.mark.parametrize(
    ("changes", "system", "errors"),
    [
        pytest.param({}, "Debian 12", [], id="nothing that it lacks"),
        pytest.param(RATES, "Debian 13.1", [], id="new enough"),
        pytest.param(RATES, None, [], id="not known"),
        pytest.param(
            RATES,
            "Debian 12.13",
            [
                "apps[0] 'shop': services[1].rate_limits[1].rate: '2/h' needs njs 0.8, which Debian 12.13 does not "
                "have (write '1/m', or take a server with Debian 13)"
            ],
            id="too old",
        ),
        pytest.param(
            {"0.services.1.rate_limits.0.rate": "100/15m"},
            "Ubuntu 22.04",
            [
                "apps[0] 'shop': services[1].rate_limits[0].rate: '100/15m' needs njs 0.8, which Ubuntu 22.04 does not "
                "have (write '7/m', or take a server with Debian 13)"
            ],
            id="too old for several minutes",
        ),
    ],
)
def test_what_a_distribution_lacks(changes: dict[str, Any], system: str | None, errors: list[str]) -> None:
    try:
        load(apps(changes), system=system)
    except ModelError as error:
        assert error.errors == errors
    else:
        assert not errors


def test_recreate_needs_no_second_slot() -> None:
    server = {"memory": "2688m", "cpus": 1}
    with pytest.raises(ModelError):
        load(apps({"1.strategy": "recreate"}), server)
    assert load(apps({"0.strategy": "recreate", "1.strategy": "recreate"}), server)


def test_the_portfolio_does_not_fit_its_droplet() -> None:
    """Row 1-08: three containers with their databases within 2 GB, 662 MB of which the seed needs for the system."""
    portfolio = [
        {
            "name": name,
            "domains": [f"{name}.example"],
            "release": "v1",
            "strategy": "recreate",
            "services": [{"name": "web", "image": f"x/{name}", "port": 80, "memory": "384m", "routes": ["/"]}],
            "databases": [
                {"name": "db", "engine": "postgresql", "version": "16", "memory": "384m", "password": PASSWORD}
            ],
        }
        for name in ("recipe", "bookfinder")
    ]
    with pytest.raises(ModelError) as caught:
        load(portfolio, {"memory": "2g", "cpus": 1, "reserved": "662m"})
    assert caught.value.errors == [
        "server.memory: 2g is less than 2198m, the sum of 1.5g for apps and databases, 662m reserved "
        "(lower limits, use strategy: recreate, or take a larger server)"
    ]


def test_errors_hold_no_secret() -> None:
    """Wherever somebody puts one by mistake."""
    secret = "s3cr3t-that-nobody-may-read"
    places = [
        "0.name",
        "0.release",
        "0.services.0.image",
        "0.services.0.routes.0",
        "0.services.0.memory",
        "1.domains.0",
        "0.runtime",
    ]
    changes: dict[str, Any] = dict.fromkeys(places, f"{secret} !")
    changes |= {"0.secrets.TOKEN": secret, "0.databases.0.password": secret, "0.env.TOKEN": secret}
    with pytest.raises(ModelError) as caught:
        load(apps(changes))
    assert len(caught.value.errors) >= len(places)
    assert secret not in str(caught.value)


def test_values_of_env_are_not_quoted() -> None:
    with pytest.raises(ModelError) as caught:
        load(apps({"0.env": {"DATABASE_URL": ["postgresql://shop:hunter2@db"], "X": "hunter2\0"}}))
    assert "hunter2" not in str(caught.value)


def test_input_is_left_alone() -> None:
    given = apps()
    load(given)
    assert given == apps() and given[0] == SHOP
