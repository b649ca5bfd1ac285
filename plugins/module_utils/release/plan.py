# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to do for an app: its order (from the inventory) against its state and what runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container
from ansible_collections.mainstay.platform.plugins.module_utils.release.state import (
    Release,
    State,
    is_release,
    previous,
)

Order = Mapping[str, Any]


@dataclass
class Plan:
    """``release`` puts a release into ``slot``; ``repair``, ``data`` and ``tidy`` say why what runs is not what should.

    ``tidy`` lists Compose projects that should not run, ``litter`` files and folders that nobody needs.
    ``secrets`` says what of them has to be rotated first. ``hold`` says why the inventory's release is left alone.
    """

    app: str
    release: bool = False
    slot: str | None = None
    data: list[str] = field(default_factory=list)
    repair: list[str] = field(default_factory=list)
    tidy: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    hold: str | None = None
    text: list[str] = field(default_factory=list)

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.release or self.data or self.repair or self.tidy or self.secrets or self.litter)


def other(slot: str | None) -> str:
    """Return the slot for a new release beside the one in ``slot``; a new server begins with blue."""
    return "green" if slot == "blue" else "blue"


def plan(order: Order, state: State, running: Sequence[Container], force: bool = False) -> Plan:
    """Return what there is to do; ``running`` are the containers of all the app's projects, stopped ones too."""
    result = Plan(order["app"])
    serving = state["serving"]
    result.hold = None if force else _hold(order, state)
    result.release = not result.hold and (serving is None or not is_release(serving, order["id"]))
    result.data = _data(order, state, running)
    if result.release:
        result.slot = other(serving and serving["slot"])
        result.text.append(
            f"release {order['id']} in slot {result.slot}"
            + (f", in place of {serving['id']} in {serving['slot']}" if serving else "")
        )
    elif serving:
        result.slot = serving["slot"]
        result.repair = _amiss(_project(order["app"], serving["slot"]), serving["images"], running)
    result.tidy = leftovers(order["app"], state, running)
    result.text += [f"databases: {why}" for why in result.data]
    result.text += [f"{serving['id']}: {why}" for why in result.repair] if serving else []
    result.text += [f"remove {project}, which a run that was cut off has left behind" for project in result.tidy]
    return result


def plan_rollback(state: State, wanted: str | None) -> Release:
    """Return the release to go back to: the last that served, or the one named by tag or id. Raises ValueError."""
    app, serving = state["app"], state["serving"]
    if not serving:
        raise ValueError(f"{app}: nothing serves, so there is nothing to roll back")
    earlier = [release for release in state["released"] if release["id"] != serving["id"]]
    names = ", ".join(release["id"] for release in earlier) or "none"
    if wanted is None:
        last = previous(state)
        if not last:
            raise ValueError(
                f"{app}: {serving['id']} serves and no earlier release is kept. "
                "Name a release in the inventory and run site.yml"
            )
        return last
    target: Release | None = next(
        (release for release in earlier if wanted in (release["id"], release["release"])), None
    )
    if not target:
        raise ValueError(
            f"{app}: {wanted} is not an earlier release that is kept here (there are: {names}; {serving['id']} serves)"
        )
    return target


def projects(app: str) -> list[str]:
    """Return the Compose projects that an app may have."""
    return [f"{app}-{part}" for part in ("data", "blue", "green")]


def amiss(state: State, running: Sequence[Container]) -> list[str]:
    """Say what of that which serves does not run as it should."""
    app, serving, data = state["app"], state["serving"], state["data"]
    return [
        *(_amiss(f"{app}-data", data["images"], running) if data else []),
        *(_amiss(_project(app, serving["slot"]), serving["images"], running) if serving else []),
    ]


def _hold(order: Order, state: State) -> str | None:
    bad, serving = state["rolled_back"], state["serving"]
    if not bad or not serving or is_release(serving, order["id"]):
        return None
    # Where both have the same tag it was the configuration that was rolled back, and another configuration is welcome.
    same_tag = bad["release"] == order["release"] != serving["release"]
    if order["id"] != bad["id"] and not same_tag:
        return None
    return (
        f"{order['app']}: the inventory names {order['release']}, which was rolled back on {bad['at']}; "
        f"{serving['id']} keeps serving. "
        f"Name another release, or run with -e app_stack_force=true to release {order['release']} again."
    )


def _data(order: Order, state: State, running: Sequence[Container]) -> list[str]:
    wanted, had = order.get("data"), state["data"]
    if not wanted:
        return []
    if not had:
        return ["start them"]
    if had["id"] != wanted["id"]:
        return ["their definition has changed"]
    return _amiss(wanted["project"], wanted["images"], running)


def _amiss(project: str, images: Mapping[str, str], running: Sequence[Container]) -> list[str]:
    """Say which services of a project do not run as they should; ``images`` is what they should be created from."""
    found = {container.service: container for container in running if container.project == project}
    reasons = []
    for service, image in images.items():
        container = found.get(service)
        if container is None:
            reasons.append(f"{service} is missing")
        elif container.status != "running":
            reasons.append(f"{service} is {container.status}")
        elif container.image != image:
            reasons.append(f"{service} runs {container.image} instead of {image}")
    return reasons


def leftovers(app: str, state: State, running: Sequence[Container]) -> list[str]:
    """Return the projects of slots that run and do not serve."""
    serving = state["serving"]
    wanted = _project(app, serving["slot"]) if serving else None
    projects = {container.project for container in running}
    return [
        project
        for project in (_project(app, "blue"), _project(app, "green"))
        if project in projects and project != wanted
    ]


def _project(app: str, slot: str) -> str:
    return f"{app}-{slot}"
