# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory that a server keeps for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Literal(str):
    """A string that must never be taken for a template."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(_Literal, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def render(host: str, variables: Mapping[str, Any], python: str) -> str:
    """YAML of an inventory with one host, which is the machine itself.

    Strings come out as they are: a password with ``{{`` in it is no template.
    """
    connection = {"ansible_connection": "local", "ansible_python_interpreter": python}
    inventory = {"all": {"hosts": {_plain(host): {**connection, **_plain(variables)}}}}
    return yaml.dump(inventory, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=160)


def _plain(value: Any) -> Any:
    # Ansible's own kinds of strings, numbers, lists and mappings become ordinary ones.
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        text = str.__str__(value)
        return _Literal(text) if any(mark in text for mark in ("{{", "{%", "{#")) else str(text)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, float) else value
