# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: taken by the server's own timers, verified, in the blob store, and good for bringing the data back."""

from __future__ import annotations

import json
import re

import outside
import pytest

JOBS = ("snippetly-postgres", "snippetly-mongo", "snippetly-redis", "server-state")


def folder(job: str) -> str:
    """Where the local copies of a job are."""
    return f"/var/backups/mainstay/{job.replace('-', '/')}"


@pytest.fixture(scope="module")
def backed_up(user: outside.User) -> str:
    """The id of a snippet that is in the newest backup, which the timers' own units took."""
    snippet = user.create_snippet("to be lost and found")
    for job in JOBS:
        outside.on_server(f"systemctl start mainstay-backup-{job}.service")
    return snippet


@pytest.mark.parametrize("job", JOBS)
def test_each_job_has_a_timer_and_its_run_succeeded(backed_up: str, job: str) -> None:
    unit = f"mainstay-backup-{job}"
    assert outside.on_server(f"systemctl is-active {unit}.timer").strip() == "active"
    assert outside.on_server(f"systemctl show -P Result {unit}.service").strip() == "success"


@pytest.mark.parametrize("job", JOBS)
def test_each_backup_is_proven_at_birth(backed_up: str, job: str) -> None:
    newest = outside.on_server(f"ls -t {folder(job)}/*.manifest.json | head -1").strip()
    manifest = json.loads(outside.on_server(f"cat {newest}"))
    assert manifest["verification"]["level"] == "full"
    assert manifest["verification"]["verdict"] == "ok", manifest["verification"]
    assert manifest["size"] > 0
    assert len(manifest["sha256"]) == 64
    assert int(outside.on_server(f"stat -c %a {newest}"), 8) & 0o077 == 0


def test_each_backup_is_in_each_store(backed_up: str) -> None:
    shown = " ".join(outside.playbook("playbooks/backups.yml").stdout.split())
    for job in JOBS:
        newest = outside.on_server(f"ls -t {folder(job)}/*.manifest.json | head -1")
        identity = re.search(r"\d{8}-\d{6}", newest)
        assert identity
        row = rf"{job.replace('-', f' {identity[0]} ')} .{{0,60}}full: ok (server, )?near, far "
        assert re.search(row, shown), shown[-6000:]


@pytest.mark.parametrize(
    "variables",
    [pytest.param({}, id="nearest-store"), pytest.param({"snippetly_backups_near_readers": {}}, id="blob-store-alone")],
)
def test_emptied_databases_are_restored_from_a_store(
    user: outside.User, backed_up: str, variables: dict[str, object]
) -> None:
    outside.lose_everything()
    assert user.read_snippet(backed_up).status_code >= 400, "the data should be gone before it is restored"
    outside.playbook("playbooks/restore.yml", app="snippetly", **variables)
    user.login()
    assert user.read_snippet(backed_up).json()["title"] == "to be lost and found"


def test_the_server_cannot_delete_its_backups() -> None:
    sas = outside.on_server("grep -rhoE 'sp=[a-z]+' /etc/mainstay | sort -u").split()
    assert sas == ["sp=c"], "the server must hold a create-only credential and no other"


def test_a_full_disk_during_a_dump_is_a_clear_error_and_loses_nothing(backed_up: str) -> None:
    folder = "/var/backups/mainstay/snippetly/postgres"
    before = outside.on_server(f"ls {folder}").split()
    outside.on_server(f"mount -t tmpfs -o size=64k tmpfs {folder}")
    try:
        done = outside.playbook("playbooks/backup.yml", check=False, backup_job="snippetly-postgres")
        left = outside.on_server(f"find {folder} -type f").split()
    finally:
        outside.on_server(f"umount {folder}")
    assert done.returncode != 0
    assert "space" in done.stdout.lower() or "free" in done.stdout.lower(), done.stdout[-3000:]
    assert [path for path in left if not path.endswith(".lock")] == []
    assert outside.on_server(f"ls {folder}").split() == before
