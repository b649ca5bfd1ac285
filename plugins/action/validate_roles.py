# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what the inventory sets of the roles' variables, all roles at once, before the first of them runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Hold variables against the roles' own argument_specs; needs no connection."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("roles",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return how many variables were checked, or fail with every error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        errors, checked = [], 0
        for role in self._task.args["roles"]:
            specification = self._options(role)
            given = self._templar.template({name: variables[name] for name in specification if name in variables})
            checked += len(given)
            found = ArgumentSpecValidator(specification).validate(given, validate_role_argument_spec=True)
            errors += [f"{role}: {message}" for message in found.error_messages]
            if role == "docker" and remaps(given):
                errors += [f"docker: {message}" for message in shifted(self._templar.template(variables.get("apps")))]
        if errors:
            raise AnsibleActionFail(explain(errors, variables.get("inventory_hostname", "this host")))
        return result | {"changed": False, "variables": checked}

    def _options(self, role: str) -> dict[str, Any]:
        """The options of a role's main entry point. What the playbook itself hands to the role may be missing yet."""
        # Ours and without templates, so the C parser will do: it is ten times as fast as Ansible's own loader.
        document = yaml.load(
            (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"), yaml.CSafeLoader
        )
        options = document["argument_specs"]["main"].get("options", {})
        return {name: {**option, "required": False} for name, option in options.items()}


def remaps(given: dict[str, Any]) -> bool:
    """Whether the role docker is to give containers users of their own on the server (userns-remap)."""
    options = given.get("docker_daemon_options")
    direct = options.get("userns-remap") if isinstance(options, dict) else None
    return bool(direct) or str(given.get("docker_userns_remap", False)).lower() in ("true", "yes", "on", "1")


def shifted(apps: Any) -> list[str]:
    """Return which of the apps keep what no container could read with userns-remap, each with the way out."""
    found = []
    for app in apps or []:
        databases = [item["name"] for item in app.get("databases") or [] if not item.get("external")]
        volumes = [volume["name"] for item in app.get("services") or [] for volume in item.get("volumes") or []]
        if kept := [
            *(f"database {name}" for name in databases),
            *(f"volume {name}" for name in dict.fromkeys(volumes)),
        ]:
            found.append(
                f"userns-remap moves the owners of all that containers see up by 100,000 or so, and {app['name']} "
                f"keeps {', '.join(kept)} on this server, which its containers could not read any more. Leave "
                "docker_userns_remap out, or keep them elsewhere (external databases, object storage)"
            )
    return found


def explain(errors: list[str], host: str) -> str:
    """Return the errors as the text of a failure: how many, each on its line, what to do next."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = [f"{count} in the variables of {host}; nothing has been changed.", *(f"  {error}" for error in errors)]
    lines.append(
        "Correct them where they are defined (group_vars), then run again. Each role's README says what is right."
    )
    return "\n".join(lines)
