# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: backups_jobs
short_description: Backup jobs of the apps' databases and volumes, and of the server's own state
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - Gives one job for each database and each volume whose backup is not switched off.
  - The result holds the databases' passwords, so hand it on, never print it.
positional: _input
options:
  encrypted:
    description:
      - Whether backups are encrypted. Only then there is a job C(server-state), for what it packs holds private keys.
    type: bool
    default: false
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Back up
  ansible.builtin.import_role:
    name: mainstay.platform.backups
  vars:
    backups_jobs: "{{ apps | mainstay.platform.backups_jobs }}"
"""

RETURN = r"""
_value:
  description: Backup jobs of the apps' databases.
  type: list
  elements: dict
  contains:
    name:
      description: Name of the job.
      type: str
      sample: shop-db
    app:
      description: Name of the app.
      type: str
      sample: shop
    database:
      description: Name of the database in the model, which is its directory and its prefix in the store.
      type: str
      sample: db
    engine:
      description: Engine.
      type: str
      sample: postgresql
    container:
      description: Container that the database runs in; none where it runs elsewhere.
      type: str
      sample: shop-data-db-1
    user:
      description: User inside the database that makes backups; none for Redis.
      type: str
      sample: shop
    databases:
      description: Databases to dump; none for Redis, which is dumped whole.
      type: list
      elements: str
      sample: [shop]
    password:
      description: Password of the user. Secret.
      type: str
    schedule:
      description: When, as systemd's OnCalendar.
      type: str
      sample: "*-*-* 02:00:00 UTC"
    keep_local:
      description: Days that copies stay on the server.
      type: int
      sample: 7
    max_drop:
      description: Percent of bytes or counts that may be gone since the backup before.
      type: int
      sample: 50
    file_prefix:
      description: How names of the files begin.
      type: str
      sample: pg-backup
    host:
      description: Where a database is that does not run here; with C(port), C(socket), C(tls) and C(ca) as needed.
      type: str
    image:
      description: Image that has the client tools, where they are not taken from a container or the host.
      type: str
    paths:
      description: What to pack, for the engine V(files); with C(exclude) as needed.
      type: list
      elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import backups_jobs
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(backups_jobs)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backups_jobs": project(backups_jobs.backups_jobs)}
