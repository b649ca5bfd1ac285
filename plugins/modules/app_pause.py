#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_pause
short_description: Stop the services of an app for a while, and start exactly those again
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Stops the running containers of an app's slots. Its databases go on running.
  - Remembers what it has stopped in C(/var/lib/mainstay/backups/APP.paused), so that a play that was interrupted
    between the two can be run again.
options:
  app:
    description:
      - Name of the app.
    type: str
    required: true
  state:
    description:
      - V(paused) stops its services, V(resumed) starts them and waits until they are well, by the health checks of the
        release that serves.
    type: str
    choices: [paused, resumed]
    required: true
  restoring:
    description:
      - For V(paused), the backup jobs whose data is about to be restored, each with the set that it is restored from
        (empty for a file that is in no set). Until V(resumed) the app is not backed up, and
        M(mainstay.platform.backup_fetch) goes on with these sets. V(resumed) is refused while one of them is half
        restored.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds to wait for the services to be healthy.
    type: int
    default: 180
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
"""

EXAMPLES = r"""
- name: Stop what writes into the database
  mainstay.platform.app_pause:
    app: snippetly
    state: paused
"""

RETURN = r"""
containers:
  description: The containers and units that were stopped or started.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup import unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.backup.pause import Pause
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.engine import Engine, Options
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["paused", "resumed"], "required": True},
            "restoring": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    params = module.params
    pause = Pause(params["app"], shared.STATE)
    try:
        if not module.check_mode and params["state"] == "paused":
            unfinished.hold(shared.STATE, params["app"], params["restoring"])
        elif not module.check_mode:
            # Before they are started: what is there is right, even where a service does not become healthy with it.
            unfinished.release(shared.STATE, params["app"])
    except BackupError as error:
        module.fail_json(msg=f"app '{params['app']}' stays stopped: {error}")
    try:
        if params["state"] == "paused":
            names = pause.running()
            if not module.check_mode:
                pause.stop(names)
        else:
            names = pause.remembered()
            if not module.check_mode:
                pause.start(names, params["timeout"])
                Engine(params["app"], Docker(), Options()).well()
    except BackupError as error:
        module.fail_json(msg=f"app '{params['app']}': {error}")
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(names), containers=names)


if __name__ == "__main__":
    main()
