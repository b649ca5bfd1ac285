# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.drill import versions

DEBIAN = "17.6 (Debian 17.6-1.pgdg13+1)"


@pytest.mark.parametrize(
    ("engine", "promised", "here", "verdict", "reason"),
    [
        pytest.param("postgresql", DEBIAN, "17.6", "ok", "17.6, as when it was made", id="the same"),
        pytest.param("postgresql", DEBIAN, "17.10", "ok", f"17.10, newer than {DEBIAN}, as it was", id="newer"),
        pytest.param("postgresql", DEBIAN, "17.5", "bad", f"17.5, older than {DEBIAN}", id="older"),
        pytest.param("postgresql", DEBIAN, "18.0", "bad", "another major version", id="a newer major version"),
        pytest.param("postgresql", DEBIAN, "16.10", "bad", "another major version", id="an older major version"),
        pytest.param("mysql", "8.0.40", "8.4.3", "ok", "newer than 8.0.40", id="MySQL, of one major version"),
        pytest.param("mysql", "8.4.3", "9.1.0", "bad", "another major version", id="MySQL, of another"),
        pytest.param("mariadb", "11.4.5-MariaDB", "11.8.2-MariaDB", "bad", "another major version", id="MariaDB"),
        pytest.param("mariadb", "11.8.2-MariaDB-ubu", "11.8.2-MariaDB", "ok", "as when it was made", id="a build"),
        pytest.param("mongodb", "7.0.5", "7.0.9", "ok", "newer than", id="MongoDB"),
        pytest.param("mongodb", "7.0.5", "7.2.0", "bad", "another major version", id="MongoDB, of another"),
        pytest.param("redis", "8.0.1", "8.0.0", "bad", "older than 8.0.1", id="Redis, older"),
        pytest.param("redis", "", "8.0.0", "not_verified", "the manifest names none", id="the manifest knows none"),
        pytest.param("redis", "8.0.0", "", "not_verified", "the server names none", id="the server says none"),
    ],
)
def test_servers(engine: str, promised: str, here: str, verdict: str, reason: str) -> None:
    found = versions.check("shop-db", engine, promised, here)
    assert (found.name, found.verdict) == ("shop-db: server", verdict)
    assert reason in found.reason
    assert found.required == (verdict != "not_verified")
