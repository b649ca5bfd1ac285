#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module sysctl_live."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sysctl_live
short_description: Give the running kernel these settings
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Compares settings with the running kernel's and writes those that differ, in one call. It writes no file; what is
    to last belongs into C(/etc/sysctl.d) as well.
  - Touches no other key, so nothing that another program has set (as Docker does with forwarding) is lost, which
    C(sysctl --system) does not promise.
  - Inside a container only C(net.) settings are the container's own; all others belong to the machine under it, are
    left alone and reported.
options:
  settings:
    description:
      - Values by key, as C(net.ipv4.tcp_syncookies).
    type: dict
    required: true
extends_documentation_fragment:
  - mainstay.platform.attributes
attributes:
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
seealso:
  - module: ansible.posix.sysctl
    description: One setting a call, with its file.
"""

EXAMPLES = r"""
- name: Forward packets, refuse redirects
  mainstay.platform.sysctl_live:
    settings:
      net.ipv4.ip_forward: 1
      net.ipv4.conf.all.accept_redirects: 0
"""

RETURN = r"""
applied:
  description: Settings that were given a new value, or would be in check mode.
  returned: always
  type: list
  elements: str
not_applied:
  description: Settings that the running kernel was not given, with the reason by key.
  returned: always
  type: dict
  sample: {kernel.kptr_restrict: belongs to the machine under the container}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.host import sysctl


def read(key: str) -> str | None:
    """Return a key's live value; None when there is no such key or it cannot be read (some are write-only)."""
    try:
        return Path(sysctl.path(key)).read_text()
    except OSError:
        return None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"settings": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    settings = module.params["settings"]
    live = {key: read(key) for key in settings}
    detect = module.get_bin_path("systemd-detect-virt")
    container = bool(detect) and module.run_command([detect, "--quiet", "--container"])[0] == 0
    plan = sysctl.plan(settings, live, container)

    skipped = dict(plan.skip)
    applied = {}
    for key, value in plan.write.items():
        try:
            if not module.check_mode:
                Path(sysctl.path(key)).write_text(value)
            applied[key] = value
        except OSError as error:
            skipped[key] = f"the kernel refuses '{value}': {error.strerror}"
    if skipped:
        module.warn(f"{len(skipped)} kernel settings are not in force: {sysctl.by_reason(skipped)}")
    module.exit_json(
        changed=bool(applied),
        applied=list(applied),
        not_applied=skipped,
        diff={
            "before_header": "running kernel",
            "after_header": "running kernel",
            "before": "".join(f"{key} = {sysctl.canonical(live[key])}\n" for key in applied),
            "after": "".join(f"{key} = {value}\n" for key, value in applied.items()),
        },
    )


if __name__ == "__main__":
    main()
