# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.filter.backup_pruned import backup_pruned
from ansible_collections.mainstay.platform.plugins.filter.backup_stores import backup_stores
from ansible_collections.mainstay.platform.plugins.filter.backup_timers import backup_timers
from ansible_collections.mainstay.platform.plugins.filter.backup_units import backup_units

NOW = 1_795_226_400.0
JOB = {
    "name": "shop-db",
    "app": "shop",
    "database": "db",
    "engine": "redis",
    "schedule": "daily",
    "password": "hunter2",
}
STORE = {
    "name": "near",
    "bucket": "b",
    "credential": {"access_key_id": "x", "secret_access_key": "hunter2"},
}


def test_units_hold_no_secret() -> None:
    files = backup_units([JOB])
    assert [item["dest"] for item in files] == [
        "etc/systemd/system/mainstay-backup-shop-db.service",
        "etc/systemd/system/mainstay-backup-shop-db.timer",
        "etc/systemd/system/timers.target.wants/mainstay-backup-shop-db.timer",
    ]
    assert files[2]["link"] == "/etc/systemd/system/mainstay-backup-shop-db.timer"
    assert "hunter2" not in repr(files)


def test_units_refuse_jobs_that_clash() -> None:
    other = JOB | {"name": "blog-db", "app": "blog"}
    with pytest.raises(AnsibleFilterError, match=r"shop-db and blog-db would both write into 'db/' of store 'near'"):
        backup_units([JOB, other], [STORE])
    assert len(backup_units([JOB, other], [STORE | {"prefix": "{app}"}])) == 6


def test_units_refuse_a_place_that_another_server_has() -> None:
    with pytest.raises(AnsibleFilterError, match=r"backups_stores: store 'near' is one folder for this server and two"):
        backup_units([JOB], [STORE], [], {"two": [STORE]})
    assert len(backup_units([JOB], [STORE], [], {"two": [STORE | {"prefix": "two"}]})) == 3


def test_units_say_all_that_is_wrong_and_no_secret() -> None:
    stores = [STORE | {"keep": {"dais": 3}}, STORE | {"credential": {"access_key_id": "x", "sas": "hunter2"}}]
    with pytest.raises(AnsibleFilterError) as error:
        backup_units([JOB], stores, ["age1x"])
    assert str(error.value) == "; ".join(
        [
            "backups_stores[1] 'near': name: another store has it already",
            "backups_stores[1] 'near': credential.secret_access_key: missing; kind access_key needs it",
            "backups_stores[1] 'near': credential.sas: does not go with kind access_key",
            "backups_stores[0] 'near': keep.dais: unknown (one of days, daily, weekly, monthly, yearly)",
            "backups_recipients[0]: 'age1x' is not a public key (try the age1… that age-keygen prints)",
        ]
    )


def test_timers() -> None:
    removed = [
        "/etc/systemd/system/mainstay-backup-old.service",
        "/etc/systemd/system/mainstay-backup-old.timer",
        "/etc/systemd/system/timers.target.wants/mainstay-backup-old.timer",
    ]
    assert backup_timers([JOB], removed) == [
        {"name": "mainstay-backup-shop-db.timer", "state": "started"},
        {"name": "mainstay-backup-old.timer", "state": "stopped"},
    ]
    assert backup_timers([]) == []


def test_stores_with_other_credentials() -> None:
    far = {"name": "far", "container": "c", "ca_bundle": "/on/the/server", "credential": "writer"}
    assert backup_stores([STORE, far], {"far": "reader"}) == [far | {"credential": "reader"}]
    assert backup_stores([far], {"far": "reader"}, "/here") == [far | {"credential": "reader", "ca_bundle": "/here"}]
    assert backup_stores([far], {"far": "reader"}, "") == [far | {"credential": "reader", "ca_bundle": None}]
    assert backup_stores([far], {}) == []
    with pytest.raises(AnsibleFilterError, match="there is no store fra; there are near, far"):
        backup_stores([STORE, far], {"fra": "reader"})
    with pytest.raises(AnsibleFilterError, match="by the names of stores"):
        backup_stores([far], ["reader"])


def test_what_was_pruned_and_why() -> None:
    known = {"store": "near", "job": "shop-db", "size": 2048, "error": "", "removed": False}
    sets = [
        known | {"set": "20261121-020000", "keep": True, "reason": "0.1 days old, 7 days are kept"},
        known | {"set": "20261101-020000", "keep": False, "reason": "20.0 days old, 7 days are kept", "removed": True},
        known | {"set": "20261102-020000", "keep": False, "reason": "19.0 days old, 7 days are kept"},
        known | {"set": "20261103-020000", "keep": False, "reason": "18.0 days old", "error": "is locked"},
    ]
    assert backup_pruned(sets) == [
        "store  job      set              size     -         why",
        "near   shop-db  20261101-020000  2.0 KiB  removed   20.0 days old, 7 days are kept",
        "near   shop-db  20261102-020000  2.0 KiB  would go  19.0 days old, 7 days are kept",
        "near   shop-db  20261103-020000  2.0 KiB  LOCKED    is locked",
        "near   shop-db  20261121-020000  2.0 KiB  stays     0.1 days old, 7 days are kept",
        "3 of 4 sets, 6.0 KiB",
    ]
    assert backup_pruned([]) == ["no sets"]
