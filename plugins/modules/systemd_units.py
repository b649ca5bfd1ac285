#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module systemd_units."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: systemd_units
short_description: Settle several systemd units in one call
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Enables, starts, restarts or reloads a list of units. Reloads systemd itself first where a unit's file has changed.
  - A unit that fails to come up, or falls within O(settle) seconds, is an error with the last lines of its journal.
  - A unit that systemd skips because of a condition in the unit itself (as C(systemd-timesyncd) in a container) is no
    error and no change; it is named in RV(held_back).
options:
  units:
    description:
      - The units.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The unit; a service when it has no suffix.
        type: str
        required: true
      enabled:
        description: Whether it starts at boot. Left as it is when not given.
        type: bool
      state:
        description:
          - V(reloaded) reloads a unit that runs, restarts it when it cannot reload, leaves one that does not run.
        type: str
        choices: [started, stopped, restarted, reloaded]
  settle:
    description:
      - Seconds for which a unit that was just started must stay up.
    type: float
    default: 1.0
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
attributes:
  check_mode:
    details: Units whose package is not installed yet are reported as they would be changed.
seealso:
  - module: ansible.builtin.systemd_service
    description: One unit a call.
"""

EXAMPLES = r"""
- name: Run the monitoring
  mainstay.platform.systemd_units:
    units:
      - {name: prometheus, enabled: true, state: started}
      - {name: prometheus-node-exporter, enabled: true, state: started}
"""

RETURN = r"""
commands:
  description: The systemctl calls that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["systemctl start prometheus.service"]
held_back:
  description: Units that systemd did not start because a condition of theirs does not hold here.
  returned: always
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import units

LOG_LINES = 15


def show(module: AnsibleModule, names: list[str]) -> dict[str, units.Status]:
    """Return each unit as systemd knows it."""
    rc, out, err = module.run_command(["systemctl", "show", "-p", ",".join(units.PROPERTIES), *names])
    if rc != 0:
        module.fail_json(msg=f"systemd does not answer: {err.strip()}")
    return units.parse_show(out, names)


def journal(module: AnsibleModule, name: str) -> str:
    """Return the last lines that a unit has logged."""
    out = module.run_command(
        ["journalctl", "--unit", name, "--lines", str(LOG_LINES), "--no-pager", "--output", "cat"]
    )[1]
    return f"{name}, last lines of its journal:\n{out.strip()}"


def carry_out(module: AnsibleModule, steps: list[tuple[str, list[str]]], names: list[str]) -> dict[str, units.Status]:
    """Run systemctl, wait for what was started to settle, and return what came of it."""
    errors = []
    for verb, targets in steps:
        rc, _out, err = module.run_command(["systemctl", verb, *targets])
        if rc != 0:
            errors.append(f"'systemctl {verb} {' '.join(targets)}' failed: {err.strip()}")
    started = [n for verb, targets in steps if verb in ("start", "restart") for n in targets]
    if started:
        time.sleep(module.params["settle"])
    after = show(module, names)
    down = units.fallen(started, after)
    errors += [f"{n} did not stay up" for n in down]
    if errors:
        logs = [journal(module, n) for n in down or names]
        module.fail_json(msg="\n".join(errors + logs), errors=errors)
    return after


def main() -> None:
    """Run the module."""
    unit = {
        "name": {"type": "str", "required": True},
        "enabled": {"type": "bool"},
        "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
    }
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "options": unit, "required": True},
            "settle": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    wanted = units.wanted(module.params["units"])
    names = [u.name for u in wanted]
    if not names:
        module.exit_json(changed=False, commands=[], held_back=[])

    before = show(module, names)
    absent = units.missing(wanted, before)
    if absent and not module.check_mode:
        module.fail_json(msg=f"The server has no unit {', '.join(absent)}: install its package first")

    steps = units.plan(wanted, before)
    if any(before[n].stale for n in names):
        steps = units.with_reload(steps)
    after = before
    if not module.check_mode:
        after = carry_out(module, steps, names)
    # What systemd refused by a unit's own condition has changed nothing.
    commands = [" ".join(["systemctl", verb, *targets]) for verb, targets in units.promising(steps, after)]
    module.exit_json(
        changed=bool(commands),
        commands=commands,
        held_back=[n for n in names if after[n].held_back and not after[n].up],
        diff={
            "before_header": "units",
            "after_header": "units",
            "before": units.describe(before),
            "after": units.describe(after, commands if module.check_mode else []),
        },
    )


if __name__ == "__main__":
    main()
