# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.drill import route as routes
from ansible_collections.mainstay.platform.plugins.module_utils.drill.route import failure, pieces, route, told


def job(app: str, database: str, engine: str) -> dict[str, str]:
    return {"name": f"{app}-{database}", "app": app, "database": database, "engine": engine}


SHOP = [job("shop", "db", "postgresql"), job("shop", "cache", "redis")]
STATE = job("server", "state", "files")
HOSTS = {"prod": [*SHOP, job("blog", "db", "mysql"), STATE], "stage": SHOP, "lone": [job("wiki", "db", "mongodb")]}
BOTH = ["shop-db", "shop-cache"]


@pytest.mark.parametrize(
    ("wanted", "sources", "jobs", "left_out", "into", "pause"),
    [
        pytest.param({"app": "blog"}, {"prod": "prod"}, ["blog-db"], [], "", True, id="into place"),
        pytest.param(
            {"app": "shop"},
            {"prod": "prod", "stage": "stage"},
            BOTH,
            [],
            "",
            True,
            id="wherever the app is, each its own",
        ),
        pytest.param({"app": "blog", "database": "db"}, {"prod": "prod"}, ["blog-db"], [], "", True, id="one database"),
        pytest.param(
            {"app": "blog", "to": "beside"}, {"prod": "prod"}, ["blog-db"], [], routes.NEW, False, id="beside"
        ),
        pytest.param(
            {"app": "wiki", "into": "copy"}, {"lone": "lone"}, ["wiki-db"], [], "copy", False, id="beside under a name"
        ),
        pytest.param(
            {"app": "shop", "to": "beside"},
            {"prod": "prod", "stage": "stage"},
            ["shop-db"],
            ["shop-cache"],
            routes.NEW,
            False,
            id="what has no names is left out",
        ),
        pytest.param({"app": "shop", "to": "stage"}, {"stage": "prod"}, BOTH, [], "", True, id="on another host"),
        pytest.param(
            {"app": "server", "to": "beside"},
            {"prod": "prod"},
            ["server-state"],
            [],
            routes.NEW,
            False,
            id="the server's own state, to look into",
        ),
        pytest.param(
            {"app": "shop", "to": "stage", "source": "stage"},
            {"stage": "stage"},
            BOTH,
            [],
            "",
            True,
            id="its own stores",
        ),
    ],
)
def test_the_way(
    wanted: dict[str, str], sources: dict[str, str], jobs: list[str], left_out: list[str], into: str, pause: bool
) -> None:
    assert route(HOSTS, wanted) == {
        "sources": sources,
        "jobs": jobs,
        "left_out": left_out,
        "into": into,
        "pause": pause,
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param({}, "there are blog-db, server-state, shop-cache, shop-db, wiki-db", id="no app"),
        pytest.param({"app": "shop", "database": "mongo"}, "no backup job fits", id="no such database"),
        pytest.param({"app": "shop", "to": "prdo"}, "to: 'prdo' is neither place nor beside nor", id="no such host"),
        pytest.param({"app": "shop", "to": "lone"}, "to: lone does not run 'shop'", id="a host without the app"),
        pytest.param(
            {"app": "blog", "to": "prod"}, r"source: say whose .* \(no other host has the app\)", id="no source"
        ),
        pytest.param(
            {"app": "server"}, "server-state: a server that runs is not put back over itself", id="the server"
        ),
        pytest.param({"app": "shop", "source": "x", "to": "stage"}, "source: 'x' is none of", id="no such source"),
        pytest.param(
            {"app": "shop", "database": "cache", "to": "beside"}, "shop-cache: of this engine", id="nothing beside"
        ),
        pytest.param({"app": "shop", "file": "/x"}, r"say database= \(db, cache\)", id="a file for two databases"),
    ],
)
def test_what_cannot_be_decided_is_said(wanted: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        route(HOSTS, wanted)


MANIFEST = {"set": "20261121-020000", "engine": "postgresql", "counts": {"t": 3}, "databases": ["shop"]}


def done(**more: Any) -> dict[str, Any]:
    came = {"store": "near", "paths": ["/x/a.dump"], "manifests": [MANIFEST]}
    item = pieces(came, job("shop", "db", "postgresql"))[0]
    return {"item": item, "into": "shop", "counts": {"t": 3}, "safety": "", "plan": ["verify", "restore"], **more}


def test_what_was_done_and_how_to_undo_it() -> None:
    assert told([done(safety="/k/b.dump")], "shop", ["shop-cache"], 7.4) == [
        "job      set              from        into  holds   kept of before",
        "shop-db  20261121-020000  store near  shop  3 in 1  /k/b.dump",
        "shop-cache: left out, for of its engine nothing can be beside",
        "The services of shop stood still for 7 s.",
        "To have back what was there before:",
        "  ansible-playbook playbooks/restore.yml -e app=shop -e database=db -e file=/k/b.dump",
    ]


def test_what_the_operator_should_know_is_said() -> None:
    assert told([done(notes=["role seer had to be made"])], "shop")[2:] == ["shop-db: role seer had to be made"]


def test_what_would_be_done() -> None:
    assert told([done(counts={"t": 1})], "shop", [], 0.0, dry=True) == [
        "job      set              from        into  holds   kept of before",
        "shop-db  20261121-020000  store near  shop  3 in 1  -",
        "shop-db: verify",
        "shop-db: restore",
        "Nothing was changed: this was a check.",
    ]


def test_a_recovery_says_how_long_it_took() -> None:
    assert told([done()], "", recovered=312.0)[2:] == [
        "The server runs again, after 5.2 minutes.",
        "Next: point its names to it, then ansible-playbook playbooks/backup.yml",
    ]


RECOVERABLE = [
    {"name": "shop-db", "engine": "postgresql", "container": "shop-data-db-1"},
    {"name": "shop-managed", "engine": "mysql", "container": None, "host": "db.example"},
    {"name": "shop-uploads", "engine": "files", "paths": ["/opt/app-data/shop/uploads"]},
    {"name": "server-state", "engine": "files", "paths": ["/etc/letsencrypt", "/srv"]},
]


def test_a_server_needs_what_it_held_itself() -> None:
    found = routes.recovered(RECOVERABLE)
    assert [item["name"] for item in found] == ["shop-db", "shop-uploads", "server-state"]
    assert found[-1]["paths"] == ["/etc/letsencrypt"]


@pytest.mark.parametrize(
    ("job", "without", "line"),
    [
        pytest.param({"container": "shop-data-db-1"}, [], None, id="in a container"),
        pytest.param({"engine": "files", "paths": ["/x"]}, [], None, id="a volume"),
        pytest.param(
            {"container": "shop-data-db-1"},
            ["shop-db"],
            "left out, as asked. To have it: ansible-playbook playbooks/restore.yml -e app=shop -e database=db",
            id="left out",
        ),
        pytest.param(
            {"name": "server-state", "app": "server", "database": "state", "engine": "files"},
            ["server-state"],
            "left out, as asked. To have it: "
            "ansible-playbook playbooks/restore.yml -e app=server -e database=state -e to=beside",
            id="the server's state left out",
        ),
        *(
            pytest.param(
                {"container": None, **where},
                [],
                "NOT HERE: it was native on the server, and went with it. Install it, then: "
                "ansible-playbook playbooks/restore.yml -e app=shop -e database=db",
                id=f"native: {next(iter(where.values()), 'nothing said')}",
            )
            for where in ({"socket": "/run/x.sock"}, {"host": "127.0.0.1"}, {"host": "localhost"}, {})
        ),
        pytest.param(
            {"container": None, "host": "db.example"},
            [],
            "managed elsewhere, at db.example, and left as it is. Where it has to go back as well: "
            "ansible-playbook playbooks/restore.yml -e app=shop -e database=db",
            id="elsewhere",
        ),
    ],
)
def test_what_a_recovery_leaves_to_its_operator(job: dict[str, Any], without: list[str], line: str | None) -> None:
    whole = {"name": "shop-db", "app": "shop", "database": "db", "engine": "postgresql", **job}
    assert routes.not_recovered([whole], without) == ([f"{whole['name']}: {line}"] if line else [])


def test_a_job_can_be_left_out_if_it_is_one() -> None:
    assert [item["name"] for item in routes.recovered(RECOVERABLE, ["shop-db"])] == ["shop-uploads", "server-state"]
    with pytest.raises(ValueError, match="there is no job shop-dv; there are shop-db"):
        routes.recovered(RECOVERABLE, ["shop-dv"])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param({"msg": "no route."}, {"msg": "no route", "half_done": False}, id="a task"),
        pytest.param(
            {
                "msg": "One or more items failed",
                "results": [{"failed": False}, {"failed": True, "msg": "x", "half_done": True}],
            },
            {"msg": "x", "half_done": True},
            id="a loop",
        ),
        pytest.param(
            {"results": [{"failed": True, "msg": "x"}, {"failed": True, "msg": "y.", "half_done": True}]},
            {"msg": "x; y", "half_done": True},
            id="a loop, of which the second failure has changed something",
        ),
        pytest.param(
            {"results": [{"failed": False, "duration": 1.2}, {"failed": True, "msg": "x", "half_done": False}]},
            {"msg": "x", "half_done": True},
            id="one database is restored, the next is as it was",
        ),
        pytest.param(
            {"results": [{"failed": False, "duration": 0.0}, {"failed": True, "msg": "x", "half_done": False}]},
            {"msg": "x", "half_done": False},
            id="check mode",
        ),
        pytest.param(
            {"results": [{"failed": True, "msg": "x", "half_done": False}]},
            {"msg": "x", "half_done": False},
            id="nothing has changed",
        ),
        pytest.param(
            {"results": [{"failed": True, "msg": "MODULE FAILURE: No start of json char found", "rc": 137,
                          "module_stdout": "", "module_stderr": ""}]},
            {"msg": "MODULE FAILURE: No start of json char found", "half_done": True},
            id="killed, nobody knows where",
        ),
    ],
)  # fmt: skip
def test_what_went_wrong(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert failure(result) == expected
