#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_drill_record
short_description: Record how a recovery drill of an app went, and publish it as metrics
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Keeps the last drill of an app in C(/var/lib/mainstay/backups/drills/APP.json), and writes it for node exporter's
    text file collector, so that an alert can tell of drills that fail, take too long or are not made.
options:
  app:
    description:
      - Name of the app.
    type: str
    required: true
  result:
    description:
      - What M(mainstay.platform.app_drill) returned.
    type: dict
    required: true
  rto:
    description:
      - Seconds from the start until the app was well on the restored data.
    type: float
    required: true
  where:
    description:
      - Where it was made.
    type: str
    default: ""
  metrics_directory:
    description:
      - Directory of the text file collector. It is made when missing.
    type: path
    default: /var/lib/prometheus/node-exporter
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
"""

EXAMPLES = r"""
- name: Record a drill that went well
  mainstay.platform.app_drill_record:
    app: snippetly
    result: "{{ drill }}"
    rto: 48.2
"""

RETURN = r"""
drill:
  description: What is kept of it.
  returned: always
  type: dict
"""

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import files
from ansible_collections.mainstay.platform.plugins.module_utils.backup import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.backup.record import load_state
from ansible_collections.mainstay.platform.plugins.module_utils.drill.ledger import DRILLS, entry, metrics


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "result": {"type": "dict", "required": True},
            "rto": {"type": "float", "required": True},
            "where": {"type": "str", "default": ""},
            "metrics_directory": {"type": "path", "default": "/var/lib/prometheus/node-exporter"},
        },
        supports_check_mode=True,
    )
    params = module.params
    state = shared.STATE / DRILLS / f"{params['app']}.json"
    folder = Path(params["metrics_directory"])
    kept = entry(load_state(state), params["result"], params["rto"], params["where"], time.time())
    if not module.check_mode:
        try:
            files.private_directory(state.parent)
            files.write_atomic(state, json.dumps(kept, indent=2) + "\n")
            folder.mkdir(parents=True, exist_ok=True)
            files.write_atomic(
                folder / f"mainstay_drill_{params['app']}.prom", metrics(params["app"], kept), mode=0o644
            )
        except OSError as error:
            module.fail_json(msg=f"the drill of '{params['app']}' could not be recorded: {error}")
    module.exit_json(changed=True, drill=kept)


if __name__ == "__main__":
    main()
