#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module nginx_reload."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nginx_reload
short_description: Test nginx's configuration, reload it, wait until it serves
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Lets nginx test its configuration, reloads it and returns when every worker that takes connections has the new one.
  - A configuration that nginx refuses is an error with its own words, and the old one goes on serving.
extends_documentation_fragment:
  - mainstay.platform.attributes.no_diff
  - mainstay.platform.attributes.debian
"""

EXAMPLES = r"""
- name: Reload nginx
  mainstay.platform.nginx_reload:
"""

RETURN = r"""#"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import control


def main() -> None:
    """Test, reload."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    if not module.check_mode:
        try:
            control.check(module.run_command)
            control.reload(module.run_command)
        except control.NginxError as error:
            module.fail_json(msg=f"nginx refuses its configuration and goes on with the old one:\n{error}")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
