# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects, split into files to write and orders to carry out. Pure; runs on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def tree(projects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``{files, directories, orders, secrets, packages}``.

    ``files`` hold content and so secrets, ``secrets`` those alone. ``packages`` are what releases are made with.
    """
    files: list[dict[str, Any]] = []
    directories: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    secrets: dict[str, dict[str, str]] = {}
    for project in projects:
        wanted, data = f"srv/{project['app']}/wanted", project["data"]
        private = [wanted, *([f"{wanted}/data"] if data else [])]
        # nginx, which serves static files of releases that are no images, passes through.
        directories += [{"dest": f"srv/{project['app']}", "mode": "0711" if project.get("source") else "0750"}]
        # What is copied from there has the same mode.
        directories += [{"dest": dest, "mode": "0700"} for dest in private]
        directories += [
            {"dest": item["path"].lstrip("/"), **{key: item[key] for key in ("owner", "group", "mode")}}
            for item in project["directories"]
        ]
        for part, items in (("release", project["files"]), ("data", data["files"] if data else [])):
            files += [{**item, "dest": f"{wanted}/{part}/{item['dest']}"} for item in items]
            own = {f"{part}/{item['dest']}": item["content"] for item in items if item.get("secret")}
            secrets.setdefault(project["app"], {}).update(own)
        order = {key: value for key, value in project.items() if key not in ("files", "directories", "data")}
        orders.append(
            {**order, "data": {key: value for key, value in data.items() if key != "files"} if data else None}
        )
    packages = sorted({name for project in projects for name in (project.get("source") or {}).get("packages", [])})
    return {"files": files, "directories": directories, "orders": orders, "secrets": secrets, "packages": packages}
