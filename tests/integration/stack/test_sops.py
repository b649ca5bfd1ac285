# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory whose secrets SOPS has encrypted to a key of age, as docs/secrets.md says. Needs no server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest
import yaml

from testbed.outside import ROOT, run

PASSWORD = "only-sops-knows-this-one"
APP = {
    "name": "shop",
    "release": "v1",
    "services": [{"name": "web", "image": "registry.example/web", "memory": "64m"}],
    "databases": [
        {"name": "db", "engine": "postgresql", "version": "17", "memory": "64m", "password": "{{ shop_db_password }}"}
    ],
}
PLUGINS = {"ANSIBLE_VARS_ENABLED": "host_group_vars,community.sops.sops"}
# The environment of a virtual environment that is in use.
PATH = {"PATH": f"{ROOT}/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Inventory:
    """An operator's inventory in a folder, and the key to its secrets."""

    def __init__(self, folder: Path) -> None:
        key = pyrage.x25519.Identity.generate()
        self.folder, self.key = folder, {"SOPS_AGE_KEY": str(key)}
        self.secrets = folder / "group_vars/shop/vault.sops.yml"
        self.secrets.parent.mkdir(parents=True)
        rules = [{"path_regex": r"vault\.sops\.yml$", "age": str(key.to_public())}]
        (folder / ".sops.yaml").write_text(yaml.safe_dump({"creation_rules": rules}))
        (folder / "hosts.yml").write_text(yaml.safe_dump({"shop": {"hosts": {"localhost": {}}}}))
        (self.secrets.parent / "apps.yml").write_text(yaml.safe_dump({"apps": [APP]}))
        self.secrets.write_text(yaml.safe_dump({"shop_db_password": PASSWORD}))
        encrypt = [f"{ROOT}/.venv/bin/sops", "--disable-version-check", "--encrypt", "--in-place", str(self.secrets)]
        subprocess.run(encrypt, cwd=folder, check=True, timeout=60)

    def check(self, env: dict[str, str], good: bool = True) -> str:
        """Check the inventory as an operator with this environment."""
        play = ROOT / "tests/integration/stack/check.yml"
        words = ("-i", str(self.folder / "hosts.yml"), "-c", "local", "-e", f"expected={PASSWORD}", "-vvv")
        done = run(f"{ROOT}/.venv/bin/ansible-playbook", str(play), *words, check=good, env={**PATH, **env})
        assert good or done.returncode != 0, done.stdout
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    return Inventory(tmp_path_factory.mktemp("inventory"))


def test_who_has_the_key_reads_them(inventory: Inventory) -> None:
    written = inventory.secrets.read_text()
    assert PASSWORD not in written
    assert "shop_db_password: ENC[AES256_GCM," in written
    inventory.check({**PLUGINS, **inventory.key})


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param(
            {}, "is still encrypted by SOPS (enable its vars plugin: docs/secrets.md)", id="without the plugin"
        ),
        pytest.param(PLUGINS, "at least one key has to be successful", id="without the key"),
    ],
)
def test_nobody_else_does(inventory: Inventory, env: dict[str, str], expected: str) -> None:
    assert expected in " ".join(inventory.check(env, good=False).split())
