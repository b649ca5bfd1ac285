# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters over ``apps``: each is found by its name, projects, and reports every error."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.plugins.module_utils.apps.shop import apps

FILTERS = {
    "app_stack_projects": list,
    "backups_jobs": list,
    "certbot_certificates": list,
    "firewall_rules": list,
    "monitoring_targets": dict,
    "nginx_sites": list,
}


def apply(name: str, value: Any) -> Any:
    module = importlib.import_module(f"ansible_collections.mainstay.platform.plugins.filter.{name}")
    return module.FilterModule().filters()[name](value)


@pytest.mark.parametrize(("name", "type_"), FILTERS.items())
def test_projects(name: str, type_: type) -> None:
    result = apply(name, apps())
    assert isinstance(result, type_) and result
    assert result == apply(name, apps())


@pytest.mark.parametrize("name", FILTERS)
def test_reports_every_error(name: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        apply(name, apps({"0.services.1.memory": "1 gib", "1.services.0.port": 0}))
    assert str(caught.value).splitlines() == [
        "apps cannot be used:",
        "apps[0] 'shop': services[1].memory: '1 gib' is not a size (try '1g')",
        "apps[1] 'blog': services[0].port: 0 is not a port from 1 to 65535",
    ]
