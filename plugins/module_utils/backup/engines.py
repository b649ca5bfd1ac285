# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engines by their names."""

from __future__ import annotations

from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine
from ansible_collections.mainstay.platform.plugins.module_utils.backup.mongodb import MongoDB
from ansible_collections.mainstay.platform.plugins.module_utils.backup.mysql import MariaDB, MySQL
from ansible_collections.mainstay.platform.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.mainstay.platform.plugins.module_utils.backup.redis import Redis
from ansible_collections.mainstay.platform.plugins.module_utils.backup.tree_files import Files

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (PostgreSQL, MySQL, MariaDB, MongoDB, Redis, Files)
}
