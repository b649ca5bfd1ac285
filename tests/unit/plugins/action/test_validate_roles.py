# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's variables are held against its own specification, before the first role runs."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible_collections.mainstay.platform.plugins.action.validate_roles import ActionModule

ROLES = ["hardening", "docker", "certbot", "nginx", "app_stack", "runtime", "backups", "monitoring"]


def run(variables: dict[str, Any]) -> dict[str, Any]:
    templar = MagicMock()
    templar.template.side_effect = lambda value: value
    action = ActionModule(
        task=MagicMock(Task, async_val=0, check_mode=False, diff=False, args={"roles": ROLES}, action="x"),
        connection=MagicMock(),
        play_context=MagicMock(check_mode=False),
        loader=DataLoader(),
        templar=templar,
        shared_loader_obj=MagicMock(),
    )
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "web-1", **variables})
    return result


def test_nothing_set_is_fine() -> None:
    assert run({})["variables"] == 0


def test_what_is_right_is_counted() -> None:
    assert run({"nginx_http3": True, "certbot_curve": "secp384r1", "other": 1})["variables"] == 2


def test_every_error_of_every_role_at_once() -> None:
    with pytest.raises(AnsibleActionFail) as failure:
        run({"nginx_http3": "perhaps", "hardening_profile": "stricter", "monitoring_state": "maybe"})
    told = str(failure.value)
    assert told.startswith("3 errors in the variables of web-1; nothing has been changed.")
    for word in ("hardening: ", "nginx: ", "monitoring: ", "'perhaps'", "stricter", "maybe"):
        assert word in told, word


KEEPS = {
    "name": "shop",
    "services": [{"name": "web", "volumes": [{"name": "uploads", "path": "/u"}]}, {"name": "w"}],
    "databases": [{"name": "db", "external": None}, {"name": "far", "external": "db.example.net"}],
}
STATELESS = {"name": "pages", "services": [{"name": "web"}], "databases": [{"name": "far", "external": {"host": "d"}}]}


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"docker_userns_remap": True}, id="by the role's variable"),
        pytest.param({"docker_userns_remap": "yes"}, id="as a string"),
        pytest.param({"docker_daemon_options": {"userns-remap": "default"}}, id="by the engine's own"),
    ],
)
def test_data_that_containers_could_not_read_is_refused(variables: dict[str, Any]) -> None:
    with pytest.raises(AnsibleActionFail) as failure:
        run({**variables, "apps": [STATELESS, KEEPS]})
    told = str(failure.value)
    assert told.startswith("1 error in the variables of web-1; nothing has been changed.")
    assert "docker: userns-remap moves the owners" in told
    assert "shop keeps database db, volume uploads on this server" in told


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"docker_userns_remap": False, "apps": [KEEPS]}, id="off"),
        pytest.param({"docker_userns_remap": True, "apps": [STATELESS]}, id="nothing is kept"),
        pytest.param({"docker_userns_remap": True}, id="no apps"),
    ],
)
def test_users_of_their_own_where_nothing_is_kept(variables: dict[str, Any]) -> None:
    assert run(variables)["changed"] is False


def site(**upstream: Any) -> dict[str, Any]:
    """A site of nginx's with one upstream."""
    upstreams = [{"name": "shop_web", **upstream}]
    routes = [{"path": "/", "upstream": "shop_web"}]
    return {"name": "shop", "domains": [], "certificate": "shop", "upstreams": upstreams, "routes": routes}


@pytest.mark.parametrize(
    "upstream",
    [
        pytest.param({"ports": {"blue": 20001, "green": 20002}}, id="a program"),
        pytest.param({"roots": {"live": "/srv/www/shop"}}, id="files"),
        pytest.param({"roots": {"blue": "/srv/b", "green": "/srv/g"}, "fallback": "/index.html"}, id="with a fallback"),
        pytest.param({"roots": {"blue": "/srv/b", "green": "/srv/g"}, "fallback": None}, id="as derived from apps"),
        pytest.param({"service": "web", "ports": {"blue": 20001}, "fallback": None}, id="a program without one"),
    ],
)
def test_sites_of_programs_and_of_files(upstream: dict[str, Any]) -> None:
    assert run({"nginx_sites": [site(**upstream)]})["variables"] == 1


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        pytest.param({}, "one of the following is required: ports, roots", id="neither"),
        pytest.param(
            {"ports": {"blue": 1}, "roots": {"blue": "/srv/b"}},
            "parameters are mutually exclusive: ports|roots",
            id="both",
        ),
        pytest.param(
            {"ports": {"blue": 1}, "fallback": "/index.html"},
            "missing parameter(s) required by 'fallback': roots",
            id="fallback of a program",
        ),
    ],
)
def test_sites_of_nothing(upstream: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail) as failure:
        run({"nginx_sites": [site(**upstream)]})
    assert message in str(failure.value)
