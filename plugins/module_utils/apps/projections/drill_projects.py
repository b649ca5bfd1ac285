# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps as throw-away Compose projects: databases and services as in earnest, in one network without a way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import app_stack

Model = Mapping[str, Any]
Compose = dict[str, Any]


def drill_projects(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a drill starts for each app with databases (shape: docs/architecture.md). ``files`` are secret."""
    return [
        _project(app, real) for app, real in zip(apps, app_stack.app_stack_projects(apps), strict=True) if real["data"]
    ]


def _project(app: Model, real: Model) -> dict[str, Any]:
    units = app["runtime"] == "systemd"
    # A container's user has to read them, whoever runs the drill; nobody else gets into the directory they are in.
    secrets = [
        {"dest": item["dest"], "content": item["content"], "mode": "0444"}
        for item in real["data"]["files"]
        if item["secret"]
    ]
    databases = real["data"]["images"]
    elsewhere = [item["name"] for item in app["databases"] if item["name"] not in databases]
    return {
        "app": app["name"],
        "release": app["release"],
        "project": f"mainstay-drill-{app['name']}",
        "databases": real["data"]["health"],
        "elsewhere": elsewhere,
        "unstarted": _unstarted(app, elsewhere),
        "migrations": [] if units else real["migrations"],
        "health": [] if units else real["health"],
        "images": {**databases, **({} if units else real["images"])},
        "rto": app["rto"],
        "files": [
            {"dest": "compose.yml", "content": app_stack.to_yaml(compose(app)), "mode": "0600"},
            *({"dest": dest, "content": content, "mode": "0600"} for dest, content in app_stack.env_files(app).items()),
            *secrets,
        ],
    }


def _unstarted(app: Model, elsewhere: list[str]) -> str:
    """Return why the app's own release is not started, or nothing where it is."""
    if app["runtime"] == "systemd":
        return "its releases are units of a server, and a drill has containers alone (runtime: systemd)"
    return f"{', '.join(elsewhere)} is managed elsewhere" if elsewhere else ""


def compose(app: Model) -> Compose:
    """Return the one Compose file: no port, no way out, no directory of the host, nothing that restarts."""
    # Nothing on the server itself is to reach them.
    app = {**app, "services": [] if app["runtime"] == "systemd" else app["services"], "runtime": "compose"}
    databases = app_stack.databases_compose(app)
    services = app_stack.services_compose(app)
    volumes: Compose = {}
    result: Compose = {}
    for name, service in databases["services"].items():
        # Docker copies the owner of the image's directory to a new volume.
        result[name] = _alone(service, {f"data-{name}": mount["target"] for mount in service["volumes"]})
        volumes[f"data-{name}"] = {}
    for model in app["services"]:
        mounts = {f"volume-{volume['name']}": volume["path"] for volume in model["volumes"]}
        result[model["name"]] = _alone(services["services"][model["name"]], mounts)
        for volume in model["volumes"]:
            volumes[f"volume-{volume['name']}"] = {} if volume["backup"]["enabled"] else _owned(model["user"])
    return {
        "services": result,
        "networks": {"default": {"internal": True}},
        "volumes": volumes,
        "secrets": databases["secrets"],
    }


def _alone(service: Compose, volumes: Mapping[str, str]) -> Compose:
    kept = {key: value for key, value in service.items() if key not in ("networks", "logging", "volumes")}
    mounts = [{"type": "volume", "source": name, "target": path} for name, path in volumes.items()]
    return {**kept, "restart": "no", **({"volumes": mounts} if mounts else {})}


def _owned(user: str) -> Compose:
    """An empty volume that belongs to the service's user, which only a file system in memory can be told."""
    uid, gid = user.split(":")
    return {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"uid={uid},gid={gid},mode=0700"}}
