# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input and wrong credentials: a clear error, and what served goes on serving."""

from __future__ import annotations

import json

import outside
import pytest
import yaml


@pytest.fixture
def extra(tmp_path):  # type: ignore[no-untyped-def]
    """Write variables to a file of the operator's, as one does with secrets."""

    def write(**variables: object) -> str:
        path = tmp_path / "extra.yml"
        path.write_text(yaml.safe_dump(variables))
        return f"@{path}"

    return write


def test_bad_apps_stop_the_run_before_any_server_is_touched(extra) -> None:  # type: ignore[no-untyped-def]
    before = outside.on_server("find /etc /srv /var/lib/mainstay -newermt '-5 seconds' -type f | sort")
    apps = [
        {
            "name": "Recipe",
            "release": "1",
            "services": [{"name": "web", "image": "x", "memory": "1 gib", "routes": ["/"]}],
        }
    ]
    done = outside.playbook("site.yml", "-e", extra(apps=apps), check=False)
    assert done.returncode != 0
    assert "'1 gib' is not a size" in done.stdout
    assert "Recipe" in done.stdout
    assert "Gathering Facts" not in done.stdout
    assert before == "" or "apps" not in before


WRONG_LOGIN = {"host": "registry.test:5000", "username": "snippetly", "password": "wrong-password-123"}
WRONG_DIRECTORY = "https://acme.test:14000/no-such-dir"


@pytest.mark.parametrize(
    ("variables", "tags", "expected"),
    [
        pytest.param({"docker_registries": [WRONG_LOGIN]}, "docker", ("registry.test:5000", "password"), id="registry"),
        pytest.param({"certbot_directory": WRONG_DIRECTORY}, "certbot", ("acme.test:14000",), id="acme"),
    ],
)
def test_wrong_credentials(extra, variables: dict[str, object], tags: str, expected: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    done = outside.playbook("site.yml", "--tags", tags, "-e", extra(**variables), check=False)
    try:
        assert done.returncode != 0, done.stdout[-3000:]
        for part in expected:
            assert part in done.stdout
        assert "wrong-password-123" not in done.stdout
        with outside.client() as http:
            assert http.get("/api/health").status_code == 200
    finally:
        outside.playbook("site.yml", "--tags", tags)


def test_a_wrong_store_credential_fails_loudly_and_keeps_the_local_backup(extra) -> None:  # type: ignore[no-untyped-def]
    listing = "ls /var/backups/mainstay/snippetly/postgres"
    before = set(outside.on_server(listing).split())
    show = ("ansible", outside.HOST, *outside.INVENTORY, "-m", "ansible.builtin.debug", "-a", "var=backups_stores")
    shown = outside.run(*show, env={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}).stdout
    stores = json.loads(shown.split("=>", 1)[1])["backups_stores"]
    stores[-1]["credential"] = {"kind": "sas", "sas": "sv=2025-01-05&sr=c&sp=c&se=2020-01-01T00%3A00%3A00Z&sig=AAAA"}
    done = outside.playbook(
        "playbooks/backup.yml", "-e", extra(backups_stores=stores, backup_job="snippetly-postgres"), check=False
    )
    assert done.returncode != 0
    assert "expired" in done.stdout
    assert "AAAA" not in done.stdout
    assert before <= set(outside.on_server(listing).split())
