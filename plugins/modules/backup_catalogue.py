#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_catalogue
short_description: Tell what backup sets the stores hold
version_added: 0.1.0
author: "Mainstay contributors (@mainstay-platform)"
description:
  - Reads the manifests of all sets in every store, and compares them with what is there. Needs nothing but the stores
    and a credential that reads them, no server that ever made a backup.
  - A store that cannot be read is in the result with its error, and hinders no other.
  - Says of each store what keeps its objects from being replaced or removed, or that it could not be seen.
extends_documentation_fragment:
  - mainstay.platform.blob.stores
  - mainstay.platform.attributes.read_only
seealso:
  - plugin: mainstay.platform.backup_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What is there
  mainstay.platform.backup_catalogue:
    stores: "{{ backups_stores | mainstay.platform.backup_stores(backups_readers) }}"
  register: catalogue
  vars:
    ansible_python_interpreter: /opt/mainstay/venv/bin/python
"""

RETURN = r"""
sets:
  description: One entry for each set of a job in a store, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    store: {description: Name of the store., type: str, returned: always}
    folder: {description: Where it lies., type: str, returned: always}
    set: {description: Its id. All that an app's jobs made in one run have the same., type: str, returned: always}
    job: {description: The job that made it., type: str, returned: always}
    app: {description: The app., type: str, returned: always}
    database: {description: Name of the database in the list of apps., type: str, returned: always}
    engine: {description: Kind of the database., type: str, returned: always}
    names: {description: Its backups., type: list, elements: str, returned: always}
    size: {description: Bytes of all of them., type: int, returned: always}
    started: {description: When it was begun., type: str, returned: always}
    whole: {description: Whether all is there that its manifests promise., type: bool, returned: always}
    problem: {description: Why it is not whole., type: str, returned: always}
    proven: {description: Whether it is whole and was proven when it was made., type: bool, returned: always}
    verdict: {description: Verdict at birth., type: str, returned: always}
    level: {description: Level of that verification., type: str, returned: always}
    recipients:
      description: Public keys that it is encrypted to; none when it is not.
      type: list
      elements: str
      returned: always
    counted: {description: "Rows, documents and keys in it.", type: int, returned: always}
stores:
  description: Each store with name, where, error (empty when it could be read) and protection (name, verdict, reason).
  returned: always
  type: list
  elements: dict
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.blob.store_options import STORES
from ansible_collections.mainstay.platform.plugins.module_utils.keep import module as shared
from ansible_collections.mainstay.platform.plugins.module_utils.keep.shelf import look


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"stores": STORES}, supports_check_mode=True)
    sets, told = [], []
    for settings in shared.check(module):
        found, answer = shared.tried(settings, partial(look, name=settings["name"], prefix=shared.root(settings)))
        sets += [entry.as_dict() for entry in found or []]
        told.append(answer)
    module.exit_json(changed=False, sets=sorted(sets, key=lambda item: (item["set"], item["job"])), stores=told)


if __name__ == "__main__":
    main()
