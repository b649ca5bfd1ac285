# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a projection of the app model into a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load


def project(projection: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that loads ``apps`` and projects it; what is wrong with them becomes AnsibleFilterError."""

    def apply(apps: Any, **options: Any) -> Any:
        try:
            return projection(load(apps), **options)
        except ModelError as error:
            raise AnsibleFilterError("apps cannot be used:\n" + "\n".join(error.errors)) from None

    return apply
