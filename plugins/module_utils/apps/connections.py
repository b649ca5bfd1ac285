# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app's own variables say of its connection to a database: whether it may be without TLS. Pure."""

from __future__ import annotations

import re

# As the drivers of the engines call it: libpq, JDBC, asyncpg, mysql, mysql2, go-sql-driver, MongoDB's and Redis's.
# `prefer` and `allow` take a connection that is not encrypted where an attacker says that there is no other.
_SWITCH = re.compile(
    r"""(?ix)\b(
    (?:pg)?ssl[-_]?mode \s*=\s* ["']? (?:disabled?|allow|prefer(?:red)?) \b
    | (?:use)?(?:ssl|tls) \s*=\s* ["']? (?:false|disabled?|no|off|none|0) \b
    | ssl[-_]?disabled \s*=\s* ["']? (?:true|yes|on|1) \b
    )"""
)
_REDIS = re.compile(r"(?i)\b(?:redis|valkey)://")
_MODE = re.compile(r"(?i)disable|allow|prefer")


def unencrypted(name: str, value: str, host: str) -> str | None:
    """Return what in a variable lets a connection to ``host`` be without TLS, without any of its secrets; else None."""
    if name == "PGSSLMODE":
        return f"PGSSLMODE={value}" if _MODE.fullmatch(value) else None
    if not re.search(rf"(?i)(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", value):
        return None
    if found := _SWITCH.search(value):
        return re.sub(r"[\s\"']", "", found[1])
    if found := _REDIS.search(value):
        return found[0].lower()
    return None
