# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold across fields, apps and the server.

Checks see apps that may be partly wrong: a field that has been reported is absent (in a list of scalars: None), and no
check speaks of what it cannot know. The first sentence of each docstring is its line in ``docs/apps.md``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from . import users
from .connections import unencrypted
from .ports import SLOTS
from .schedule import longest_gap
from .spec import ENGINES
from .types import PASSWORD_LENGTH, SECONDS, human_size, human_time, split_image, windowed

App = dict[str, Any]
Problem = str
Found = tuple[int, str]

ACME_PATH = "/.well-known/acme-challenge/"
# Distributions whose njs has no shared dictionaries.
WITHOUT_WINDOWS = ("Debian 12", "Ubuntu 22.04")
YEAR = 31536000
SERVER_JOB = "server-state"
RESERVED_ENDINGS = ("-data", "-blue", "-green")


def check_apps(apps: list[App]) -> list[Found]:
    """Return every cross-field problem as (index of the app, message), ordered by app."""
    found = [(index, problem) for index, app in enumerate(apps) for check in APP_CHECKS for problem in check(app)]
    found += [problem for check in LIST_CHECKS for problem in check(apps)]
    return sorted(found, key=lambda item: item[0])


def each(app: App, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, item) of an app's services or databases."""
    for index, item in enumerate(app.get(kind) or []):
        if isinstance(item, dict):
            yield f"{kind}[{index}]", item


def volumes(app: App) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, volume) of an app's services."""
    for path, service in each(app, "services"):
        for index, volume in enumerate(service.get("volumes") or []):
            if isinstance(volume, dict):
                yield f"{path}.volumes[{index}]", volume


def serving(app: App) -> list[dict[str, Any]]:
    """Return the services that run for as long as the app does."""
    return [service for _path, service in each(app, "services") if service.get("run") == "always"]


def owner_of(app: App, path: str) -> dict[str, Any] | None:
    """Return the service to which nginx sends a path: the one with the longest route that it begins with."""
    routes = [
        (len(route), service)
        for service in serving(app)
        for route in service.get("routes") or []
        if route and path.startswith(route)
    ]
    return max(routes, key=lambda item: item[0])[1] if routes else None


def _repeated(items: list[tuple[str, str | None]]) -> Iterator[tuple[str, str, str]]:
    """Yield (path, value, path of the first one) for every value that came before."""
    first: dict[str, str] = {}
    for path, value in items:
        if value is None:
            continue
        if value in first:
            yield path, value, first[value]
        first.setdefault(value, path)


def app_names(app: App) -> Iterator[Problem]:
    """An app's name does not end in C(-data), C(-blue) or C(-green): Compose projects of other apps do."""
    if (app.get("name") or "").endswith(RESERVED_ENDINGS):
        yield f"name: '{app['name']}' ends like a Compose project of its own (not {', '.join(RESERVED_ENDINGS)})"


def names(app: App) -> Iterator[Problem]:
    """Services and databases of an app have different names: both answer under them on its network."""
    items = [(f"{path}.name", item.get("name")) for kind in ("services", "databases") for path, item in each(app, kind)]
    for path, value, first in _repeated(items):
        yield f"{path}: '{value}' is also {first}"


def some_service(app: App) -> Iterator[Problem]:
    """An app has at least one service that runs always."""
    if "services" in app and not app["services"]:
        yield "services: is empty (an app has at least one service)"
    elif app.get("services") and all((service or {}).get("run") == "before_release" for service in app["services"]):
        yield "services: nothing is left running, all have run: before_release"


def needs_port(app: App) -> Iterator[Problem]:
    """A service with routes, metrics or a health path has a port, but for static files."""
    for path, service in each(app, "services"):
        if service.get("port", ...) is not None or service.get("static"):
            continue
        for field in ("routes", "metrics", "health"):
            value = service.get(field)
            if field == "health":
                value = value.get("path") if isinstance(value, dict) else None
            if value:
                yield f"{path}.{field}: needs a port (add port: the one that the service listens on)"
        if service.get("ports"):
            yield f"{path}.ports: needs a port (add port: the one that the service listens on)"


def health(app: App) -> Iterator[Problem]:
    """A health check has either a path or a command, and its timeout is longer than its interval."""
    for path, service in each(app, "services"):
        check = service.get("health")
        if not isinstance(check, dict) or "path" not in check or "command" not in check:
            continue
        if check["path"] and check["command"]:
            yield f"{path}.health: has both a path and a command (keep one)"
        if not check["path"] and not check["command"]:
            yield f"{path}.health: has neither a path nor a command (add one)"
        if "interval" in check and "timeout" in check and check["timeout"] < check["interval"]:
            yield f"{path}.health.timeout: {check['timeout']}s is shorter than the interval of {check['interval']}s"


def before_release(app: App) -> Iterator[Problem]:
    """A service that runs before a release has no port, routes, health, metrics or limits and is no singleton."""
    for path, service in each(app, "services"):
        if service.get("run") == "before_release":
            for field in ("port", "routes", "health", "metrics", "rate_limits", "singleton"):
                if service.get(field):
                    yield f"{path}.{field}: means nothing with run: before_release"


def singleton_routes(app: App) -> Iterator[Problem]:
    """A singleton has no routes under blue_green, since two slots serve for a moment."""
    for path, service in each(app, "services"):
        if app.get("strategy") == "blue_green" and service.get("singleton") and service.get("routes"):
            yield f"{path}.singleton: has routes, which blue_green serves by two at once (use strategy: recreate)"


def routes_and_domains(app: App) -> Iterator[Problem]:
    """Domains need a route, and routes need a domain."""
    services = list(each(app, "services"))
    routed = [path for path, service in services if service.get("routes")]
    complete = (
        app.get("services") and all("routes" in service for _path, service in services) and None not in app["services"]
    )
    if app.get("domains") and complete and not routed:
        yield "domains: no service has a route (add routes: [/] to the one that serves them)"
    if app.get("domains", ...) == [] and routed:
        yield f"{routed[0]}.routes: the app has no domains to be reached by (add domains)"


def wildcards(app: App) -> Iterator[Problem]:
    """The canonical domain is a name, and none that is named is also in a wildcard: authorities refuse both in one."""
    domains = [domain or "" for domain in app.get("domains") or []]
    for index, domain in enumerate(domains):
        if index == 0 and domain.startswith("*."):
            yield f"domains[0]: '{domain}' is a wildcard, to which nobody can be redirected (put a name before it)"
        wide = f"*.{domain.partition('.')[2]}"
        if wide in domains and wide != domain:
            yield f"domains[{index}]: '{domain}' is also in '{wide}', and no certificate may hold both (leave one out)"


def routes(app: App) -> Iterator[Problem]:
    """A route belongs to one service of an app, and none takes the path of ACME challenges."""
    items = [
        (f"{path}.routes[{index}]", route)
        for path, service in each(app, "services")
        for index, route in enumerate(service.get("routes") or [])
    ]
    for path, value, first in _repeated(items):
        yield f"{path}: '{value}' is already claimed by {first}"
    for path, value in items:
        if value and value.startswith(ACME_PATH.rstrip("/")):
            yield f"{path}: '{value}' belongs to certbot, which answers challenges there"


def metrics(app: App) -> Iterator[Problem]:
    """The path of metrics is not a route, which would close the route from outside."""
    for path, service in each(app, "services"):
        if service.get("metrics") and service["metrics"] in (service.get("routes") or []):
            yield f"{path}.metrics: '{service['metrics']}' is a route as well, and metrics are closed to the internet"


def bursts(app: App) -> Iterator[Problem]:
    """A rate that counts in hours, days or several seconds has no burst: its whole count may come at once."""
    for path, service in each(app, "services"):
        for index, limit in enumerate(service.get("rate_limits") or []):
            if isinstance(limit, dict) and limit.get("rate") and "burst" in limit and windowed(limit["rate"]):
                count = int(limit["rate"].split("/")[0])
                if limit["burst"] != count - 1:
                    reason = (
                        f"means nothing with '{limit['rate']}', of which all {count} may come at once (leave it out)"
                    )
                    yield f"{path}.rate_limits[{index}].burst: {reason}"


def preload(app: App) -> Iterator[Problem]:
    """Who asks for HSTS preloading has HTTPS on every subdomain, for a year at least."""
    value = ((app.get("headers") or {}).get("hsts") or "").lower()
    if "preload" in value:
        age = re.search(r"max-age=(\d+)", value)
        if "includesubdomains" not in value or not age or int(age[1]) < YEAR:
            better = "max-age=63072000; includeSubDomains; preload"
            lists = "the browsers' lists take no preload without the subdomains and a year"
            yield f"headers.hsts: {lists} (write '{better}')"


def rate_limits(app: App) -> Iterator[Problem]:
    """A rate limit lies inside a route of its own service, and a path is limited once."""
    if any("routes" not in service or None in service["routes"] for service in serving(app)):
        return
    items = []
    for path, service in each(app, "services"):
        for index, limit in enumerate(service.get("rate_limits") or []):
            if not isinstance(limit, dict) or "path" not in limit:
                continue
            where, value = f"{path}.rate_limits[{index}].path", limit["path"]
            items.append((where, value))
            owner = owner_of(app, value)
            if service.get("run") == "before_release" or owner is service:
                continue
            own = ", ".join(service["routes"]) if service.get("routes") else "none"
            lies = f"is served by '{owner.get('name')}'" if owner else "lies in no route"
            yield f"{where}: '{value}' {lies} (routes of this service: {own})"
    for path, value, first in _repeated(items):
        yield f"{path}: '{value}' is already limited by {first}"


def images(app: App) -> Iterator[Problem]:
    """At least one image follows the release, and the same image is not pinned to another tag in a second service."""
    release = app.get("release")
    parts = [(path, *split_image(service["image"])) for path, service in each(app, "services") if service.get("image")]
    if not release or not parts:
        return
    following = {repository: path for path, repository, tag, digest in reversed(parts) if tag == release and not digest}
    complete = all(service.get("image") for _path, service in each(app, "services"))
    if not following and complete:
        yield f"release: '{release}' is used by no service: every image has a tag or digest of its own"
    for path, repository, tag, digest in parts:
        if repository in following and (tag != release or digest):
            other = f"{following[repository]} runs the same image at release '{release}'"
            yield f"{path}.image: pins '{digest or tag}', while {other} (leave the tag out)"


# What only containers have, and what it is without.
ONLY_COMPOSE: tuple[tuple[str, Any, str], ...] = (
    ("image", None, "a release comes from the app's source"),
    ("read_only", True, "a unit sees its release and the system read-only, always"),
    ("tmpfs", ["/tmp"], "a unit may write to /tmp and to its volumes"),  # noqa: S108 - in its sandbox
    ("capabilities", [], "a unit has none"),
)
# Where to listen.
TOLD = ("HOST", "PORT")
# What a service of files has: all else needs a process.
OF_STATIC = ("name", "static", "routes", "run", "user", "ports")
COMMON = ("read_only", "tmpfs", "pids", "stop_timeout")


def runtimes(app: App) -> Iterator[Problem]:
    """With C(runtime: compose) services have images, with C(runtime: systemd) a source and each a command or files."""
    if app.get("runtime") == "compose":
        if app.get("source"):
            yield "source: means nothing with runtime: compose, whose releases are images (leave it out)"
        for path, service in each(app, "services"):
            if service.get("image", ...) is None:
                yield f"{path}.image: is missing: image without a tag (such as 'registry.example/shop-web')"
            if service.get("static"):
                yield f"{path}.static: needs runtime: systemd (a container serves its files itself)"
    if app.get("runtime") == "systemd":
        if app.get("source", ...) is None:
            yield "source: is missing: where releases come from (such as {repository: 'https://git.example/shop.git'})"
        if len(app.get("name") or "") > users.LONGEST:
            yield f"name: its user '{users.name(app['name'])}' is longer than Linux takes (at most {users.LONGEST})"
        for path, service in each(app, "services"):
            yield from _unit(app, path, service)
    for path, service in each(app, "services"):
        if service.get("memory", ...) is None and service.get("static", ...) is None:
            yield f"{path}.memory: is missing: memory limit (such as '512m')"


def _unit(app: App, path: str, service: dict[str, Any]) -> Iterator[Problem]:
    for field, without, why in ONLY_COMPOSE:
        if service.get(field, without) != without:
            yield f"{path}.{field}: means nothing with runtime: systemd, where {why} (leave it out)"
    if "name" in app and service.get("user", ...) not in (..., users.derived(app["name"])):
        yield f"{path}.user: means nothing with runtime: systemd, where an app has a user of its own (leave it out)"
    secrets = app.get("secrets") or {}
    used = secrets if service.get("secrets") is None else service["secrets"]
    for where, keys in (("env", app.get("env")), (f"{path}.env", service.get("env")), ("secrets", used)):
        for key in (key for key in TOLD if service.get("port") and key in (keys or ())):
            yield f"{where}.{key}: is what a unit with a port is told, another in each slot (leave it out)"
    command, static = service.get("command", ...), service.get("static", ...)
    if command is None and static is None:
        yield f"{path}.command: is missing: what to run (such as [venv/bin/uvicorn, 'app:app'])"
    if command == []:
        yield f"{path}.command: is empty (name a program)"
    if not isinstance(static, dict):
        return
    for field, value in service.items():
        if field not in (*OF_STATIC, *COMMON) and value:
            yield f"{path}.{field}: means nothing for static files, which nginx serves (leave it out)"
    if service.get("run") == "before_release":
        yield f"{path}.run: static files cannot run"
    if service.get("routes", ...) == []:
        yield f"{path}.routes: is empty (name the paths of these files, such as [/])"


def source(app: App) -> Iterator[Problem]:
    """A source is either a repository or an archive, and has what belongs to it."""
    found = app.get("source")
    if not isinstance(found, dict):
        return
    repository, archive = found.get("repository", ...), found.get("archive", ...)
    if repository is None and archive is None:
        yield "source: has neither a repository nor an archive (name one)"
    elif repository not in (None, ...) and archive not in (None, ...):
        yield "source: has both a repository and an archive (keep one)"
    if repository is None and found.get("deploy_key"):
        yield "source.deploy_key: means nothing without a repository (leave it out)"
    if isinstance(repository, str) and found.get("deploy_key") and re.match("https:|file:", repository):
        yield f"source.deploy_key: '{repository}' is not read by SSH (write it as 'git@host:path')"
    if archive is None and found.get("checksum"):
        yield "source.checksum: means nothing without an archive (name a commit as release instead)"


def reachable(app: App) -> Iterator[Problem]:
    """A database of an app with C(runtime: systemd) is reached by its socket or elsewhere: MongoDB is C(external)."""
    for path, database in each(app, "databases"):
        here = database.get("external", ...) is None
        if here and app.get("runtime") == "systemd" and database.get("engine") == "mongodb":
            yield (
                f"{path}.external: is missing: units reach no container of MongoDB "
                "(install it on the host and write external: 127.0.0.1)"
            )


def memory_reservation(app: App) -> Iterator[Problem]:
    """No memory reservation is above its limit."""
    for path, service in each(app, "services"):
        limit, kept = service.get("memory"), service.get("memory_reservation")
        if limit and kept and kept > limit:
            yield f"{path}.memory_reservation: {human_size(kept)} is more than the limit of {human_size(limit)}"


def mounts(app: App) -> Iterator[Problem]:
    """A path in a container is mounted once, and no volume is named like a database, whose directory that is."""
    databases = {item.get("name") for _path, item in each(app, "databases")} - {None}
    for path, service in each(app, "services"):
        items = [(f"{path}.tmpfs", value) for value in service.get("tmpfs") or []]
        for index, volume in enumerate(service.get("volumes") or []):
            if isinstance(volume, dict):
                items.append((f"{path}.volumes[{index}].path", volume.get("path")))
                if volume.get("name") in databases:
                    yield f"{path}.volumes[{index}].name: '{volume['name']}' is the directory of a database"
        for where, value, first in _repeated(items):
            yield f"{where}: '{value}' is already mounted by {first}"


def slot_ports(app: App) -> Iterator[Problem]:
    """A port override has two different ports."""
    for path, service in each(app, "services"):
        override = service.get("ports")
        if isinstance(override, dict) and override.get("blue", 0) == override.get("green", 1):
            yield f"{path}.ports: blue and green are both {override['blue']} (two slots run at once)"


def variables(app: App) -> Iterator[Problem]:
    """A variable is set in env or in secrets, not in both."""
    secrets = app.get("secrets") or {}
    for path, env in [
        ("env", app.get("env")),
        *((f"{path}.env", service.get("env")) for path, service in each(app, "services")),
    ]:
        for key in env or {}:
            if key in secrets:
                yield f"{path}.{key}: is in secrets as well (keep it in secrets only)"


def used_secrets(app: App) -> Iterator[Problem]:
    """A service uses secrets that the app has, and names each once."""
    known = app.get("secrets", {})
    for path, service in each(app, "services"):
        items = [(f"{path}.secrets[{index}]", key) for index, key in enumerate(service.get("secrets") or [])]
        for where, key in items if "secrets" in app else ():
            if key is not None and key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known) or 'none'}"
                yield f"{where}: '{key}' is not one of the app's secrets ({hint})"
        for where, value, first in _repeated(items):
            yield f"{where}: '{value}' is also {first}"


def leaked(app: App) -> Iterator[Problem]:
    """No password or secret is part of an environment variable or a command, where others can read it."""
    known = [(f"the password of {path}", item.get("password")) for path, item in each(app, "databases")]
    known += [(f"secrets.{key}", value) for key, value in (app.get("secrets") or {}).items()]
    known += [("source.deploy_key", (app.get("source") or {}).get("deploy_key"))]
    known = [(what, value) for what, value in known if value and len(value) >= PASSWORD_LENGTH]
    places = [(f"env.{key}", value) for key, value in (app.get("env") or {}).items()]
    places += [("source.build", (app.get("source") or {}).get("build"))]
    for path, service in each(app, "services"):
        places += [(f"{path}.env.{key}", value) for key, value in (service.get("env") or {}).items()]
        places += [(f"{path}.command[{index}]", value) for index, value in enumerate(service.get("command") or [])]
        check = service.get("health")
        places += [
            (f"{path}.health.command[{index}]", value) for index, value in enumerate((check or {}).get("command") or [])
        ]
    for path, value in places:
        what = next((what for what, secret in known if value and secret in value), None)
        if what:
            yield f"{path}: holds {what} (move it to secrets)"


def engines(app: App) -> Iterator[Problem]:
    """Redis has neither users nor named databases, and an app is not the user C(root) of MySQL or MariaDB."""
    for path, database in each(app, "databases"):
        engine = ENGINES.get(database.get("engine", ""))
        for field in ("user", "database"):
            if engine and not engine.has_users and database.get(field):
                yield f"{path}.{field}: {database['engine']} has none (leave it out)"
        admin = engine.backup_user if engine and not database.get("external") else ""
        if admin and database.get("user") == admin:
            yield f"{path}.user: '{admin}' may do everything, and backups use it (name another)"


def places(app: App) -> Iterator[Problem]:
    """A database that runs here has a memory limit; one that does not has either a host or a socket."""
    for path, database in each(app, "databases"):
        external = database.get("external", ...)
        if external is None and database.get("memory", ...) is None:
            yield f"{path}.memory: is missing: memory limit (such as '512m')"
        if not isinstance(external, dict):
            continue
        host, socket = external.get("host", ...), external.get("socket", ...)
        if host is None and socket is None:
            yield f"{path}.external: has neither a host nor a socket (name one)"
        elif host not in (None, ...) and socket not in (None, ...):
            yield f"{path}.external: has both a host and a socket (keep one)"
        if socket not in (None, ...) and database.get("engine") == "mongodb":
            yield f"{path}.external.socket: mongodb is reached by a host (try host: 127.0.0.1)"
        for field in ("memory", "cpus"):
            if database.get(field):
                yield f"{path}.{field}: means nothing for a database that does not run here (leave it out)"


def own_connections(app: App) -> Iterator[Problem]:
    """No variable switches TLS off in the app's own connection to a database that is C(external) and has C(tls)."""
    variables = [
        (f"{where}.{key}", str(key), str(value))
        for where, values in (
            ("env", app.get("env")),
            *((f"{path}.env", service.get("env")) for path, service in each(app, "services")),
            ("secrets", app.get("secrets")),
        )
        for key, value in (values or {}).items()
        if value is not None
    ]
    for path, database in each(app, "databases"):
        external = database.get("external")
        if not isinstance(external, dict) or not external.get("tls") or not external.get("host"):
            continue
        for where, key, value in variables:
            if key == "PGSSLMODE" and database.get("engine") != "postgresql":
                continue
            if said := unencrypted(key, value, external["host"]):
                yield (
                    f"{where}: '{said}' lets the app talk to {external['host']} without encryption, and "
                    f"{path}.external.tls is true (take it out, or ask for TLS as the driver does: "
                    "sslmode=verify-full, ssl-mode=VERIFY_IDENTITY, tls=true, rediss://)"
                )


def shared_volumes(app: App) -> Iterator[Problem]:
    """Services that share a volume say the same of its backup."""
    first: dict[str, tuple[str, Any]] = {}
    for path, volume in volumes(app):
        if volume.get("name") and isinstance(volume.get("backup"), dict):
            where, said = first.setdefault(volume["name"], (f"{path}.backup", volume["backup"]))
            if said != volume["backup"]:
                yield f"{path}.backup: is not what {where} says of the same volume (say the same)"


def objectives(app: App) -> Iterator[Problem]:
    """Every database, and every volume that has backups, of an app with an C(rpo) is backed up more often than that."""
    rpo: int = app.get("rpo") or 0
    if not rpo:
        return
    for path, database in each(app, "databases"):
        if (database.get("backup") or {}).get("enabled") is False:
            yield f"{path}.backup.enabled: is off, and the app promises an rpo of {human_time(rpo)} (leave either out)"
    seen: set[str] = set()
    for path, item in [*each(app, "databases"), *volumes(app)]:
        # A volume that services share is one job.
        key = str(item.get("name", path))
        backup = item.get("backup") or {}
        if key in seen or not backup.get("enabled") or not backup.get("schedule"):
            continue
        seen.add(key)
        if (gap := longest_gap(backup["schedule"])) < rpo:
            continue
        much = (
            f"more than the rpo of {human_time(rpo)}"
            if gap > rpo
            else f"as much as the rpo of {human_time(rpo)}, and a backup takes its time"
        )
        yield (
            f"{path}.backup.schedule: '{backup['schedule']}' leaves {human_time(gap)} between two backups, {much} "
            "(back up more often, or promise less)"
        )


def measured(app: App) -> Iterator[Problem]:
    """An app with an C(rto) has a database that runs here: only a drill can tell how long the way back takes."""
    here = [database for path, database in each(app, "databases") if not database.get("external")]
    if app.get("rto") and app.get("runtime") == "systemd":
        yield (
            f"rto: {human_time(app['rto'])} is held against drills, and a drill starts no release of runtime: systemd "
            "(leave it out)"
        )
        return
    if app.get("rto") and "databases" in app and not here:
        yield (
            f"rto: {human_time(app['rto'])} is held against drills, which bring back databases that run here, and this "
            "app has none (leave it out)"
        )


def app_names_once(apps: list[App]) -> Iterator[Found]:
    """Apps have different names."""
    first: dict[str, int] = {}
    for index, app in enumerate(apps):
        if app.get("name") in first:
            yield index, f"name: '{app['name']}' is also the name of apps[{first[app['name']]}]"
        elif app.get("name"):
            first[app["name"]] = index


def domains_once(apps: list[App]) -> Iterator[Found]:
    """A domain belongs to one app and is listed once."""
    first: dict[str, tuple[int, str]] = {}
    for index, app in enumerate(apps):
        for number, domain in enumerate(app.get("domains") or []):
            if domain in first:
                where, name = first[domain]
                other = "listed twice" if where == index else f"also a domain of apps[{where}] '{name}'"
                yield index, f"domains[{number}]: '{domain}' is {other}"
            elif domain:
                first[domain] = (index, app.get("name") or "?")


def ports_once(apps: list[App]) -> Iterator[Found]:
    """No two services have the same loopback port."""
    first: dict[int, str] = {}
    for index, app in enumerate(apps):
        for path, service in each(app, "services"):
            if service.get("run") != "always" or not service.get("port"):
                continue
            who = f"'{app.get('name')}', service '{service.get('name')}'"
            for slot in SLOTS:
                number = (service.get("ports") or {}).get(slot)
                if number is None:
                    continue
                if number in first and first[number] != who:
                    override = f"set {path}.ports: {{blue: …, green: …}} to two free ports, 20000 to 29999"
                    yield index, f"{path}.ports.{slot}: {number} is also a port of {first[number]} ({override})"
                first.setdefault(number, who)


def users_once(apps: list[App]) -> Iterator[Found]:
    """No two apps with C(runtime: systemd) have the same user, whose number is a hash of the app's name."""
    first: dict[str, str] = {}
    for index, app in enumerate(apps):
        if app.get("runtime") == "systemd" and app.get("name"):
            user = users.derived(app["name"])
            if first.setdefault(user, app["name"]) != app["name"]:
                yield (
                    index,
                    f"name: its user would be number {user.partition(':')[0]}, as that of '{first[user]}' (rename it)",
                )


def backups_once(apps: list[App]) -> Iterator[Found]:
    """No two backup jobs, which are named C(<app>-<database>), have the same name."""
    first: dict[str, tuple[int, str]] = {}
    for index, app in enumerate(apps):
        for path, item in [*each(app, "databases"), *volumes(app)]:
            if not app.get("name") or not item.get("name"):
                continue
            job = f"{app['name']}-{item['name']}"
            where, owner = first.setdefault(job, (index, app["name"]))
            if job == SERVER_JOB:
                yield index, f"{path}.name: its backup job would be '{job}', as the server's own is (rename it)"
            elif owner != app["name"]:
                other = f"one of apps[{where}] '{owner}'"
                yield index, f"{path}.name: its backup job would be '{job}', as {other} is (rename either)"


APP_CHECKS: tuple[Callable[[App], Iterator[Problem]], ...] = (
    app_names,
    some_service,
    names,
    routes_and_domains,
    wildcards,
    routes,
    needs_port,
    health,
    metrics,
    rate_limits,
    bursts,
    preload,
    before_release,
    singleton_routes,
    images,
    runtimes,
    source,
    reachable,
    memory_reservation,
    mounts,
    slot_ports,
    engines,
    places,
    own_connections,
    shared_volumes,
    objectives,
    measured,
    variables,
    used_secrets,
    leaked,
)
LIST_CHECKS: tuple[Callable[[list[App]], Iterator[Found]], ...] = (
    app_names_once,
    domains_once,
    ports_once,
    users_once,
    backups_once,
)


def check_system(apps: list[App], system: str) -> list[str]:
    """The server's distribution has what the apps ask for: a rate per hour needs njs 0.8, which Debian 12 lacks."""
    if not any(system == old or system.startswith(f"{old}.") for old in WITHOUT_WINDOWS):
        return []
    return [
        f"apps[{index}] '{app.get('name')}': {path}.rate_limits[{number}].rate: '{limit['rate']}' needs njs 0.8, "
        f"which {system} does not have (write '{_per_minute(limit['rate'])}', or take a server with Debian 13)"
        for index, app in enumerate(apps)
        for path, service in each(app, "services")
        for number, limit in enumerate(service.get("rate_limits") or [])
        if isinstance(limit, dict) and limit.get("rate") and windowed(limit["rate"])
    ]


def _per_minute(rate: str) -> str:
    """The nearest rate per minute that is at least as loose: ``2/h`` → ``1/m``."""
    count, span = rate.split("/")
    minutes = int(span[:-1] or 1) * SECONDS[span[-1]] / 60
    return f"{max(1, math.ceil(int(count) / minutes))}/m"


def memory_needed(apps: list[App]) -> tuple[int, int, str | None]:
    """Return (bytes while nothing is released, bytes on top while the costliest app is released, name of that app).

    blue_green runs both slots of everything but singletons at once; a migration runs beside the old release. Apps are
    released one after another.
    """
    steady, extra, costliest = 0, 0, None
    for app in apps:
        running = serving(app)
        steady += sum(service["memory"] or 0 for service in running)
        steady += sum(database["memory"] or 0 for database in app["databases"])
        once = max((item["memory"] or 0 for item in app["services"] if item["run"] == "before_release"), default=0)
        second = (
            sum(service["memory"] or 0 for service in running if not service["singleton"])
            if app["strategy"] == "blue_green"
            else 0
        )
        if max(once, second) > extra:
            extra, costliest = max(once, second), app["name"]
    return steady, extra, costliest


def check_capacity(apps: list[App], server: dict[str, Any]) -> list[str]:
    """The server has the memory of all that runs at once during a release, and the CPUs of every single limit."""
    errors = []
    for index, app in enumerate(apps):
        for path, item in [*each(app, "services"), *each(app, "databases")]:
            if "cpus" in server and item.get("cpus") and item["cpus"] > server["cpus"]:
                limits = f"{item['cpus']:g} is more than the server's {server['cpus']:g}"
                errors.append(f"apps[{index}] '{app.get('name')}': {path}.cpus: {limits}")
    complete = all(
        app.keys() >= {"name", "services", "databases", "strategy"}
        and all(item and item.keys() >= {"memory"} for item in app["databases"])
        and all(item and item.keys() >= {"memory", "run", "singleton"} for item in app["services"])
        for app in apps
    )
    if not complete or not server.keys() >= {"memory", "reserved"}:
        return errors
    steady, extra, costliest = memory_needed(apps)
    needed = steady + extra + server["reserved"]
    if needed > server["memory"]:
        parts = [f"{human_size(steady)} for apps and databases"]
        if extra:
            parts.append(f"{human_size(extra)} more while '{costliest}' is released")
        parts.append(f"{human_size(server['reserved'])} reserved")
        errors.append(
            f"server.memory: {human_size(server['memory'])} is less than {human_size(needed)}, the sum of "
            f"{', '.join(parts)} (lower limits, use strategy: recreate, or take a larger server)"
        )
    return errors
