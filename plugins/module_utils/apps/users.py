# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of apps that run on the server itself: the same on every server, so that restored files belong to them."""

from __future__ import annotations

import hashlib

# Of people's accounts (1000 to 59999 by Debian's policy) the end that adduser reaches last.
FIRST, COUNT = 50000, 9000
# The longest name of an app whose user Linux can still name (31 characters).
LONGEST = 27


def name(app: str) -> str:
    """Return the name of an app's user."""
    return f"app-{app}"


def derived(app: str) -> str:
    """Return user and group of an app as ``uid:gid``, both the same number from 50000 to 58999."""
    number = FIRST + int.from_bytes(hashlib.sha256(app.encode()).digest()[:8], "big") % COUNT
    return f"{number}:{number}"
