#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_rotate
short_description: Give a secret of an app another value, everywhere on a server
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Changes a password inside the database, restarts the services that use the secret and no others, and writes the
    new value into every release that is kept, so that a rollback does not bring the old one back.
  - >-
    Where a service does not become well with the new value, the database and the services get the old one again, and
    the module fails with the reason and the last lines of the log.
  - >-
    It looks at what is there: whether the database takes the password, what the containers have, what files say. So a
    second run changes nothing, and one that was cut off can be run again.
  - C(playbooks/rotate.yml) puts the steps in order; use it instead of this module.
options:
  order:
    description: The app's order from P(mainstay.platform.app_stack_tree#filter).
    type: dict
    required: true
  wanted:
    description: The app's files with secrets, by path, from the same filter.
    type: dict
    required: true
  name:
    description: >-
      Name of a database or of one of the app's secrets. A password and the variables that hold it change together,
      whichever of them is named.
    type: str
    required: true
  watch:
    description: For how many seconds services are watched after they have become well.
    type: float
    default: 5
attributes:
  check_mode:
    support: full
    description: Asks the databases, compares, and says what would be done.
  diff_mode:
    support: full
    description: What is done, a line each; no values.
"""

EXAMPLES = r"""
- name: Rotate the password of a database
  mainstay.platform.app_rotate:
    order: "{{ tree.orders | selectattr('app', 'equalto', 'shop') | first }}"
    wanted: "{{ tree.secrets.shop }}"
    name: db
  vars:
    tree: "{{ apps | mainstay.platform.app_stack_projects | mainstay.platform.app_stack_tree }}"
"""

RETURN = r"""
rotated:
  description: What has changed together, by name.
  returned: success
  type: list
  elements: str
databases:
  description: Databases whose password was changed, or would be.
  returned: success
  type: list
  elements: str
services:
  description: Services that were restarted, or would be.
  returned: success
  type: list
  elements: str
lines:
  description: All of it in words.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.engine import Engine, Options
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.rotation import told


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "order": {"type": "dict", "required": True},
            "wanted": {"type": "dict", "required": True, "no_log": True},
            "name": {"type": "str", "required": True},
            "watch": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    app = params["order"]["app"]
    try:
        engine = Engine(app, Docker(), Options(watch=params["watch"]))
        todo = engine.rotate(params["order"], params["wanted"], params["name"], dry=module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{app}: {error}. What was begun is kept in mind: run it again when the cause is gone")
    lines = told(app, params["name"], todo, module.check_mode)
    module.exit_json(
        changed=todo.pending,
        rotated=[*todo.scope.databases, *todo.scope.variables] if todo.pending else [],
        databases=todo.databases,
        services=todo.services,
        lines=lines,
        diff={"before": "", "after": "".join(f"{app}: {line}\n" for line in todo.text)},
    )


if __name__ == "__main__":
    main()
