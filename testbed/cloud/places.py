# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the test bed keeps its things, and the addresses of its network."""

from __future__ import annotations

from pathlib import Path

TESTBED = Path(__file__).resolve().parents[1]
ROOT = TESTBED.parent
CACHE = ROOT / ".cache"
STATE = TESTBED / ".state"
SECRETS = STATE / "secrets"
INVENTORY = TESTBED / "inventory"
WEED = (ROOT / ".venv" / "bin" / "weed").resolve()
MODULES = (TESTBED / "toolchain" / "node_modules").resolve()

NETWORK = "mainstay-bed"
SUBNETS = ("172.30.77.0/24", "fd77::/64")
GATEWAYS = ("172.30.77.1", "fd77::1")  # the machine itself: where the operator works from
DYNAMIC = "172.30.77.128/25"
ADDRESSES = {
    "acme.test": "172.30.77.10",
    "azurite.test": "172.30.77.11",
    "registry.test": "172.30.77.12",
    "mirror.test": "172.30.77.13",
    "sink.test": "172.30.77.14",
    "packages.test": "172.30.77.15",
    "s3.test": "172.30.77.16",
}
MIRROR_PORT, REGISTRY_PORT = 5001, 5002
ACCOUNT, CONTAINER = "snipback", "backups"
BUCKET = "backups"
