# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: a good one arrives without a gap, a bad one is refused while the old one serves."""

from __future__ import annotations

import outside
import pytest


def release(tag: str, check: bool = True) -> str:
    """Release ``tag`` as an operator would; returns what the run printed."""
    return outside.playbook("site.yml", "--tags", "release", check=check, snippetly_release=tag).stdout


def test_a_new_release_arrives_without_a_failed_request(user: outside.User) -> None:
    snippet = user.create_snippet("older than the release")
    before = outside.title()
    with outside.visitors() as failures:
        release("good-2")
    assert failures == []
    assert outside.title() != before
    assert user.read_snippet(snippet).json()["title"] == "older than the release"


def test_the_released_version_survives_site_yml() -> None:
    serving = outside.title()
    counts = outside.recap(outside.playbook("site.yml", snippetly_release="good-2").stdout)
    assert counts["changed"] == 0
    assert outside.title() == serving


@pytest.mark.parametrize(
    ("tag", "reasons"),
    [
        ("unhealthy", ("/api/health", "503")),
        ("never-ready", ("backend", "not")),
        ("bad-migration", ("migrate", "before_release")),
        ("no-such-release", ("no-such-release",)),
    ],
)
def test_a_bad_release_is_refused_and_the_old_one_serves_throughout(tag: str, reasons: tuple[str, ...]) -> None:
    serving = outside.title()
    with outside.visitors() as failures:
        done = outside.playbook("site.yml", "--tags", "release", check=False, snippetly_release=tag)
    assert done.returncode != 0
    assert any(reason in done.stdout for reason in reasons), done.stdout[-4000:]
    assert failures == []
    assert outside.title() == serving
    assert tag not in outside.on_server("docker ps --format '{{.Image}}'"), "the refused release is still running"


def test_rollback_brings_the_release_before_back() -> None:
    before = outside.title()
    with outside.visitors() as failures:
        outside.playbook("playbooks/rollback.yml", app="snippetly")
    assert failures == []
    assert outside.title() != before
    again = release("good-2", check=True)
    assert "rolled back" in again, "site.yml must say that it leaves a rolled back release alone"
    assert outside.title() != before
