# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps as systemd units, each in a sandbox in which it sees its release, its volumes and the system's programs alone.

The sandbox has a root directory of its own. Whichever slot it is in, the release is at ``/app``, as in a container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import users
from ..ports import SLOTS

SRV = "/srv"
DATA = "/opt/app-data"
APP = "/app"
BUILD_SCRIPT = "/build.sh"
# Where a database in a container has its socket; a unit finds it at /run/<database>.
SOCKETS = {
    "postgresql": "/run/postgresql",
    "mysql": "/run/mysqld",
    "mariadb": "/run/mysqld",
    "redis": "/run/redis",
}
# Of /etc: names, time, certificates and where programs find their libraries. Nothing of this server's configuration.
SYSTEM = (
    "/usr",
    *(
        f"-/etc/{name}"
        for name in (
            "alternatives",
            "ca-certificates",
            "gai.conf",
            "group",
            "host.conf",
            "hosts",
            "ld.so.cache",
            "ld.so.conf",
            "ld.so.conf.d",
            "localtime",
            "mime.types",
            "nsswitch.conf",
            "passwd",
            "protocols",
            "resolv.conf",
            "services",
            "ssl/certs",
            "ssl/openssl.cnf",
            "timezone",
        )
    ),
)

Model = Mapping[str, Any]
Lines = list[tuple[str, str]]

# systemd.exec(5). What is refused fails with EPERM and ends no process: programs go on without it.
SANDBOX: Lines = [
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("DevicePolicy", "closed"),
    ("KeyringMode", "private"),
    ("LockPersonality", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateIPC", "yes"),
    ("PrivateMounts", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateUsers", "yes"),
    ("ProcSubset", "pid"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHome", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("ProtectSystem", "strict"),
    ("RemoveIPC", "yes"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("SystemCallErrorNumber", "EPERM"),
]


def processes(app: Model) -> list[Model]:
    """Return the services that are processes: all but static files."""
    return [service for service in app["services"] if not service["static"]]


def unit_name(app: Model, slot: str, service: str) -> str:
    """Return the name of a service's unit, ``shop-blue-web.service``."""
    return f"{app['name']}-{slot}-{service}.service"


def unit_files(app: Model) -> dict[str, str]:
    """Return the units of both slots by their paths in a release.

    ``units/<slot>/…`` run always, ``once/<slot>/<service>`` are migrations, ``once/<slot>/<service>.health`` asks
    whether a service is well, ``once/build`` makes the release ready.
    """
    files = {}
    for slot in SLOTS:
        for service in processes(app):
            once = service["run"] == "before_release"
            dest = (
                f"once/{slot}/{service['name']}.service"
                if once
                else f"units/{slot}/{unit_name(app, slot, service['name'])}"
            )
            files[dest] = _unit(app, service, slot, service["command"], once)
            if service["health"] and service["health"]["command"]:
                asked = _unit(app, service, slot, service["health"]["command"], once=True)
                files[f"once/{slot}/{service['name']}.health.service"] = asked
    if app["source"]["build"]:
        files["once/build.service"] = build_unit(app)
    return files


def variable_files(app: Model) -> dict[str, str]:
    """Return the files of variables that are no secrets, one for each service."""
    return {
        f"variables/{service['name']}.env": environment_file({**app["env"], **service["env"]})
        for service in processes(app)
    }


def environment_file(variables: Mapping[str, str]) -> str:
    """Return ``variables`` as a file that systemd reads back to exactly these values.

    Between double quotes a backslash escapes these four and stays what it is before others; line breaks stand as they
    are (systemd.exec(5), EnvironmentFile).
    """
    escaped = str.maketrans({char: f"\\{char}" for char in '"\\`$'})
    return "".join(f'{key}="{value.translate(escaped)}"\n' for key, value in variables.items())


def _unit(app: Model, service: Model, slot: str, command: Sequence[str], once: bool) -> str:
    slot_folder = f"{SRV}/{app['name']}/slots/{slot}"
    port = str(service["ports"][slot]) if service["port"] else ""
    words = [word.replace("{port}", port) if port else word for word in command]
    lines: Lines = [
        ("Type", "oneshot" if once else "exec"),
        *_who(app),
        *_sees(app, f"{slot_folder}/tree", writable=False),
        *(("BindPaths", f"{DATA}/{app['name']}/{volume['name']}:{volume['path']}") for volume in service["volumes"]),
        # A database that is down has no directory.
        *(
            ("BindReadOnlyPaths", f"-{socket_folder(app, database)}:/run/{database['name']}")
            for database in app["databases"]
            if not database["external"]
        ),
        ("ExecStart", " ".join([_quoted(_program(words[0])), *(_quoted(word) for word in words[1:])])),
        *(("Environment", f"{key}={value}") for key, value in _told(app, service, slot).items()),
        # The app's own come last and count.
        ("EnvironmentFile", f"{slot_folder}/{secrets_file(service)}"),
        ("EnvironmentFile", f"{slot_folder}/variables/{service['name']}.env"),
        *([] if once else [("Restart", "always"), ("RestartSec", "3")]),
        ("TimeoutStopSec", f"{service['stop_timeout']}s"),
        ("KillMode", "mixed"),
        ("UMask", "0077"),
        *_limits(service),
        *SANDBOX,
    ]
    what = f"{app['name']}: {service['name']} ({slot})"
    return _text(what, lines, install=not once)


def build_unit(app: Model) -> str:
    """Return the unit that makes a release ready: the only one that may write to it, and where nothing else runs."""
    folder = f"{SRV}/{app['name']}"
    lines: Lines = [
        ("Type", "oneshot"),
        *_who(app),
        *_sees(app, f"{folder}/builds/.partial", writable=True),
        ("BindReadOnlyPaths", f"{folder}/wanted/release/source/build.sh:{BUILD_SCRIPT}"),
        ("ExecStart", f"/bin/sh -eu {BUILD_SCRIPT}"),
        ("Environment", "HOME=/tmp"),
        # nginx reads files that it serves.
        ("UMask", "0022"),
        # Where nobody is left who would stop it.
        ("TimeoutStartSec", "1800"),
        ("Nice", "10"),
        ("CPUWeight", "20"),
        ("IOWeight", "20"),
        *SANDBOX,
    ]
    return _text(f"{app['name']}: build", lines, install=False)


def _who(app: Model) -> Lines:
    return [("User", users.name(app["name"])), ("Group", users.name(app["name"]))]


def _sees(app: Model, tree: str, writable: bool) -> Lines:
    return [
        ("RootDirectory", f"{SRV}/{app['name']}/root"),
        ("MountAPIVFS", "yes"),
        ("BindReadOnlyPaths", " ".join(SYSTEM)),
        ("BindPaths" if writable else "BindReadOnlyPaths", f"{tree}:{APP}"),
        ("WorkingDirectory", APP),
    ]


def _told(app: Model, service: Model, slot: str) -> dict[str, str]:
    """Return what a service is told of its place: its own port, and where the others of its slot are."""
    listening = [other for other in processes(app) if other["port"] and other["run"] == "always"]
    urls = {
        f"{other['name'].upper().replace('-', '_')}_URL": f"http://127.0.0.1:{other['ports'][slot]}"
        for other in listening
    }
    own = {"HOST": "127.0.0.1", "PORT": str(service["ports"][slot])} if service["port"] else {}
    return {"HOME": "/tmp", **own, **urls}  # noqa: S108 - in its sandbox


def _limits(service: Model) -> Lines:
    cpus, kept = service["cpus"], service["memory_reservation"]
    return [
        ("MemoryMax", str(service["memory"])),
        *([("MemoryLow", str(kept))] if kept else []),
        *([("CPUQuota", f"{cpus * 100:.0f}%")] if cpus else []),
        ("TasksMax", str(service["pids"])),
    ]


def secrets_file(service: Model) -> str:
    """Return the file of a service's secret variables: one for all that use them all, or its own."""
    return "env/app.env" if service["secrets"] is None else f"env/service-{service['name']}.env"


def socket_folder(app: Model, database: Model) -> str:
    """Return the directory of a database's socket, which the app's user may enter and no other's."""
    return f"{DATA}/{app['name']}/{database['name']}.socket"


def _program(word: str) -> str:
    return f"{APP}/{word}" if "/" in word and not word.startswith("/") else word


def _quoted(word: str) -> str:
    """Return a word of a command that systemd takes as it is: no specifiers, no variables (systemd.service(5))."""
    escaped = str.maketrans({"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"})
    return f'"{word.translate(escaped)}"'


def _text(what: str, lines: Iterable[tuple[str, str]], install: bool) -> str:
    body = "".join(f"{key}={value}\n" for key, value in lines)
    boot = "\n[Install]\nWantedBy=multi-user.target\n" if install else ""
    # Databases in containers come up with Docker.
    return (
        "# Managed by Mainstay (role app_stack). Changes are lost with the next release.\n"
        f"[Unit]\nDescription={what}\nWants=network-online.target\nAfter=network-online.target docker.service\n"
        f"StartLimitIntervalSec=0\n\n[Service]\n{body}{boot}"
    )
