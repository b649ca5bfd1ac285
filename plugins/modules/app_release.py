#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_release
short_description: Release apps on Docker Compose, one step at a time
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    The steps of a release that happen on the server: compare with what runs, start a candidate beside it, watch it,
    retire the old one, or undo. The proxy's switch comes between V(start) and V(finish). The role
    P(mainstay.platform.app_stack#role) puts the steps in order; use it instead of this module.
  - What serves and what served before is kept in C(/var/lib/mainstay/app_stack/<app>.json).
  - Whatever fails before the end leaves what served serving; the message has the reason and the last lines of the log.
options:
  step:
    description:
      - V(check) refuses what cannot follow what serves; it changes nothing.
      - V(plan) compares and says what is pending; it changes nothing.
      - V(rollback) is V(plan) for going back to an earlier release, from what is on the server alone.
      - >-
        V(start) does one pending item up to the point where the candidate may have the traffic: images, databases,
        migrations, candidate, health gate.
      - V(finish) watches the candidate, then retires what served before.
      - V(databases) runs the databases of every app and nothing else, so that they can be filled from backups first.
      - V(undo) removes the candidate and fails with O(reason).
      - V(absent) removes apps.
    type: str
    required: true
    choices: [check, plan, rollback, databases, start, finish, undo, absent]
  orders:
    description: >-
      What the inventory wants, from P(mainstay.platform.app_stack_tree#filter); for V(check), V(plan) and V(databases).
    type: list
    elements: dict
    default: []
  order:
    description: One of RV(pending), for V(start).
    type: dict
  app:
    description: The app, for V(rollback), V(finish) and V(undo).
    type: str
  apps:
    description: The apps to remove, for V(absent); with V(plan) and V(databases) the only ones, all where it is empty.
    type: list
    elements: str
    default: []
  release:
    description: With V(rollback), the tag or id of the release to go back to; without it the last that served.
    type: str
  rolling_back:
    description: With V(start), that O(order) is an earlier release.
    type: bool
    default: false
  reason:
    description: Why, for V(undo).
    type: str
  force:
    description: Release even what has been rolled back.
    type: bool
    default: false
  watch:
    description: For how many seconds V(finish) watches a candidate that has the traffic.
    type: float
    default: 5
  migration_timeout:
    description: After how many seconds a migration that has not ended is stopped.
    type: float
    default: 600
  keep:
    description: How many releases stay on the server, the serving one included.
    type: int
    default: 5
  purge:
    description: With V(absent), whether the data goes too.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: V(plan), V(rollback), V(databases) and V(absent) say what would happen; the other steps do nothing.
  diff_mode:
    support: full
    description: What runs or would run, and what stops, a line each.
"""

EXAMPLES = r"""
- name: See what there is to release
  mainstay.platform.app_release:
    step: plan
    orders: "{{ (app_stack_projects | mainstay.platform.app_stack_tree).orders }}"
  register: plan

- name: See what going back would do
  mainstay.platform.app_release:
    step: rollback
    app: shop
  check_mode: true
"""

RETURN = r"""
pending:
  description: What there is to do, for V(plan) and V(rollback).
  returned: with these steps
  type: list
  elements: dict
  contains:
    app:
      description: Name of the app.
      type: str
    order:
      description: What to hand to V(start).
      type: dict
    rolling_back:
      description: What to hand to V(start).
      type: bool
    restore:
      description: Traffic per slot to set first, because a run was cut off while it switched; null otherwise.
      type: dict
    text:
      description: What would be done, in words.
      type: list
      elements: str
notices:
  description: What is left alone, and why; releases that were rolled back, and apps that are not among O(orders).
  returned: with V(plan)
  type: list
  elements: str
known:
  description: Apps that this server has.
  returned: with V(rollback)
  type: list
  elements: str
candidate:
  description: Whether a candidate waits for the traffic and for V(finish).
  returned: with V(start)
  type: bool
weights:
  description: Traffic per slot that the candidate shall have; null where nothing is proxied.
  returned: with V(start)
  type: dict
  sample: {blue: 0, green: 100}
back:
  description: Traffic per slot to go back to.
  returned: with V(start)
  type: dict
  sample: {blue: 100, green: 0}
"""

import shutil
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.engine import SLOTS, Engine, Options
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.plan import other, plan_rollback


def weights(slot: str | None) -> dict[str, int] | None:
    """Return all the traffic for ``slot``."""
    return {name: 100 if name == slot else 0 for name in SLOTS} if slot else None


class Steps:
    """The steps, by name; each returns the module's result."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.docker = Docker()

    def engine(self, app: str) -> Engine:
        """Return the engine of an app with the options of this call."""
        chosen = {name: self.params[name] for name in ("watch", "migration_timeout", "keep", "force")}
        return Engine(app, self.docker, Options(**chosen))

    def check(self) -> dict[str, Any]:
        """Refuse what cannot follow what serves."""
        for order in self.params["orders"]:
            self.engine(order["app"]).check(order)
        return {"changed": False}

    def plan(self) -> dict[str, Any]:
        """Say what is pending."""
        pending, notices, before, after = [], [], [], []
        for order in self.params["orders"]:
            engine = self.engine(order["app"])
            todo = engine.plan(order)
            if self.params["apps"] and order["app"] not in self.params["apps"]:
                continue
            if todo.hold:
                notices.append(todo.hold)
            if todo.pending:
                pending.append(self._item(engine, order, todo.text, rolling_back=False))
            before.append(f"{order['app']}: {_named(engine.state['serving'])}")
            after += [f"{order['app']}: {line}" for line in todo.text] or [before[-1]]
        listed = {order["app"] for order in self.params["orders"]}
        notices += [
            f"{app} runs here but is not in the inventory. To remove it: role app_stack with app_stack_state: absent"
            for app in states.known()
            if app not in listed
        ]
        return {
            "changed": bool(pending) and self.module.check_mode,
            "pending": pending,
            "notices": notices,
            "diff": {"before": _lines(before), "after": _lines(after)},
        }

    def rollback(self) -> dict[str, Any]:
        """Say what going back would do."""
        app = self.params["app"]
        if app not in states.known():
            return {"changed": False, "pending": [], "known": states.known()}
        engine = self.engine(app)
        try:
            target = plan_rollback(engine.state, self.params["release"])
        except ValueError as error:
            raise ReleaseError(str(error)) from error
        serving = engine.state["serving"]
        text = [
            f"back to {target['id']} in slot {other(serving['slot'])}, in place of {serving['id']} in {serving['slot']}"
        ]
        item = self._item(engine, engine.rollback_order(target), text, rolling_back=True)
        diff = {"before": _lines([f"{app}: {_named(serving)}"]), "after": _lines([f"{app}: {text[0]}"])}
        return {"changed": self.module.check_mode, "pending": [item], "known": states.known(), "diff": diff}

    def databases(self) -> dict[str, Any]:
        """Run databases."""
        lines = []
        for order in self.params["orders"]:
            if not order["data"] or (self.params["apps"] and order["app"] not in self.params["apps"]):
                continue
            engine = self.engine(order["app"])
            done = engine.plan(order).data if self.module.check_mode else engine.databases(order)
            lines += [f"{order['app']}: {why}" for why in done]
        return {"changed": bool(lines), "msg": "; ".join(lines), "diff": {"before": "", "after": _lines(lines)}}

    def start(self) -> dict[str, Any]:
        """Start a candidate."""
        order = self.params["order"]
        done = self.engine(order["app"]).start(order, self.params["rolling_back"])
        proxied = done.candidate and order["upstreams"]
        return {
            "changed": done.changed,
            "candidate": done.candidate,
            "weights": weights(done.slot) if proxied else None,
            "back": weights(done.before) if proxied else None,
            "msg": "; ".join(done.text),
        }

    def finish(self) -> dict[str, Any]:
        """Retire what served before."""
        for warning in self.engine(self.params["app"]).finish():
            self.module.warn(warning)
        return {"changed": True}

    def undo(self) -> dict[str, Any]:
        """Remove the candidate."""
        self.engine(self.params["app"]).undo(self.params["reason"])
        raise ReleaseError(self.params["reason"])

    def absent(self) -> dict[str, Any]:
        """Remove apps."""
        removed = {
            app: self.engine(app).absent(self.params["purge"], self.module.check_mode) for app in self.params["apps"]
        }
        lines = [f"{app}: {what}" for app, whats in removed.items() for what in whats]
        return {"changed": bool(lines), "msg": "; ".join(lines), "diff": {"before": _lines(lines), "after": ""}}

    def _item(self, engine: Engine, order: Mapping[str, Any], text: list[str], rolling_back: bool) -> dict[str, Any]:
        serving, candidate = engine.state["serving"], engine.state["candidate"]
        cut_off = serving and candidate and candidate["step"] == "switch" and order["upstreams"]
        return {
            "app": engine.app,
            "order": order,
            "rolling_back": rolling_back,
            "restore": weights(serving["slot"]) if cut_off else None,
            "text": text,
        }


def _named(serving: dict[str, Any] | None) -> str:
    return f"{serving['id']} in slot {serving['slot']}" if serving else "nothing"


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "step": {
                "type": "str",
                "required": True,
                "choices": ["check", "plan", "rollback", "databases", "start", "finish", "undo", "absent"],
            },
            "orders": {"type": "list", "elements": "dict", "default": []},
            "order": {"type": "dict"},
            "app": {"type": "str"},
            "apps": {"type": "list", "elements": "str", "default": []},
            "release": {"type": "str"},
            "rolling_back": {"type": "bool", "default": False},
            "reason": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "watch": {"type": "float", "default": 5},
            "migration_timeout": {"type": "float", "default": 600},
            "keep": {"type": "int", "default": 5},
            "purge": {"type": "bool", "default": False},
        },
        required_if=[
            ("step", "rollback", ["app"]),
            ("step", "start", ["order"]),
            ("step", "finish", ["app"]),
            ("step", "undo", ["app", "reason"]),
        ],
        supports_check_mode=True,
    )
    step = module.params["step"]
    if module.check_mode and step in ("start", "finish", "undo"):
        module.exit_json(changed=False, skipped=True, msg=f"{step}: nothing is done in check mode")
    try:
        result = getattr(Steps(module), step)()
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        free = shutil.disk_usage("/").free // 1024**2
        module.fail_json(
            msg=f"{step} failed: {error} ({free} MiB are free on /). What served before serves on; run the play again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
