# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mainstay.platform.plugins.filter.backup_choose import backup_choose
from ansible_collections.mainstay.platform.plugins.filter.backup_folder import backup_folder
from ansible_collections.mainstay.platform.plugins.filter.backup_table import backup_table
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
    with pytest.raises(AnsibleFilterError, match=r"shop-db and blog-db would both write into 'db/'"):
        backup_units([JOB, other])
    assert len(backup_units([JOB, other], "{app}")) == 6


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


def test_folder() -> None:
    assert backup_folder(JOB, None) == "db/"
    with pytest.raises(AnsibleFilterError, match="a job with app and database is needed"):
        backup_folder({"name": "x"})


def test_choose() -> None:
    names = ("db/x-20261121-020000.rdb", "db/x-20261121-020000.rdb.manifest.json")
    objects = [{"name": name, "size": 5, "metadata": {"verdict": "ok"}} for name in names]
    assert backup_choose(objects, "db/", 20261121) == {
        "set": "20261121-020000", "names": [names[0]], "size": 5, "verdict": "ok",
    }  # fmt: skip
    with pytest.raises(AnsibleFilterError, match="there is no complete set in 'other/' of the store"):
        backup_choose(objects, "other/")


def backup(key: str = "20261121-020000", verdict: str = "ok") -> dict[str, Any]:
    return {
        "set": key, "file": f"x-{key}.rdb", "size": 2048, "started": "2026-11-21T02:00:00Z", "counts": {"db0": 3},
        "verification": {"level": "full", "verdict": verdict},
    }  # fmt: skip


def stored(key: str = "20261121-020000") -> list[dict[str, Any]]:
    known = {"job": "shop-db", "set": key, "verdict": "ok"}
    return [{"name": f"db/x-{key}.rdb{end}", "size": 9, "metadata": known} for end in ("", ".manifest.json")]


def lines(*jobs: dict[str, Any], objects: list[dict[str, Any]] | None = None) -> list[list[str]]:
    return [line.split() for line in backup_table(list(jobs), NOW + 600, objects)[1:]]


GOOD = {"name": "shop-db", "state": {"set": "20261121-020000"}, "backups": [backup()]}
ROW = ["shop-db", "20261121-020000", "10", "min", "2.0", "KiB", "3", "in", "1", "full:", "ok"]


@pytest.mark.parametrize(
    ("job", "objects", "expected"),
    [
        pytest.param(GOOD, None, [[*ROW, "yes"]], id="as the last run says"),
        pytest.param(GOOD | {"state": {}}, None, [[*ROW, "-"]], id="nobody knows"),
        pytest.param(GOOD, [], [[*ROW, "no"]], id="not in the store"),
        pytest.param(GOOD, stored(), [[*ROW, "yes"]], id="in the store"),
        pytest.param(GOOD, stored()[:1], [[*ROW, "no"]], id="in the store without its manifest"),
        pytest.param(
            {"name": "shop-db", "state": {}, "backups": []},
            stored(),
            [
                ["shop-db", "none", "on", "this", "server"],
                ["shop-db", "20261121-020000", "10", "min", "9", "B", "-", "ok", "only", "there"],
            ],
            id="in the store alone",
        ),
        pytest.param(
            GOOD | {"state": {"failing": True, "last_failure": NOW, "reason": "disk full"}},
            None,
            [[*ROW, "-"], ["shop-db:", "failed", "10", "min", "ago:", "disk", "full"]],
            id="failing",
        ),
    ],
)
def test_table(job: dict[str, Any], objects: list[dict[str, Any]] | None, expected: list[list[str]]) -> None:
    assert lines(job, objects=objects) == expected
