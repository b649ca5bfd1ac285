# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test of a converged server shares."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "testbed"))

import outside


@pytest.fixture(scope="session", autouse=True)
def server_is_up() -> None:
    """The tests look at a server that a run of site.yml has made; they do not make it."""
    os.environ["PATH"] = f"{outside.ROOT / '.venv/bin'}:{os.environ['PATH']}"
    outside.wait_for("the product's health check", lambda: healthy(), timeout=60)


def healthy() -> bool:
    """Whether the product says that it and its databases are well."""
    with outside.client() as http:
        return http.get("/api/health").status_code == 200


@pytest.fixture(scope="session")
def user() -> outside.User:
    """One registered user of the product."""
    return outside.User().register()
