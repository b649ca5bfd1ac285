# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of config_tree: check the arguments, render the templates, send everything in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.mainstay.platform.plugins.module_utils.tree.spec import (
    Entry,
    Request,
    Source,
    TreeError,
    check,
    digest,
    pack,
)
from ansible_collections.mainstay.platform.plugins.plugin_utils import looks


class ActionModule(ActionBase):
    """Render on the controller, settle on the server."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check, render, compare with what was seen, or run the module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            request = check(self._task.args)
            entries = [] if request.state == "absent" else self._entries(request, task_vars or {})
        except TreeError as error:
            raise AnsibleActionFail("\n".join(error.errors)) from None
        variables = task_vars or {}
        seen = looks.recall(self, variables)
        if seen and request.state == "present" and seen["trees"].get(request.name) == digest(entries):
            return result | {"changed": False, "changed_files": [], "removed_files": []}
        arguments = {
            "name": request.name,
            "root": request.root,
            "state": request.state,
            "validate": request.validate,
            "payload": pack(entries),
        }
        return result | looks.settle(self, variables, "mainstay.platform.config_tree", arguments)

    def _entries(self, request: Request, task_vars: Mapping[str, Any]) -> list[Entry]:
        """Every entry with its content; raises TreeError with every template that cannot be rendered."""
        errors: list[str] = []
        entries = list(request.entries)
        found: dict[str, str] = {}
        for source in request.sources:
            if source.src is not None and source.src not in found:
                try:
                    found[source.src] = self._find_needle("templates", source.src)
                except AnsibleError as error:
                    errors.append(f"{source.label}: src: {error}")
        if errors:
            raise TreeError(errors)

        base = {"ansible_managed": constants.config.get_config_value("DEFAULT_MANAGED_STR"), **task_vars}
        search = [
            *task_vars.get("ansible_search_path", []),
            self._loader.get_basedir(),
            *map(os.path.dirname, found.values()),
        ]
        places = list(dict.fromkeys(place for path in search for place in (f"{path}/templates", path)))
        templar = self._templar.copy_with_new_env(searchpath=places, available_variables=base)
        texts = {src: trust_as_template(self._loader.get_text_file_contents(path)) for src, path in found.items()}
        for source in request.sources:
            if source.src is None:
                entries.append(source.entry)
                continue
            templar.available_variables = {
                **base,
                **source.variables,
                "template_path": source.src,
                "template_fullpath": found[source.src],
                "template_destpath": source.entry.path,
            }
            try:
                rendered = templar.template(
                    texts[source.src], escape_backslashes=False, overrides={"trim_blocks": True}
                )
                entries.append(replace(source.entry, content="" if rendered is None else str(rendered)))
            except AnsibleError as error:
                errors.append(f"{source.label}: template {source.src}: {_reason(source, error)}")
        if errors:
            raise TreeError(errors)
        return entries


def _reason(source: Source, error: AnsibleError) -> str:
    """Why a template cannot be rendered; for a secret file nothing that could hold one of its values."""
    if source.entry.secret and not isinstance(error, AnsibleUndefinedVariable):
        return f"{type(error).__name__} (details hidden: the file is secret)"
    return str(error)
