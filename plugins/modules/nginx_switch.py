#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module nginx_switch."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nginx_switch
short_description: Send an app's traffic to another slot, at once
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Writes the new weights to the state of the app and to nginx's upstreams, lets nginx test its configuration, reloads
    it and returns when every worker that takes connections serves the new slot. Connections in progress finish in their
    own time.
  - With an app's programs its static files go to the other slot, in the same file and by the same reload. Where slots
    share the traffic, a client gets the files of one of them.
  - When nginx refuses, the state and the upstreams are put back and traffic stays where it was.
options:
  app:
    description:
      - Name of the app.
    type: str
    required: true
  weights:
    description:
      - Slot to share of traffic, as whole numbers in any unit. A slot that is not named gets nothing.
    type: dict
    required: true
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
attributes:
  check_mode:
    details: On a server without the app's state it reports the change that it would make.
seealso:
  - module: mainstay.platform.nginx_upstreams
"""

EXAMPLES = r"""
- name: Send all traffic to green
  mainstay.platform.nginx_switch:
    app: shop
    weights: {blue: 0, green: 100}

- name: Send every twentieth request to green
  mainstay.platform.nginx_switch:
    app: shop
    weights: {blue: 95, green: 5}
"""

RETURN = r"""
weights:
  description: The weights that are in force, or would be in check mode.
  returned: success
  type: dict
  sample: {blue: 0, green: 100}
before:
  description: The weights that were in force.
  returned: success
  type: dict
  sample: {blue: 100, green: 0}
"""

from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import control, store, upstreams


def carry_out(module: AnsibleModule, files: Mapping[Path, str], before: Mapping[Path, str | None]) -> None:
    """Write, test, reload; put everything back when nginx refuses."""
    try:
        for path, content in files.items():
            store.put(path, content)
        control.check(module.run_command)
        control.reload(module.run_command)
    except control.NginxError as error:
        for path, old in before.items():
            store.put(path, old)
        module.fail_json(msg=f"nginx refused to switch, so traffic stays where it was:\n{error}")


def main() -> None:
    """Plan the switch, carry it out."""
    module = AnsibleModule(
        argument_spec={"app": {"type": "str", "required": True}, "weights": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    app, weights = module.params["app"], module.params["weights"]
    states = store.states()
    if app not in states:
        if module.check_mode:
            module.exit_json(changed=True, weights=weights, before={})
        module.fail_json(msg=upstreams.unserved(app, list(states)))
    try:
        state = upstreams.switch(states[app], weights)
    except upstreams.SwitchError as error:
        module.fail_json(msg=str(error))
    files = store.files(app, state, upstreams.render(state))
    before = {path: store.read(path) for path in files}
    changed = before != files
    if changed and not module.check_mode:
        carry_out(module, files, before)
    module.exit_json(
        changed=changed,
        weights=state["weights"],
        before=states[app]["weights"],
        diff=[
            {"before_header": str(path), "after_header": str(path), "before": before[path] or "", "after": files[path]}
            for path in files
        ],
    )


if __name__ == "__main__":
    main()
