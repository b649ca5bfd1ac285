# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model as data: what may be written, of which type, with which default.

Validation, defaults, the documentation of ``validate_apps`` and ``docs/apps.md`` are all derived from these tables.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from . import types
from .schedule import schedule


@dataclass(frozen=True)
class Scalar:
    """One value. ``parse`` returns its normal form or raises ``ValueError``; ``ansible`` is its documented type."""

    title: str
    parse: Callable[[object], object]
    ansible: str = "str"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListOf:
    """A list of one type; ``hint`` may say what a value that is no list should have been."""

    item: Scalar | Struct
    hint: Callable[[object], str | None] = lambda value: None


@dataclass(frozen=True)
class MapOf:
    """A mapping of free keys. Its values are never quoted in errors."""

    key: Scalar
    value: Scalar


@dataclass(frozen=True)
class Struct:
    """A mapping of known fields. With ``shorthand`` a plain value stands for a mapping of that one field."""

    title: str
    fields: tuple[Field, ...]
    shorthand: str | None = None

    def field(self, name: str) -> Field | None:
        """Return the field of that name."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True)
class Field:
    """One field. ``default`` is written as a user would; ``derived`` says in words what fills an absent one."""

    name: str
    type: Scalar | ListOf | MapOf | Struct
    description: str
    default: object = None
    required: bool = False
    derived: str = ""
    example: object = None


@dataclass(frozen=True)
class Engine:
    """What differs between database engines."""

    image: str
    file_prefix: str
    has_users: bool
    port: int
    # How much may be gone from one backup to the next, in percent.
    max_drop: int = 50
    # Who makes backups, where that is not the database's own user.
    backup_user: str = ""


ENGINES = {
    "postgresql": Engine(image="postgres", file_prefix="pg-backup", has_users=True, port=5432),
    "mysql": Engine(image="mysql", file_prefix="mysql-backup", has_users=True, port=3306, backup_user="root"),
    "mariadb": Engine(image="mariadb", file_prefix="mariadb-backup", has_users=True, port=3306, backup_user="root"),
    "mongodb": Engine(image="mongo", file_prefix="mongo-backup", has_users=True, port=27017),
    # What is in queues and caches comes and goes.
    "redis": Engine(image="redis", file_prefix="redis-backup", has_users=False, port=6379, max_drop=100),
}


def choice(*choices: str) -> Scalar:
    """Return a type of which only the given words are values."""

    def parse(value: object) -> str:
        value = types.plain(value)
        if isinstance(value, str) and value in choices:
            return value
        if len(choices) == 1:
            raise ValueError(f"{types.shown(value)} is not '{choices[0]}', the only choice so far")
        near = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"{types.shown(value)} is not one of {', '.join(choices)}{hint}")

    return Scalar("choice", parse, choices=choices)


BOOLEAN = Scalar("boolean", types.boolean, "bool")
CPUS = Scalar("number", types.cpus, "float")
DURATION = Scalar("duration", types.duration)
PROMISE = Scalar("time", types.promise)
ENV_KEY = Scalar("variable name", types.env_key)
FILE_PATH = Scalar("file path", types.file_path)
IDENTIFIER = Scalar("identifier", types.identifier)
IMAGE = Scalar("image", types.image)
NAME = Scalar("name", types.name)
SIZE = Scalar("size", types.size)
TAG = Scalar("tag", types.tag)
URL_PATH = Scalar("path", types.url_path)
LOOPBACK_PORT = Scalar("loopback port", types.loopback_port, "int")
HEADER = Scalar("header value", types.header)
TREE_PATH = Scalar("path in the release", types.tree_path)
COMMAND = ListOf(Scalar("argument", types.argument), types.command_hint)
ENV = MapOf(ENV_KEY, Scalar("string", types.env_value))
SECRETS = MapOf(ENV_KEY, Scalar("secret", types.secret))

HEALTH = Struct(
    "health",
    shorthand="path",
    fields=(
        Field(
            "path",
            URL_PATH,
            "Path that answers 2xx or 3xx when the service is well. Needs C(port). Either this or C(command).",
            example="/api/health",
        ),
        Field(
            "command",
            COMMAND,
            "Command inside the container that exits 0 when the service is well.",
            example=["celery", "inspect", "ping"],
        ),
        Field("interval", DURATION, "Time between two checks.", default="2s"),
        Field("timeout", DURATION, "Time in which a new release must become well, or it is refused.", default="60s"),
    ),
)

RATE_LIMIT = Struct(
    "rate limit",
    fields=(
        Field(
            "path",
            URL_PATH,
            "Path prefix that is limited, inside a route of this service.",
            required=True,
            example="/api/v1/auth/",
        ),
        Field("rate", Scalar("rate", types.rate), "Requests that one client may make.", required=True, example="5/m"),
        Field(
            "burst",
            Scalar("number", types.burst, "int"),
            "Requests beyond the rate that are answered at once instead of refused.",
            derived="one less than the rate's count, so that the whole count may come at once",
            example=20,
        ),
    ),
)


def backup(what: str, schedule_default: str, max_drop: str) -> Struct:
    """Return the fields of a backup of ``what``."""
    return Struct(
        "backup",
        fields=(
            Field("enabled", BOOLEAN, "Whether it is backed up.", default=True),
            Field(
                "schedule",
                Scalar("schedule", schedule),
                "When, as systemd's OnCalendar. Name the zone: without one it is the server's.",
                default=schedule_default,
            ),
            Field("keep_local", Scalar("days", types.days, "int"), "Days that copies stay on the server.", default=7),
            Field(
                "max_drop",
                Scalar("percent", types.percent, "int"),
                f"How much of {what} may be gone from one backup to the next, in percent, before the new one counts "
                "as bad until somebody acknowledges it. V(100) lets everything pass.",
                derived=max_drop,
            ),
        ),
    )


BACKUP = backup("its bytes or rows", "*-*-* 02:00:00 UTC", "V(50); V(100) for Redis, whose keys come and go")
VOLUME_BACKUP = backup("its bytes", "*-*-* 03:00:00 UTC", "V(50)")

VOLUME = Struct(
    "volume",
    fields=(
        Field(
            "name",
            NAME,
            "Directory C(/opt/app-data/<app>/<name>). Services that name the same volume share it.",
            required=True,
            example="uploads",
        ),
        Field("path", FILE_PATH, "Where the container sees it.", required=True, example="/srv/uploads"),
        Field(
            "backup",
            VOLUME_BACKUP,
            "Its backup. Services that share the volume say the same of it.",
            default={},
        ),
    ),
)

PORTS = Struct(
    "ports",
    fields=(
        Field(
            "blue", LOOPBACK_PORT, "Port on the server's loopback address for slot blue.", required=True, example=20011
        ),
        Field(
            "green",
            LOOPBACK_PORT,
            "Port on the server's loopback address for slot green.",
            required=True,
            example=20012,
        ),
    ),
)

STATIC = Struct(
    "static",
    shorthand="path",
    fields=(
        Field(
            "path",
            TREE_PATH,
            "Directory in the release, as its build leaves it.",
            required=True,
            example="frontend/build",
        ),
        Field(
            "fallback",
            URL_PATH,
            "File that answers for paths which name no file, so that an app in the browser may have its own.",
            example="/index.html",
        ),
    ),
)

SERVICE = Struct(
    "service",
    fields=(
        Field("name", NAME, "Name; other services reach it under this name.", required=True, example="backend"),
        Field(
            "image",
            IMAGE,
            "Image without a tag: C(:release) is added. One with a tag or digest of its own keeps it. Required with "
            "C(runtime: compose).",
            example="registry.example/shop-web",
        ),
        Field(
            "command",
            COMMAND,
            "Command in place of the image's own. With C(runtime: systemd) it is required, and its first word a path "
            "in the release or a program of the server.",
            example=["celery", "-A", "app.worker", "worker"],
        ),
        Field(
            "static",
            STATIC,
            "Files of the release that nginx serves by itself, in place of a command. For C(runtime: systemd).",
            example="frontend/build",
        ),
        Field(
            "port",
            Scalar("port", types.port, "int"),
            "Port inside the container. Only the server's own nginx reaches it. With C(runtime: systemd) that it "
            "listens at all: it is told where by the variables C(HOST) and C(PORT), which differ between slots.",
            example=8000,
        ),
        Field("memory", SIZE, "Memory limit. Required unless it is C(static).", example="512m"),
        Field("memory_reservation", SIZE, "Memory that is kept for it, at most C(memory).", example="256m"),
        Field("cpus", CPUS, "CPU limit. Without it the service may use all.", example=0.5),
        Field("pids", Scalar("number", types.pids, "int"), "Limit of processes and threads.", default=256),
        Field(
            "user",
            Scalar("uid:gid", types.user),
            "Numeric user and group that it runs as.",
            derived="V(65532:65532); with C(runtime: systemd) the app's own user, C(app-<app>)",
            example="1000:1000",
        ),
        Field("read_only", BOOLEAN, "Whether the container's root file system is read-only.", default=True),
        Field(
            "tmpfs",
            ListOf(FILE_PATH),
            "Directories in memory that can be written; C(/tmp) always is one.",
            default=[],
            example=["/var/cache/nginx"],
        ),
        Field(
            "capabilities",
            ListOf(Scalar("capability", types.capability)),
            "Linux capabilities to keep; all others are dropped.",
            default=[],
            example=["NET_BIND_SERVICE"],
        ),
        Field("env", ENV, "Environment variables of this service, over those of the app.", default={}),
        Field(
            "secrets",
            ListOf(ENV_KEY),
            "Names of the app's secrets that it uses: it gets no others, and only these restart it when they are "
            "rotated.",
            derived="all of them",
            example=["DATABASE_URL"],
        ),
        Field("volumes", ListOf(VOLUME), "Directories that outlive releases.", default=[]),
        Field(
            "routes",
            ListOf(URL_PATH),
            "Path prefixes that nginx sends here. The longest that fits wins.",
            default=[],
            example=["/api/"],
        ),
        Field(
            "health",
            HEALTH,
            "How to tell that it is well: a path, or a mapping. A release goes live only when every check passes.",
            example="/api/health",
        ),
        Field(
            "metrics",
            URL_PATH,
            "Path of its metrics in Prometheus format. Scraped every 15 s, answered 404 from outside.",
            example="/api/metrics",
        ),
        Field(
            "rate_limits",
            ListOf(RATE_LIMIT),
            "Limits per client address and path. The longest path that fits counts.",
            default=[],
        ),
        Field("singleton", BOOLEAN, "Never run two at once, not even during a release (schedulers).", default=False),
        Field(
            "run",
            choice("always", "before_release"),
            "V(before_release) runs once before a release starts, such as a migration.",
            default="always",
        ),
        Field("stop_timeout", DURATION, "Time to finish work after SIGTERM.", default="30s"),
        Field(
            "ports",
            PORTS,
            "Loopback ports in place of the derived ones, where two derived ones clash.",
            derived="a hash of app, service and slot",
        ),
    ),
)

EXTERNAL = Struct(
    "external",
    shorthand="host",
    fields=(
        Field(
            "host",
            Scalar("host name or address", types.server_address),
            "Where the server is, seen from the host. Either this or C(socket).",
            example="db.example.net",
        ),
        Field("port", Scalar("port", types.port, "int"), "Its port.", derived="the engine's own"),
        Field("socket", FILE_PATH, "Its socket, where it runs on the host itself.", example="/run/mysqld/mysqld.sock"),
        Field(
            "tls",
            BOOLEAN,
            "Whether connections are encrypted, and the server proves its name.",
            derived="V(true), unless it is on the host itself",
        ),
        Field(
            "ca",
            FILE_PATH,
            "File on the host with the authorities that may vouch for it.",
            derived="those that the host trusts",
            example="/etc/ssl/certs/rds.pem",
        ),
        Field(
            "tools",
            choice("image", "host"),
            "Where the client tools for backups come from: from C(image), or from packages of the host.",
            derived="V(host) where the server is on the host itself, else V(image)",
        ),
    ),
)

DATABASE = Struct(
    "database",
    fields=(
        Field("name", NAME, "Name; services reach it under this name.", required=True, example="postgres"),
        Field("engine", choice(*ENGINES), "Engine.", required=True, example="postgresql"),
        Field("version", TAG, "Version, in quotes: the tag of the image.", required=True, example="16"),
        Field(
            "image",
            IMAGE,
            "Image without a tag: C(:version) is added.",
            derived=", ".join(f"C({e.image}) for {name}" for name, e in ENGINES.items()),
        ),
        Field(
            "external",
            EXTERNAL,
            "Where it is, when it is not to run here: native on the host, or managed elsewhere. A host or a mapping.",
            example="db.example.net",
        ),
        Field("memory", SIZE, "Memory limit. Required unless it is C(external).", example="512m"),
        Field("cpus", CPUS, "CPU limit. Without it the database may use all.", example=1.0),
        Field("user", IDENTIFIER, "User inside the database. Redis has none.", derived="the app's name"),
        Field("database", IDENTIFIER, "Database inside the server. Redis has none.", derived="the app's name"),
        Field(
            "password",
            Scalar("password", types.password),
            "Password of at least 12 characters, from Ansible Vault. C(playbooks/rotate.yml) brings another one.",
            required=True,
        ),
        Field("backup", BACKUP, "Its backup.", default={}),
    ),
)

HEADERS = Struct(
    "headers",
    fields=(
        Field(
            "csp",
            HEADER,
            "Content-Security-Policy. C({nonce}) becomes the request's id, which the app gets as C(X-Request-ID).",
            default="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            "connect-src 'self'; manifest-src 'self'; media-src 'self'; worker-src 'self'; base-uri 'self'; "
            "form-action 'self'; frame-ancestors 'none'",
        ),
        Field(
            "csp_report_only",
            HEADER,
            "Content-Security-Policy-Report-Only: a policy to try out first. Browsers report, and block nothing.",
            default="",
            example="default-src 'none'; script-src 'nonce-{nonce}'; report-uri /csp",
        ),
        Field(
            "hsts",
            HEADER,
            "Strict-Transport-Security. Add C(; includeSubDomains) where every subdomain has HTTPS, and C(; preload) "
            "to be put on the browsers' lists, from which there is no quick way back.",
            default="max-age=63072000",
        ),
        Field("frame_options", HEADER, "X-Frame-Options.", default="DENY"),
        Field("content_type_options", HEADER, "X-Content-Type-Options.", default="nosniff"),
        Field("referrer_policy", HEADER, "Referrer-Policy.", default="strict-origin-when-cross-origin"),
        Field(
            "permissions_policy",
            HEADER,
            "Permissions-Policy.",
            default="camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        Field("opener_policy", HEADER, "Cross-Origin-Opener-Policy.", default="same-origin"),
        Field(
            "resource_policy",
            HEADER,
            "Cross-Origin-Resource-Policy. C(cross-origin) where other sites may embed images or files.",
            default="same-origin",
        ),
    ),
)

SOURCE = Struct(
    "source",
    fields=(
        Field(
            "repository",
            Scalar("git URL", types.git_url),
            "Git repository, of which C(release) is a tag, a branch or a commit. Either this or C(archive).",
            example="https://git.example/shop.git",
        ),
        Field(
            "deploy_key",
            Scalar("secret", types.secret),
            "Private SSH key that may read the repository, from Ansible Vault.",
        ),
        Field(
            "archive",
            Scalar("archive URL", types.archive_url),
            "Archive (tar, packed or not) of the release; C({release}) stands for the app's C(release).",
            example="https://files.example/shop-{release}.tar.gz",
        ),
        Field(
            "checksum",
            Scalar("checksum", types.checksum),
            "What the archive has to be.",
            example="sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        Field(
            "packages",
            ListOf(Scalar("package", types.package)),
            "Packages of the distribution that the app needs, to be built or to run.",
            default=[],
            example=["python3-venv"],
        ),
        Field(
            "build",
            Scalar("shell script", types.script),
            "Shell script that makes the release ready in its own directory, as the app's user, once.",
            example="python3 -m venv venv && venv/bin/pip install --requirement requirements.txt",
        ),
    ),
)

APP = Struct(
    "app",
    fields=(
        Field(
            "name",
            NAME,
            "Name, unique on the server. Directories, containers and backups carry it.",
            required=True,
            example="snippetly",
        ),
        Field(
            "domains",
            ListOf(Scalar("host name", types.domain)),
            "Host names. The first is canonical, the others redirect to it; a wildcard as C(*.shop.example) may be "
            "one of the others, and needs C(certbot_dns). Without any the app is not served.",
            default=[],
            example=["snippetly.example", "www.snippetly.example"],
        ),
        Field(
            "runtime",
            choice("compose", "systemd"),
            "What runs the services: V(compose) containers, V(systemd) units of the server, each in a sandbox.",
            default="compose",
        ),
        Field(
            "release",
            TAG,
            "Tag of every service's image that has none of its own. With C(runtime: systemd) the version of C(source).",
            required=True,
            example="v1.4.2",
        ),
        Field("source", SOURCE, "Where releases come from. Required with C(runtime: systemd), which alone has it."),
        Field(
            "strategy",
            choice("blue_green", "recreate"),
            "V(blue_green) starts the new release beside the old one; "
            "V(recreate) stops the old one first and needs less memory.",
            default="blue_green",
        ),
        Field(
            "rpo",
            PROMISE,
            "Objective: so old may the newest proven backup of each of its databases and volumes become. What is "
            "younger may be lost. A schedule that cannot hold it is refused, as is one that leaves just as much "
            "between two backups; while it is broken an alert says so.",
            example="25h",
        ),
        Field(
            "rto",
            PROMISE,
            "Objective: in so much time the app runs again on its backups. Drills measure it (C(playbooks/drill.yml)), "
            "so one of its databases has to run here.",
            example="30m",
        ),
        Field("services", ListOf(SERVICE), "What the app consists of.", required=True),
        Field(
            "databases",
            ListOf(DATABASE),
            "Databases of the app. Each brings its backup, its alerts and its closed port.",
            default=[],
        ),
        Field(
            "env",
            ENV,
            "Environment variables of every service. Never secrets.",
            default={},
            example={"LOG_LEVEL": "info"},
        ),
        Field(
            "secrets",
            SECRETS,
            "Secret environment variables of every service that does not name those it uses, from Ansible Vault. They "
            "reach it in a file of mode 0600.",
            default={},
        ),
        Field(
            "headers",
            HEADERS,
            "Security headers of the site, where the strict defaults do not fit. An empty string leaves one out.",
            default={},
        ),
    ),
)

SERVER = Struct(
    "server",
    fields=(
        Field("memory", SIZE, "Memory of the server.", required=True, example="8g"),
        Field("cpus", CPUS, "CPUs of the server.", required=True, example=2),
        Field("reserved", SIZE, "Memory for the system, Docker, nginx and monitoring.", default="1g"),
    ),
)

# Words of Compose, Kubernetes and others, with the field that does the same here or why there is none.
ELSEWHERE = {
    "depends_on": "services start together; health decides when a release is live",
    "environment": "env",
    "healthcheck": "health",
    "host": "domains",
    "hostname": "domains",
    "labels": "nothing reads them here",
    "limits": "memory",
    "mem_limit": "memory",
    "network": "each app has its own networks",
    "networks": "each app has its own networks",
    "build": "images come from a registry",
    "deploy": "memory",
    "domain": "domains",
    "entrypoint": "command",
    "expose": "port",
    "privileged": "name single capabilities in 'capabilities'",
    "replicas": "a service runs once per slot",
    "restart": "services always restart, except those with run: before_release",
    "route": "routes",
    "cron": "schedule",
    "tag": "release",
    "type": "engine",
}
