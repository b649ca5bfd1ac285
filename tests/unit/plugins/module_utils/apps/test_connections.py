# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app's variables say of its own connection to a database elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.apps import ModelError, load
from ansible_collections.mainstay.platform.plugins.module_utils.apps.connections import unencrypted

from tests.unit.plugins.module_utils.apps.shop import apps

HOST = "db.example.net"
PG = f"postgresql://shop:p4ss-of-a-test-only@{HOST}:5432/shop"
MY = f"mysql://shop:p4ss-of-a-test-only@{HOST}/shop"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("A", PG, None, id="nothing said"),
        pytest.param("A", f"{PG}?sslmode=disable", "sslmode=disable", id="libpq off"),
        pytest.param("A", f"{PG}?sslmode=prefer&connect_timeout=3", "sslmode=prefer", id="libpq if it likes"),
        pytest.param("A", f"{PG}?sslmode=require", None, id="libpq on"),
        pytest.param("A", f"{PG}?sslmode=verify-full", None, id="libpq verified"),
        pytest.param("A", f"jdbc:postgresql://{HOST}/shop?ssl=false", "ssl=false", id="JDBC off"),
        pytest.param("A", f"host={HOST} user=shop sslmode = 'disable'", "sslmode=disable", id="keywords and values"),
        pytest.param("A", f"{MY}?ssl-mode=DISABLED", "ssl-mode=DISABLED", id="mysql off"),
        pytest.param("A", f"{MY}?ssl-mode=PREFERRED", "ssl-mode=PREFERRED", id="mysql if it likes"),
        pytest.param("A", f"{MY}?ssl-mode=REQUIRED", None, id="mysql on"),
        pytest.param("A", f"jdbc:mysql://{HOST}/shop?useSSL=false", "useSSL=false", id="Connector/J off"),
        pytest.param("A", f"shop:pw@tcp({HOST}:3306)/shop?tls=false", "tls=false", id="go-sql-driver off"),
        pytest.param("A", f"shop:pw@tcp({HOST}:3306)/shop?tls=true", None, id="go-sql-driver on"),
        pytest.param("A", f"{MY}?ssl_disabled=True", "ssl_disabled=True", id="mysql-connector-python off"),
        pytest.param("A", f"mongodb://shop:pw@{HOST}/shop?tls=false", "tls=false", id="mongodb off"),
        pytest.param("A", f"mongodb://shop:pw@a.example,{HOST}:27017/?ssl=true", None, id="mongodb on"),
        pytest.param("A", f"redis://:pw@{HOST}:6379/0", "redis://", id="redis off"),
        pytest.param("A", f"rediss://:pw@{HOST}:6379/0", None, id="redis on"),
        pytest.param("A", f"postgresql://u:p@other.{HOST}/x?sslmode=disable", None, id="a host below it"),
        pytest.param("A", f"postgresql://u:p@{HOST}.example/x?sslmode=disable", None, id="a host that begins alike"),
        pytest.param("A", "redis://:pw@redis:6379/0", None, id="another host"),
        pytest.param("PGSSLMODE", "disable", "PGSSLMODE=disable", id="libpq's variable off"),
        pytest.param("PGSSLMODE", "verify-full", None, id="libpq's variable on"),
        pytest.param("A", f"{PG}?application_name=nossl", None, id="something else"),
    ],
)
def test_unencrypted(name: str, value: str, expected: str | None) -> None:
    assert unencrypted(name, value, HOST) == expected


ELSEWHERE = {"0.databases.0.external": HOST, "0.databases.0.memory": None}
REASON = (
    f"lets the app talk to {HOST} without encryption, and databases[0].external.tls is true (take it out, or ask for "
    "TLS as the driver does: sslmode=verify-full, ssl-mode=VERIFY_IDENTITY, tls=true, rediss://)"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"0.secrets": {"URL": PG}}, [], id="nothing said"),
        pytest.param(
            {"0.secrets": {"URL": f"{PG}?sslmode=disable"}, "0.env": {"PGSSLMODE": "allow"}},
            [
                f"apps[0] 'shop': env.PGSSLMODE: 'PGSSLMODE=allow' {REASON}",
                f"apps[0] 'shop': secrets.URL: 'sslmode=disable' {REASON}",
            ],
            id="in a secret and in the environment",
        ),
        pytest.param(
            {"0.services.0.env": {"URL": f"{PG}?sslmode=disable"}},
            [f"apps[0] 'shop': services[0].env.URL: 'sslmode=disable' {REASON}"],
            id="in the environment of a service",
        ),
        pytest.param(
            {"0.secrets": {"URL": f"{PG}?sslmode=disable"}, "0.databases.0.external": {"host": HOST, "tls": False}},
            [],
            id="meant so",
        ),
    ],
)
def test_the_check_of_the_inventory(changes: dict[str, Any], expected: list[str]) -> None:
    wanted = apps({**ELSEWHERE, **changes})
    if not expected:
        load(wanted)
        return
    with pytest.raises(ModelError) as caught:
        load(wanted)
    assert caught.value.errors == expected
    assert "p4ss" not in str(caught.value)
