# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs an app: a Compose project for the databases, which outlives releases, and for each slot of the services
another one, or systemd units.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .. import users
from ..ports import SLOTS
from . import units
from .nginx_sites import upstreams

# What the upstream images of all engines run as.
DATABASE_USER = 999
# Opening a large database after a crash takes its time.
DATABASE_TIMEOUT = 180
DEFAULT_INTERVAL, DEFAULT_TIMEOUT = 2, 60
DEPLOY_KEY = "source/deploy_key"
MIGRATION_PROFILE = "before_release"
TMP = "/tmp"  # noqa: S108 - in the container, in memory

Model = Mapping[str, Any]
Compose = dict[str, Any]


def app_stack_projects(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the role ``app_stack`` runs for each app of the normalised model (shape: docs/architecture.md)."""
    return [_project(app) for app in apps]


def _project(app: Model) -> dict[str, Any]:
    name = app["name"]
    running = units.processes(app)
    always = [service for service in running if service["run"] == "always"]
    files = _unit_files(app) if app["runtime"] == "systemd" else _compose_files(app)
    return {
        "app": name,
        "runtime": app["runtime"],
        "source": _source(app),
        "release": app["release"],
        # Another key reads the same release.
        "id": f"{app['release']}-{_digest([file for file in files if file['dest'] != DEPLOY_KEY])}",
        "strategy": app["strategy"],
        "networks": [{"name": _network(app), "internal": True}] if _own(app) else [],
        "directories": _directories(app),
        "data": _data(app) if _own(app) else None,
        "files": files,
        "slots": {
            slot: {
                "project": f"{name}-{slot}",
                "ports": {service["name"]: service["ports"][slot] for service in always if service["port"]},
            }
            for slot in SLOTS
        },
        "images": {service["name"]: service["image"] or f"{name}:{app['release']}" for service in running},
        "health": [_health(app, service) for service in always],
        "migrations": [service["name"] for service in running if service["run"] == "before_release"],
        "singletons": [service["name"] for service in always if service["singleton"]],
        "upstreams": upstreams(dict(app)),
    }


def _compose_files(app: Model) -> list[dict[str, Any]]:
    return [
        _file("compose.yml", to_yaml(services_compose(app))),
        *(_file(f"slot-{slot}.yml", to_yaml(slot_compose(app, slot))) for slot in SLOTS),
        *(_file(dest, content, secret=True) for dest, content in env_files(app).items()),
    ]


def _unit_files(app: Model) -> list[dict[str, Any]]:
    source, secrets = app["source"], env_files(app, units.environment_file)
    build, key = source["build"], source["deploy_key"]
    return [
        *(_file(dest, content) for dest, content in units.unit_files(app).items()),
        *(_file(dest, content) for dest, content in units.variable_files(app).items()),
        *(_file(dest, content, secret=True) for dest, content in secrets.items()),
        # The app's user runs it.
        *([_file("source/build.sh", build, mode="0644")] if build else []),
        *([_file(DEPLOY_KEY, key.rstrip("\n") + "\n", secret=True)] if key else []),
    ]


def _source(app: Model) -> dict[str, Any] | None:
    """Return where a release comes from, without secrets, and as whom and with what it is made."""
    source = app["source"]
    if not source:
        return None
    uid, gid = (int(part) for part in users.derived(app["name"]).split(":"))
    paths = {volume["path"] for service in app["services"] for volume in service["volumes"]}
    archive = source["archive"] and source["archive"].replace("{release}", app["release"])
    return {
        "repository": source["repository"],
        "archive": archive,
        "checksum": source["checksum"],
        "packages": [*(["git"] if source["repository"] else []), *source["packages"]],
        "build": bool(source["build"]),
        "user": {"name": users.name(app["name"]), "uid": uid, "gid": gid},
        # What the sandbox has to have a place for.
        "mounts": sorted({*paths, *(f"/run/{database['name']}" for database in _own(app))}),
    }


def _own(app: Model) -> list[Model]:
    """Return the databases that run here, each with the directory of its socket where units are to reach it by that."""
    sockets = units.SOCKETS if app["runtime"] == "systemd" else {}
    return [
        {**database, "socket": sockets.get(database["engine"])}
        for database in app["databases"]
        if not database["external"]
    ]


def services_compose(app: Model) -> Compose:
    """Return the Compose file of the services, the same for both slots."""
    networks: Compose = {"default": {}}
    if _own(app):
        networks["data"] = {"external": True, "name": _network(app)}
    return {"services": {service["name"]: _service(app, service) for service in app["services"]}, "networks": networks}


def slot_compose(app: Model, slot: str) -> Compose:
    """Return what a slot adds to it: the loopback ports."""
    return {
        "services": {
            service["name"]: {"ports": [f"127.0.0.1:{service['ports'][slot]}:{service['port']}"]}
            for service in app["services"]
            if service["port"] and service["run"] == "always"
        }
    }


def databases_compose(app: Model) -> Compose:
    """Return the Compose file of the databases."""
    return {
        "services": {database["name"]: _database(app, database) for database in _own(app)},
        "networks": {"default": {"external": True, "name": _network(app)}},
        "secrets": {
            secret: {"file": f"./secrets/{secret}"} for database in _own(app) for secret in _database_secrets(database)
        },
    }


def env_file(variables: Mapping[str, str]) -> str:
    """Return ``variables`` as a file that Compose reads back to exactly these values.

    Double quotes are the one form of its parser (compose-go/dotenv) that can carry every value.
    """
    quoted = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join(f'{key}="{"".join(quoted.get(char, char) for char in value)}"\n' for key, value in variables.items())


def env_files(app: Model, form: Callable[[Mapping[str, str]], str] = env_file) -> dict[str, str]:
    """Return the files of secret variables: one for all services that use them all, one for each that names its own."""
    used = {units.secrets_file(service): _used(app, service) for service in units.processes(app)}
    return {dest: form({key: app["secrets"][key] for key in keys}) for dest, keys in sorted(used.items())}


def _used(app: Model, service: Model) -> list[str]:
    return [key for key in app["secrets"] if service["secrets"] is None or key in service["secrets"]]


def _service(app: Model, service: Model) -> Compose:
    once = service["run"] == "before_release"
    health = service["health"] or {}
    volumes = [_bind(f"{units.DATA}/{app['name']}/{volume['name']}", volume["path"]) for volume in service["volumes"]]
    compose: Compose = {
        "image": service["image"],
        **({"command": service["command"]} if service["command"] else {}),
        **({"profiles": [MIGRATION_PROFILE]} if once else {}),
        **_confined(service["user"]),
        "read_only": service["read_only"],
        "tmpfs": service["tmpfs"],
        **({"cap_add": service["capabilities"]} if service["capabilities"] else {}),
        **_limits(service["memory"], service["memory_reservation"], service["cpus"], service["pids"]),
        "environment": {**app["env"], **service["env"]},
        "env_file": [units.secrets_file(service)],
        **({"volumes": volumes} if volumes else {}),
        # Both slots answer to the same names on the databases' network; the slot's own network is asked first.
        "networks": {"default": {"priority": 1000}, **({"data": {}} if _own(app) else {})},
        "restart": "no" if once else "unless-stopped",
        "stop_grace_period": f"{service['stop_timeout']}s",
        **_logging(),
    }
    if health.get("command"):
        compose["healthcheck"] = {
            "test": ["CMD", *health["command"]],
            **_checked(health["timeout"]),
        }
    return compose


def _health(app: Model, service: Model) -> dict[str, Any]:
    health = service["health"] or {}
    return {
        "service": service["name"],
        "port": service["port"],
        "path": health.get("path"),
        "host": app["domains"][0] if app["domains"] else None,
        "interval": health.get("interval", DEFAULT_INTERVAL),
        "timeout": health.get("timeout", DEFAULT_TIMEOUT),
    }


def _data(app: Model) -> dict[str, Any]:
    files = [_file("compose.yml", to_yaml(databases_compose(app)), mode="0600")]
    for database in _own(app):
        for name, content in _database_secrets(database).items():
            files.append(_file(f"secrets/{name}", content, secret=True, mode="0400", owner=DATABASE_USER))
    return {
        "project": f"{app['name']}-data",
        "id": _digest(files),
        "files": files,
        "images": {database["name"]: database["image"] for database in _own(app)},
        "access": {
            database["name"]: {"engine": database["engine"], "user": database["user"]} for database in _own(app)
        },
        "health": [
            {
                "service": database["name"],
                "port": None,
                "path": None,
                "host": None,
                "interval": DEFAULT_INTERVAL,
                "timeout": DATABASE_TIMEOUT,
            }
            for database in _own(app)
        ],
    }


def _database(app: Model, database: Model) -> Compose:
    engine = _ENGINES[database["engine"]](database)
    data = [_bind(f"{units.DATA}/{app['name']}/{database['name']}", engine["volumes"])]
    if database["socket"]:
        engine["tmpfs"] = [mount for mount in engine["tmpfs"] if mount.partition(":")[0] != database["socket"]]
        data.append(_bind(units.socket_folder(app, database), database["socket"]))
    return {
        "image": database["image"],
        **_confined(f"{DATABASE_USER}:{DATABASE_USER}"),
        "read_only": True,
        **_limits(database["memory"], None, database["cpus"], 512),
        "secrets": [{"source": secret, "target": f"/run/secrets/{secret}"} for secret in _database_secrets(database)],
        **engine,
        "volumes": data,
        "healthcheck": {
            "test": ["CMD-SHELL", engine["healthcheck"]],
            **_checked(DATABASE_TIMEOUT),
        },
        "restart": "unless-stopped",
        "stop_grace_period": "120s",
        **_logging(),
    }


# Of each engine: what differs. ``volumes`` is where its data is, ``healthcheck`` a shell command that shows no password
# in a process list and fails while the image's entry point initialises (it listens on a socket or 127.0.0.1 then).


def _postgresql(database: Model) -> Compose:
    # From 18 on the image keeps a directory per major version below the mount.
    major = re.match(r"\d+", database["version"])
    return {
        "environment": {
            "POSTGRES_USER": database["user"],
            "POSTGRES_DB": database["database"],
            "POSTGRES_PASSWORD_FILE": f"/run/secrets/{database['name']}",
            "POSTGRES_INITDB_ARGS": "--data-checksums",
        },
        "tmpfs": [TMP, f"/run/postgresql:uid={DATABASE_USER},gid={DATABASE_USER},mode=0750"],
        "shm_size": 128 * 1024**2,
        "volumes": "/var/lib/postgresql" if major and int(major[0]) >= 18 else "/var/lib/postgresql/data",
        "healthcheck": 'pg_isready -q -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"',
    }


def _mongodb(database: Model) -> Compose:
    return {
        "environment": {
            "MONGO_INITDB_ROOT_USERNAME": database["user"],
            "MONGO_INITDB_DATABASE": database["database"],
            "MONGO_INITDB_ROOT_PASSWORD_FILE": f"/run/secrets/{database['name']}",
        },
        "tmpfs": [TMP, "/data/configdb"],
        "volumes": "/data/db",
        # mongosh costs half a second of CPU for each ping; that the server takes connections is enough here.
        "healthcheck": "bash -c '</dev/tcp/$HOSTNAME/27017'",
    }


def _redis(database: Model) -> Compose:
    name = database["name"]
    return {
        "command": ["redis-server", f"/run/secrets/{name}.conf"],
        # Redis reads its configuration at start only: another one is another definition. Its password is changed while
        # it runs (release/passwords.py).
        "labels": {"mainstay.configuration": _digest(_redis_configuration(database))},
        "tmpfs": [TMP],
        "volumes": "/data",
        "healthcheck": f'REDISCLI_AUTH="$(cat /run/secrets/{name})" redis-cli ping | grep -qx PONG',
    }


def _mysql(database: Model) -> Compose:
    # Both images know both names. Root is there for backups, inside the container alone; the password is one.
    secret = f"/run/secrets/{database['name']}"
    admin = "mariadb-admin" if database["engine"] == "mariadb" else "mysqladmin"
    return {
        "environment": {
            "MYSQL_USER": database["user"],
            "MYSQL_DATABASE": database["database"],
            "MYSQL_PASSWORD_FILE": secret,
            "MYSQL_ROOT_PASSWORD_FILE": secret,
            "MYSQL_ROOT_HOST": "localhost",
        },
        "tmpfs": [TMP, f"/run/mysqld:uid={DATABASE_USER},gid={DATABASE_USER},mode=0755"],
        "volumes": "/var/lib/mysql",
        "healthcheck": f'MYSQL_PWD="$(cat {secret})" {admin} --host=127.0.0.1 --user="$MYSQL_USER" --silent ping',
    }


_ENGINES: dict[str, Callable[[Model], Compose]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "mongodb": _mongodb,
    "redis": _redis,
}


def _database_secrets(database: Model) -> dict[str, str]:
    """Return the secret files of a database: name -> content."""
    secrets = {database["name"]: database["password"]}
    if database["engine"] == "redis":
        quoted = database["password"].replace("\\", "\\\\").replace('"', '\\"')
        secrets[f"{database['name']}.conf"] = f'requirepass "{quoted}"\n{_redis_configuration(database)}'
    return secrets


def _redis_configuration(database: Model) -> str:
    """Return all but the password."""
    return "\n".join(
        (
            "dir /data",
            "# A crash loses a minute at most.",
            "save 60 1",
            "# Refuse writes before the container's limit kills the server; the rest is for the fork that saves.",
            f"maxmemory {database['memory'] * 6 // 10}",
            "maxmemory-policy noeviction",
            # Who may enter the directory it is in may connect; the password is asked all the same.
            *([f"unixsocket {database['socket']}/redis.sock", "unixsocketperm 777"] if database["socket"] else []),
            "",
        )
    )


def _directories(app: Model) -> list[dict[str, Any]]:
    owners = {database["name"]: (DATABASE_USER, DATABASE_USER) for database in _own(app)}
    for service in app["services"]:
        uid, gid = (int(part) for part in service["user"].split(":"))
        for volume in service["volumes"]:
            owners.setdefault(volume["name"], (uid, gid))
    directories = [
        {"path": f"{units.DATA}/{app['name']}/{name}", "owner": uid, "group": gid, "mode": "0700"}
        for name, (uid, gid) in owners.items()
    ]
    if app["runtime"] == "systemd":
        group = int(users.derived(app["name"]).split(":")[1])
        directories += [
            {"path": units.socket_folder(app, database), "owner": DATABASE_USER, "group": group, "mode": "0750"}
            for database in _own(app)
        ]
    return directories


def _confined(user: str) -> Compose:
    return {"user": user, "init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}


def _limits(memory: int, reservation: int | None, cpus: float | None, pids: int) -> Compose:
    return {
        "mem_limit": memory,
        **({"mem_reservation": reservation} if reservation else {}),
        **({"cpus": cpus} if cpus else {}),
        "pids_limit": pids,
    }


def _checked(patience: int) -> Compose:
    # Seldom: each check costs a process in the container. A release does not wait for it but runs the command itself.
    return {"interval": "30s", "timeout": "10s", "retries": 3, "start_period": f"{patience}s"}


def _logging() -> Compose:
    return {"logging": {"driver": "journald", "options": {"tag": "{{.Name}}"}}}


def _bind(source: str, target: str) -> Compose:
    return {"type": "bind", "source": source, "target": target, "bind": {"create_host_path": False}}


def _network(app: Model) -> str:
    return f"{app['name']}-data"


def _file(dest: str, content: str, secret: bool = False, mode: str = "0600", owner: int = 0) -> dict[str, Any]:
    return {"dest": dest, "content": content, "mode": mode, "owner": owner, "group": owner, "secret": secret}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _literal(text: str) -> str:
    """Compose fills in variables wherever it sees a dollar sign; two of them are one that stays."""
    return text.replace("$", "$$")


def to_yaml(document: Compose) -> str:
    """Return a Compose file. Dollar signs stay what they are."""
    # Imported here because servers import this package too and may lack PyYAML.
    import yaml

    class Plain(yaml.SafeDumper):
        """Writes equal lists and mappings out in full instead of as aliases."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    return str(yaml.dump(_escaped(document), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return _literal(value)
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
