# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loopback ports of services: the same on every run, without a list that somebody keeps."""

from __future__ import annotations

import hashlib

FIRST, COUNT = 20000, 10000
SLOTS = ("blue", "green")


def derived(app: str, service: str) -> dict[str, int]:
    """Return the loopback port per slot of a service, 20000 to 29999: ``{"blue": 20011, "green": 28734}``."""
    return {
        slot: FIRST + int.from_bytes(hashlib.sha256(f"{app}/{service}/{slot}".encode()).digest()[:8], "big") % COUNT
        for slot in SLOTS
    }
