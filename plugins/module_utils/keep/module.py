# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules over several stores share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.backup import retention
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import MissingLibraryError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import BlobError
from ansible_collections.mainstay.platform.plugins.module_utils.blob.stores import Store, open_store, problems

T = TypeVar("T")


def check(module: AnsibleModule) -> list[dict[str, Any]]:
    """The stores of a module's options. Ends the module with everything that is wrong with them."""
    stores: list[dict[str, Any]] = module.params["stores"]
    try:
        errors = problems(stores)
    except MissingLibraryError as error:
        module.fail_json(msg=str(error))
    for index, store in enumerate(stores):
        try:
            retention.parse(store.get("keep"), f"stores[{index}] '{store['name']}': keep")
        except ValueError as error:
            errors += str(error).splitlines()
    if errors:
        module.fail_json(msg="\n".join(errors))
    return stores


@contextlib.contextmanager
def opened(settings: Mapping[str, Any]) -> Iterator[Store]:
    """A store, seen from its root: prefixes of backups have places for names in them."""
    with open_store({**settings, "prefix": ""}) as store:
        yield store


def root(settings: Mapping[str, Any]) -> str:
    """The start of all names of a store, up to the first place for a name."""
    return str(settings.get("prefix") or "").partition("{")[0].rstrip("/")


def tried(settings: Mapping[str, Any], work: Callable[[Store], T]) -> tuple[T | None, dict[str, Any]]:
    """Work on one store. Returns what came of it, and the store for the result: name, where, error, protection."""
    told: dict[str, Any] = {"name": settings["name"], "where": "", "error": "", "protection": []}
    try:
        with opened(settings) as store:
            told["where"] = store.where
            done = work(store)
            told["protection"] = [dataclasses.asdict(finding) for finding in store.protection()]
            return done, told
    except (BlobError, OSError) as error:
        told["error"] = str(error)
        return None, told
