# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one look at a server has shown, kept on the controller for the rest of its play.

It lies in the directory that Ansible makes for one run of a playbook and removes afterwards, because the tasks of a
play run in processes of their own and a fact would end up in the fact cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase


def remember(action: ActionBase, task_vars: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
    """Keep what was seen: ``{"packages": [name], "units": {name: status}, "trees": {name: digest},
    "runtime": {"python": [3, 13], "current": {kind: id}}}``."""
    if place := _place(action, task_vars):
        place.touch(0o600)
        place.write_text(json.dumps(seen), encoding="utf-8")


def recall(action: ActionBase, task_vars: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was seen of the task's own host in its play; None where that is nothing, or no longer holds."""
    place = _place(action, task_vars)
    if place is None or not place.exists():
        return None
    seen: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return seen


def settle(
    action: ActionBase, task_vars: Mapping[str, Any], module: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Run a module on the server; what it changes ends what the look has shown."""
    result: dict[str, Any] = action._execute_module(
        module_name=module, module_args=dict(arguments), task_vars=task_vars
    )
    place = _place(action, task_vars)
    if place and (result.get("changed") or result.get("failed")):
        place.unlink(missing_ok=True)
    return result


def _place(action: ActionBase, task_vars: Mapping[str, Any]) -> Path | None:
    """The file of this host and play; none for a task that another host does in its place."""
    play = action._task.get_play()
    if action._task.delegate_to is not None or play is None:
        return None
    name = hashlib.sha256(f"{play._uuid} {task_vars['inventory_hostname']}".encode()).hexdigest()
    return Path(constants.DEFAULT_LOCAL_TMP) / f"mainstay-look-{name}.json"
