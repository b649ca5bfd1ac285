# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which modules are given stores, of either kind."""

from __future__ import annotations

from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import KINDS
from ansible_collections.mainstay.platform.plugins.module_utils.blob.module import CONNECTION_OPTIONS
from ansible_collections.mainstay.platform.plugins.module_utils.blob.s3 import KINDS as S3_KINDS

STORE_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["azure", "s3"]},
    "account_url": {"type": "str"},
    "container": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "region": {"type": "str"},
    "bucket": {"type": "str"},
    "addressing": {"type": "str", "choices": ["path", "virtual"]},
    "prefix": {"type": "str"},
    "ca_bundle": {"type": "path"},
    "timeout": {"type": "int", "default": 21600},
    "keep": {"type": "dict"},
    "credential": {
        "type": "dict",
        "options": {
            **CONNECTION_OPTIONS["credential"]["options"],
            "kind": {"type": "str", "choices": [*KINDS, *S3_KINDS]},
            "access_key_id": {"type": "str"},
            "secret_access_key": {"type": "str", "no_log": True},
            "session_token": {"type": "str", "no_log": True},
        },
    },
}
STORES: dict[str, Any] = {"type": "list", "elements": "dict", "options": STORE_OPTIONS, "required": True}
