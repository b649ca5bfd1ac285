#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_install
short_description: Put Ansible, the store's library and this collection on a server
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Makes a virtual environment with exactly the given packages, and puts the controller's copy of this collection
    beside it, so that timers on the server run the same playbooks as an operator.
  - Each version is built beside the one in use; a link moves when it is complete. When something fails, the old version
    stays in use.
  - Nothing is transferred when the server has what the controller has. The collection travels as one archive.
options:
  root:
    description:
      - Where everything lies. C(venv) and C(collections) in it are links to the versions in use.
    type: path
    default: /opt/mainstay
  requirements:
    description:
      - The packages, in pip's format, pinned and with hashes. Needed for O(state=present).
    type: str
  python:
    description:
      - The interpreter to make the environment with, 3.11 or later.
    type: str
    default: /usr/bin/python3
  state:
    description:
      - V(absent) removes both.
    type: str
    choices: [present, absent]
    default: present
  _collection:
    description: Set by the action plugin. Hash of the collection.
    type: str
  _archive:
    description: Set by the action plugin. The collection on the server.
    type: path
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
"""

EXAMPLES = r"""
- name: Put Ansible and this collection on the server
  mainstay.platform.runtime_install:
    requirements: "{{ lookup('ansible.builtin.file', 'requirements.txt') }}"
"""

RETURN = r"""
installed:
  description: What came or went, C(venv) and C(collections).
  returned: success
  type: list
  elements: str
"""

import json
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.runtime import install


def _version(module: AnsibleModule, python: str) -> tuple[int, int]:
    program = "import json, sys; print(json.dumps(sys.version_info[:2]))"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        module.fail_json(msg=f"python: {python} does not run: {error}")
    major, minor = json.loads(done.stdout)
    if (major, minor) < (3, 11):
        module.fail_json(
            msg=f"python: {python} is {major}.{minor}, and ansible-core 2.19 needs 3.11 or later; "
            "run the timers from the controller"
        )
    return major, minor


def _present(module: AnsibleModule, root: Path) -> None:
    options = module.params
    wanted = install.wanted(options["requirements"], _version(module, options["python"]), options["_collection"])
    missing = [kind for kind, identity in wanted.items() if not install.is_current(root, kind, identity)]
    if module.check_mode or not missing:
        module.exit_json(changed=bool(missing), installed=missing)
    if "collections" in missing and not options["_archive"]:
        # The action plugin answers with the archive.
        module.exit_json(changed=True, installed=[], archive_needed=True)
    builders = {
        "venv": install.build_environment(options["python"], install.pinned(options["requirements"])),
        "collections": install.build_collection(Path(options["_archive"] or "")),
    }
    try:
        for kind in missing:
            install.install(root, kind, wanted[kind], builders[kind])
    except install.RuntimeInstallError as error:
        module.fail_json(msg=f"{root}: {error}; the version in use is unchanged")
    except OSError as error:
        module.fail_json(msg=f"{root}: {error.strerror} ({error.filename}); the version in use is unchanged")
    module.exit_json(changed=True, installed=missing)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": install.ROOT},
            "requirements": {"type": "str"},
            "python": {"type": "str", "default": install.PYTHON},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "_collection": {"type": "str"},
            "_archive": {"type": "path"},
        },
        required_if=[("state", "present", ("requirements", "_collection"))],
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    if module.params["state"] == "present":
        _present(module, root)
    there = [kind for kind in ("venv", "collections") if (root / kind).is_symlink()]
    if not module.check_mode:
        install.remove(root)
    module.exit_json(changed=bool(there) or (root / "versions").exists(), installed=there)


if __name__ == "__main__":
    main()
