#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: look
short_description: Look at a server once, so that tasks with nothing to do need no trip to it
version_added: 0.1.0
description:
  - Learns in one trip which packages are installed, how systemd's units are, and which trees of
    M(mainstay.platform.config_tree) are just as they were settled, by content, owner and mode, and which versions of
    M(mainstay.platform.runtime_install) are in use.
  - For the rest of the play, these modules and M(mainstay.platform.packages) and M(mainstay.platform.systemd_units)
    answer by themselves where this shows that there is nothing to do. Where there is, they go to the server as ever.
  - The first of them that changes something ends this, because one change may bring another.
  - Meant for the beginning of a play whose other tasks do not change what the roles look after. Without this task
    everything works the same, only slower.
options:
  units:
    description: Units to look at as well, which systemd may not have loaded because they are off.
    type: list
    elements: str
    default: []
author:
  - Mainstay contributors (@mainstay-platform)
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
  - mainstay.platform.attributes.debian
notes:
  - What was seen stays in the controller's temporary directory until the playbook ends. It is in no variable, fact or
    cache.
"""

EXAMPLES = r"""
- name: Make the server what the inventory says
  hosts: all
  become: true
  tasks:
    - name: Look at it once
      mainstay.platform.look:

    - name: Serve the sites
      ansible.builtin.import_role:
        name: mainstay.platform.nginx
"""

RETURN = r"""
packages:
  description: How many packages are installed.
  returned: success
  type: int
units:
  description: How many services and timers systemd has loaded.
  returned: success
  type: int
trees:
  description: Names of the trees that are just as they were settled.
  returned: success
  type: list
  elements: str
  sample: [docker, nginx]
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import apt, units
from ansible_collections.mainstay.platform.plugins.module_utils.runtime import install
from ansible_collections.mainstay.platform.plugins.module_utils.tree import apply, settled
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import RECORDS


def trees() -> dict[str, str]:
    """Digest of each tree that is as it was settled, by the tree's name."""
    found = {}
    for record in sorted(Path(RECORDS).glob("*.json")):
        proof = apply.read_settled(str(record))
        if proof and settled.holds(proof, apply.look, apply.uid_of, apply.gid_of):
            found[record.stem] = proof["digest"]
    return found


def runtime() -> dict[str, Any]:
    """The runtime in its usual place, if this is the Python that it is built with: ``{"python", "current"}``."""
    usual = Path(install.PYTHON).exists() and Path(sys.executable).samefile(install.PYTHON)
    return {"python": list(sys.version_info[:2]), "current": install.current(Path(install.ROOT))} if usual else {}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"units": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True
    )
    # A server without dpkg or systemd has nothing of either to show; the tasks that need them say so.
    properties = ",".join(("Id", *units.PROPERTIES))
    shown = module.run_command(["systemctl", "show", "-p", properties, "*.service", "*.timer", *module.params["units"]])
    module.exit_json(
        changed=False,
        packages=sorted(apt.installed(module.run_command([*apt.QUERY])[1])),
        units={name: asdict(status) for name, status in units.parse_all(shown[1]).items()},
        trees=trees(),
        runtime=runtime(),
    )


if __name__ == "__main__":
    main()
