# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What blob_upload, blob_download and blob_info share: options, the way to a client, the end of a failure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import (
    Client,
    MissingLibraryError,
    open_client,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import KINDS, resolve
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.plan import MIB

CONNECTION_OPTIONS: dict[str, Any] = {
    "account_url": {"type": "str"},
    "connection_string": {"type": "str", "no_log": True},
    "credential": {
        "type": "dict",
        "options": {
            "kind": {"type": "str", "required": True, "choices": list(KINDS)},
            "account_key": {"type": "str", "no_log": True},
            "sas": {"type": "str", "no_log": True},
            "connection_string": {"type": "str", "no_log": True},
            "client_id": {"type": "str"},
            "tenant_id": {"type": "str"},
            "client_secret": {"type": "str", "no_log": True},
            "authority": {"type": "str"},
        },
    },
    "container": {"type": "str", "required": True},
    "ca_bundle": {"type": "path"},
    "timeout": {"type": "int", "default": 21600},
}


@contextlib.contextmanager
def connected(module: AnsibleModule, absent: Callable[[], dict[str, Any]] | None = None) -> Iterator[Client]:
    """A client from the module's options. Failures end the module with their message.

    ``absent`` gives the result of a check mode on a machine that lacks the library.
    """
    options = module.params
    try:
        endpoint = resolve(options["account_url"], options["credential"], options["connection_string"])
        if options["timeout"] < 1:
            raise ValueError(f"timeout: {options['timeout']} is not a number of seconds")
        with open_client(
            endpoint,
            options["container"],
            ca_bundle=options["ca_bundle"],
            timeout=options["timeout"],
        ) as client:
            yield client
    except MissingLibraryError as error:
        if module.check_mode and absent is not None:
            module.exit_json(**absent(), warnings=[f"Not compared with the store: {error}"])
        module.fail_json(msg=str(error))
    except BlobError as error:
        module.fail_json(msg=str(error), **({"code": error.code} if error.code else {}))
    except ValueError as error:
        module.fail_json(msg=str(error))


def check_concurrency(module: AnsibleModule) -> None:
    """Ends the module where the number of connections makes no sense."""
    if not 1 <= module.params["concurrency"] <= 32:
        module.fail_json(msg=f"concurrency: {module.params['concurrency']} is not a number from 1 to 32")


def speed(size: int, seconds: float) -> str:
    """``300.0 MiB in 2.1 s (142.9 MiB/s)``."""
    return f"{size / MIB:.1f} MiB in {seconds:.1f} s ({size / MIB / max(seconds, 0.001):.1f} MiB/s)"
