#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_stack_info
short_description: What apps run on a server, and what ran before
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Reads the state that P(mainstay.platform.app_stack#role) keeps and compares it with the containers that run.
options:
  apps:
    description: The apps to read. When empty, all that the server has.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
"""

EXAMPLES = r"""
- name: See what runs
  mainstay.platform.app_stack_info:
  register: running
"""

RETURN = r"""
apps:
  description: The apps, by name.
  returned: success
  type: list
  elements: dict
  contains:
    app:
      description: Name of the app.
      type: str
    serving:
      description: The release that serves, with C(id), C(release), C(slot), C(images) by service, and C(since).
      type: dict
    previous:
      description: The release that a rollback would go back to.
      type: dict
    rolled_back:
      description: The release that was rolled back and is left alone until another is named.
      type: dict
    refused:
      description: The last release, if it was refused, with the C(reason).
      type: dict
    amiss:
      description: What does not run as it should.
      type: list
      elements: str
      sample: ["worker is exited"]
    containers:
      description: Containers of the app with C(name), C(service), C(image), C(status) and C(restarts).
      type: list
      elements: dict
    history:
      description: What happened, the newest first.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.plan import amiss, projects
from ansible_collections.mainstay.platform.plugins.module_utils.release.runner import Runner, Services
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units


def info(app: str, services: Services) -> dict[str, Any]:
    """Return what is known of one app."""
    state = states.read(app)
    containers = services.containers(*projects(app))
    shown = ("name", "service", "image", "status", "restarts")
    return {
        "app": app,
        **{key: state[key] for key in ("serving", "rolled_back", "refused", "history")},
        "previous": states.previous(state),
        "amiss": amiss(state, containers),
        "containers": [{key: getattr(container, key) for key in shown} for container in containers],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"apps": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True
    )
    try:
        apps = [info(app, Runner(Docker(), Units())) for app in module.params["apps"] or states.known()]
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, apps=apps)


if __name__ == "__main__":
    main()
