#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module nginx_upstreams."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nginx_upstreams
short_description: Give every site its upstreams, from the state of the server
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Writes C(/etc/nginx/mainstay/upstreams.d/<app>.conf) for each site from C(/var/lib/mainstay/nginx/<app>.json). A
    site without a state starts with its slot C(blue).
  - Never flips a slot and never moves traffic to another port. That is what M(mainstay.platform.nginx_switch) is for.
options:
  sites:
    description:
      - The sites as the role C(nginx) takes them. Of each, C(name) and C(upstreams) matter, the latter a list of
        C(name) and C(ports), which map a slot to its port on loopback, or C(roots), which map it to its directory of
        static files, with the C(fallback) for paths that name no file.
    type: list
    elements: dict
    required: true
  prune:
    description:
      - Remove upstreams and states that no site names. Do so after the sites that referred to them are gone.
    type: bool
    default: false
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
seealso:
  - module: mainstay.platform.nginx_switch
"""

EXAMPLES = r"""
- name: Give every site its upstreams
  mainstay.platform.nginx_upstreams:
    sites:
      - name: shop
        upstreams:
          - {name: shop_web, ports: {blue: 20011, green: 20012}}
          - name: shop_pages
            roots: {blue: /srv/www/shop/blue, green: /srv/www/shop/green}
            fallback: /index.html
"""

RETURN = r"""
changed_files:
  description: Files that were written or removed.
  returned: always
  type: list
  elements: str
nginx:
  description: What the installed nginx is and can; empty when none is installed.
  returned: always
  type: dict
  sample: {version: 1.26.3, openssl: 3.5.7, http3: true, njs: 0.8.9-1}
stale:
  description: Apps and upstreams that no site names and that O(prune) would remove.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.nginx import control, store, upstreams


def wanted(sites: list[dict[str, Any]], prune: bool) -> tuple[dict[Path, str | None], list[str]]:
    """Path to content of every file as it shall be (None: gone), and what is stale."""
    states = store.states()
    files: dict[Path, str | None] = {}
    stale = []
    for site in sites:
        state = upstreams.settle(site, states.pop(site["name"], None), prune)
        files.update(store.files(site["name"], state, upstreams.render(state)))
        stale += upstreams.stale(state)
    gone = set(states) | store.closed() - {site["name"] for site in sites}
    if prune:
        files.update(dict.fromkeys((path for app in gone for path in store.all_of(app)), None))
    return files, stale + ([] if prune else sorted(gone))


def main() -> None:
    """Compare, write."""
    module = AnsibleModule(
        argument_spec={
            "sites": {"type": "list", "elements": "dict", "required": True},
            "prune": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        files, stale = wanted(module.params["sites"], module.params["prune"])
    except upstreams.SwitchError as error:
        module.fail_json(msg=str(error))
    before = {path: store.read(path) for path in files}
    changed = [path for path in files if files[path] != before[path]]
    if not module.check_mode:
        for path in changed:
            store.put(path, files[path])
        if module.params["prune"]:
            store.tidy()
    module.exit_json(
        changed=bool(changed),
        changed_files=[str(path) for path in changed],
        nginx=control.build(module.run_command) if module.get_bin_path("nginx") else {},
        stale=stale,
        diff=[
            {
                "before_header": str(path),
                "after_header": str(path),
                "before": before[path] or "",
                "after": files[path] or "",
            }
            for path in changed
        ],
    )


if __name__ == "__main__":
    main()
