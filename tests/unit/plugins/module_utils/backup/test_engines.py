# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import mongodb, packing, postgresql, redis
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.mongodb import MongoDB
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, Running, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.redis import Redis
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    HalfDoneError,
)

from tests.unit.plugins.module_utils.backup import faults

HERE = Place()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(HERE, user="u", database="shop"), "dbname='shop' user='u'"),
        (Target(HERE, user="u", database="it's \\ü"), "dbname='it\\'s \\\\ü' user='u'"),
        (Target(HERE, database="a=b", host="h", port=5433), "dbname='a=b' host='h' port='5433'"),
    ],
)
def test_conninfo(target: Target, expected: str) -> None:
    text = postgresql.conninfo(target)
    assert text == f"{expected} connect_timeout='20' application_name='mainstay-backup'"


def test_a_password_is_in_no_representation() -> None:
    assert "hunter2" not in repr(Target(HERE, user="u", password="hunter2"))


def test_counts_of_postgresql() -> None:
    lines = ['["public", "users", 3]', '["My Schema", "a \\"b", 0]']
    assert postgresql.parse_counts(lines) == {"public.users": 3, '"My Schema"."a ""b"': 0}


@pytest.mark.parametrize("fails", ["CONFIG SET appendonly no", "the file", "restart"])
def test_a_redis_that_saves_nothing_any_more_is_half_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Its app must not go on with it: what it writes would be gone with the process."""
    (tmp_path / "dump").write_bytes(b"REDIS0011")

    def ask(_self: Redis, *words: str) -> str:
        return trouble(" ".join(words))

    def trouble(what: str) -> str:
        if what == fails:
            raise ToolError(f"no {what}")
        return "OK"

    def run(_self: Place, argv: list[str], **_options: object) -> str:
        return trouble(argv[1])

    @contextlib.contextmanager
    def running(_self: Place, _argv: list[str], **_options: object) -> Iterator[Running]:
        trouble("the file")
        yield Running(subprocess.Popen(["true"], stdout=subprocess.PIPE), io.BytesIO())

    monkeypatch.setattr(Redis, "_ask", ask)
    monkeypatch.setattr(Redis, "_setting", lambda _self, name: "yes" if name == "appendonly" else name)
    state = {"redis_version": "8.0.1", "rdb_bgsave_in_progress": "0", "loading": "0"}
    monkeypatch.setattr(Redis, "_info", lambda _self, _section, _ask=None: state)
    monkeypatch.setattr(Place, "run", run)
    monkeypatch.setattr(Place, "running", running)
    with pytest.raises(HalfDoneError, match=f"'box' saves nothing until it is restarted: no {fails}"):
        Redis(Target(Place("box"), timeout=5)).restore(tmp_path / "dump")


GUARDED = "\n\\restrict word\n\nBEGIN;\nCOPY t FROM stdin;\n1\n\\.\nCOMMIT;\n"
UNCHANGED = "nothing was restored, and nothing changed"


@pytest.mark.skipif(packing.best() != "zstd", reason="zstd is not here")
@pytest.mark.parametrize(
    ("whole", "text", "status", "answer", "kind", "said"),
    [
        pytest.param(True, GUARDED, 0, 0, None, "", id="all is well"),
        pytest.param(False, GUARDED, 1, 0, BackupError, UNCHANGED, id="pg_restore fails"),
        pytest.param(False, GUARDED, 0, 0, BackupError, UNCHANGED, id="only the checksum at the end is wrong"),
        pytest.param(True, GUARDED, 0, 3, BackupError, UNCHANGED, id="the server refuses"),
        pytest.param(
            True, GUARDED, 0, 2, HalfDoneError, "nobody knows whether it was", id="the server dies at the end"
        ),
        pytest.param(True, "BEGIN;\nCOMMIT;\n", 0, 0, BackupError, "CVE-2025-8714", id="old tools on this host"),
    ],
)
def test_an_archive_of_postgresql(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
    text: str,
    status: int,
    answer: int,
    kind: type[BackupError] | None,
    said: str,
) -> None:
    """What commits is sent only when the archive is known to be whole."""
    packed = subprocess.run(["zstd", "-qc", "--check"], input=b"archive" * 1000, capture_output=True, check=True).stdout
    (tmp_path / "dump").write_bytes(packed if whole else packed[:-1] + bytes([packed[-1] ^ 1]))
    (tmp_path / "text").write_text(text)
    (tmp_path / "pg_restore").write_text(f"#!/bin/sh\ncat >/dev/null\ncat {tmp_path}/text\nexit {status}\n")
    (tmp_path / "psql").write_text(f"#!/bin/sh\ncat >{tmp_path}/sent\nexit {answer}\n")
    for tool in ("pg_restore", "psql"):
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setattr(postgresql.PostgreSQL, "_exists", lambda _self: True)
    monkeypatch.setattr(postgresql.PostgreSQL, "_missing_roles", lambda _self, _path: ["seer"])
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    engine = postgresql.PostgreSQL(Target(HERE, database="shop", timeout=30))
    if kind is None:
        (note,) = engine.restore(tmp_path / "dump")
        assert note.startswith("role seer had to be made")
        sent = (tmp_path / "sent").read_text()
        assert sent.startswith("SET client_min_messages")
        assert sent.endswith(f'CREATE ROLE "seer" NOLOGIN;\n{text}')
        return
    with pytest.raises(BackupError, match=said) as caught:
        engine.restore(tmp_path / "dump")
    assert caught.type is kind
    # It is killed, maybe before it can write anything down.
    sent = (tmp_path / "sent").read_text() if (tmp_path / "sent").exists() else ""
    assert ("COMMIT" in sent) is (answer != 0)


def test_what_mongodump_says() -> None:
    """mongodump 100.9."""
    said = (
        "2026-11-21T02:15:00.1+0000\twriting shop.orders to archive on stdout\n"
        "2026-11-21T02:15:00.2+0000\tdone dumping shop.orders (3 documents)\n"
        "2026-11-21T02:15:00.2+0000\tdone dumping shop.one (1 document)\n"
        "2026-11-21T02:15:00.2+0000\tdone dumping shop.with (2 documents) in it (0 documents)\n"
        "2026-11-21T02:15:00.3+0000\t[####....]  shop.big  100/200  (50.0%)\n"
    )
    assert mongodb.reported_counts(said) == {"shop.orders": 3, "shop.one": 1, "shop.with (2 documents) in it": 0}


def test_collections_of_mongodb_are_not_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mongodump").write_text(
        "#!/bin/sh\n"
        'case "$*" in *--version*) echo mongodump version: 100.9; exit 0;; esac\n'
        "printf 'x\tdone dumping shop.orders (3 documents)\n' >&2\n"
    )
    (tmp_path / "mongodump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    source = MongoDB(Target(HERE, database="shop", timeout=30)).dump(lambda _data: None)
    assert (source.counts, source.same_snapshot, source.as_read) == ({"shop.orders": 3}, False, True)
    assert "not of one moment together" in source.note


@pytest.mark.parametrize(
    ("target", "command", "env"),
    [
        pytest.param(
            Target(HERE, database="shop"), ["mongodump", "--archive", "--gzip", "--db=shop"], {}, id="no password"
        ),
        pytest.param(Target(HERE), ["mongodump", "--archive", "--gzip"], {}, id="all databases"),
        pytest.param(
            Target(HERE, user="u", password='p"w$(id)`', database="shop", host="h", port=1),
            [
                "sh",
                "-c",
                mongodb.WITH_SECRET,
                "sh",
                "mongodump",
                "--archive",
                "--gzip",
                "--db=shop",
                "--host=h",
                "--port=1",
                "--username=u",
                "--authenticationDatabase=admin",
            ],
            {"MAINSTAY_MONGO_CONFIG": 'password: "p\\"w$(id)`"'},
            id="password",
        ),
    ],
)
def test_command_of_mongodump(target: Target, command: list[str], env: dict[str, str]) -> None:
    engine = MongoDB(target)
    assert engine._dump_command("--gzip") == command
    assert engine._env == env


def test_a_secret_arrives_whole_and_in_no_argument() -> None:
    engine = MongoDB(Target(HERE, user="u", password='a "b" $HOME `id` \\ é'))
    command = engine._command("show", [])
    command[command.index("show")] = str(Path(__file__).parent / "fixtures" / "show-config.sh")
    shown = HERE.run(command, env=engine._env)
    assert shown.splitlines()[0] == 'password: "a \\"b\\" $HOME `id` \\\\ \\u00e9"'
    assert "$HOME" not in shown.splitlines()[1]


@pytest.mark.parametrize(
    ("engine", "content", "verdict"),
    [
        pytest.param("postgresql", b"PGDMP\x01\x0e\x00\x04\x08\x01rest", OK, id="postgresql"),
        pytest.param("postgresql", b"PGDMP\x01\x0e\x00\x04\x08\x03rest", BAD, id="postgresql, another format"),
        pytest.param("postgresql", b"--\n-- PostgreSQL", BAD, id="postgresql, text"),
        pytest.param("postgresql", b"", BAD, id="postgresql, nothing"),
        pytest.param("mongodb", faults.packed(faults.archive({"a.b": []})), OK, id="mongodb"),
        pytest.param("mongodb", faults.packed(b"hello there"), BAD, id="mongodb, another gzip"),
        pytest.param("mongodb", b"plain", BAD, id="mongodb, no gzip"),
        pytest.param("redis", b"REDIS0010\xff", OK, id="redis"),
        pytest.param("redis", b"RADIS0010\xff", BAD, id="redis, something else"),
        pytest.param("redis", b"REDIS", BAD, id="redis, short"),
    ],
)
def test_a_glance(tmp_path: Path, engine: str, content: bytes, verdict: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    findings = ENGINES[engine](Target(HERE)).look(path)
    assert [check.verdict for check in findings.checks] == [verdict]


CUT = """cat <<'END'
--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: shop
--

COPY public.t (i) FROM stdin;
1
END
"""
NEWER = "echo 'pg_restore: error: unsupported version (1.16) in file header' >&2; exit 1"
END_OF_FILE = "cat >/dev/null; echo 'pg_restore: error: could not read from input file: end of file' >&2; exit 1"


@pytest.mark.parametrize(
    ("restores", "unpacks", "verdict", "reason"),
    [
        pytest.param("kill -KILL $$", "cat", NOT_VERIFIED, "failed with status -9", id="pg_restore is killed"),
        pytest.param(
            "exit 137", "cat", NOT_VERIFIED, "failed with status 137", id="pg_restore is killed in a container"
        ),
        pytest.param(CUT + "exit 137", "cat", NOT_VERIFIED, "status 137", id="pg_restore is killed amid rows"),
        pytest.param("kill -TERM $$", "cat", NOT_VERIFIED, "status -15", id="pg_restore is ended"),
        pytest.param("kill -SEGV $$", "cat", BAD, "status -11", id="pg_restore crashes"),
        pytest.param("cat >/dev/null; " + CUT, "cat", BAD, "the data of public.t has no end", id="rows without an end"),
        pytest.param("cat >/dev/null; exit 1", "cat", BAD, "failed with status 1", id="pg_restore finds it bad"),
        pytest.param(NEWER, "cat", NOT_VERIFIED, "unsupported version (1.16)", id="an archive of a newer pg_dump"),
        pytest.param(
            END_OF_FILE, "kill -KILL $$", NOT_VERIFIED, "zstd in this host failed with status -9", id="zstd is killed"
        ),
        pytest.param(END_OF_FILE, "exit 1", BAD, "end of file", id="zstd finds it bad"),
        pytest.param("exit 1", "yes", BAD, "failed with status 1", id="zstd has more than pg_restore wants"),
    ],
)
def test_what_is_no_proof_against_a_dump_of_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restores: str, unpacks: str, verdict: str, reason: str
) -> None:
    path = tmp_path / "dump"
    path.write_bytes(packing.MAGIC[packing.ZSTD] + b"rest")
    says = 'case "$*" in *--version*) echo pg_restore 17; exit 0;; esac'
    for name, script in {"pg_restore": f"{says}\n{restores}", "zstd": unpacks}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    check = ENGINES["postgresql"](Target(HERE, timeout=30)).examine(path).checks[-1]
    assert (check.name, check.verdict) == ("decode", verdict)
    assert reason in check.reason


@pytest.mark.parametrize("engine", ["mysql", "files"])
def test_what_is_no_proof_against_a_packed_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(packing.MAGIC[packing.ZSTD] + b"rest")
    (tmp_path / "zstd").write_text("#!/bin/sh\necho something; kill -KILL $$\n")
    (tmp_path / "zstd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    check = ENGINES[engine](Target(HERE, timeout=30)).examine(path).checks[-1]
    assert (check.name, check.verdict) == ("decode", NOT_VERIFIED)


@pytest.mark.parametrize("engine", ["postgresql", "redis"])
def test_without_the_tool_it_is_not_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    path = tmp_path / "file"
    recorded = Path(__file__).parent / "fixtures" / "redis-7.0.rdb"
    path.write_bytes(recorded.read_bytes() if engine == "redis" else b"PGDMP\x01\x0e\x00\x04\x08\x01rest")
    monkeypatch.setenv("PATH", "/nonexistent")
    checks = ENGINES[engine](Target(HERE)).examine(path).checks
    assert [check.verdict for check in checks if check.verdict != OK] == [NOT_VERIFIED]
    assert "not installed" in checks[-1].reason


def test_info_of_redis() -> None:
    text = "# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\n"
    assert redis.parse_info(text) == {"loading": "0", "rdb_last_bgsave_status": "ok"}
    keyspace = "# Keyspace\r\ndb0:keys=17,expires=2,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n"
    assert redis.parse_keyspace(keyspace) == {"db0": 17, "db3": 1}
    assert redis.parse_expiring(keyspace) == {"db0": 2, "db3": 0}


def save(time: int, saves: int | None = None, status: str = "ok", busy: int = 0) -> str:
    """What INFO persistence says; servers before 7.0 do not count their saves."""
    counted = "" if saves is None else f"rdb_saves:{saves}\n"
    fields = f"rdb_bgsave_in_progress:{busy}\nrdb_last_save_time:{time}\nrdb_last_bgsave_status:{status}\n"
    return f"loading:0\n{fields}{counted}"


STARTED, SCHEDULED = "Background saving started", "Background saving scheduled"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        pytest.param(
            [("INFO", save(7, 3)), ("BGSAVE", STARTED), ("INFO", save(7, 4, busy=1)), ("INFO", save(9, 4))],
            "",
            id="at once",
        ),
        pytest.param(
            [("INFO", save(7, 3)), ("BGSAVE", STARTED), ("INFO", save(7, 4))], "", id="within a second"
        ),
        pytest.param(
            [("INFO", save(7, 3)), ("BGSAVE", SCHEDULED), ("INFO", save(7, 3)), ("INFO", save(7, 4))],
            "",
            id="scheduled, right behind another",
        ),
        pytest.param(
            [("INFO", save(7, 3, "err")), ("BGSAVE", SCHEDULED), ("INFO", save(7, 3, "err")), ("INFO", save(9, 4))],
            "",
            id="scheduled, behind one that failed",
        ),
        pytest.param(
            [("INFO", save(7, 3)), ("BGSAVE", SCHEDULED), ("INFO", save(7, 4, "err"))], "could not write", id="fails"
        ),
        pytest.param(
            [
                ("INFO", save(7)), ("TIME", "7\n1"), ("TIME", "8\n1"), ("BGSAVE", SCHEDULED), ("INFO", save(7)),
                ("INFO", save(8)),
            ],
            "",
            id="redis 6, right behind another",
        ),
        pytest.param(
            [
                ("INFO", save(7)), ("TIME", "9\n1"), ("BGSAVE", SCHEDULED), ("INFO", save(7)),
                ("INFO", save(7, None, "err")),
            ],
            "could not write",
            id="redis 6, fails",
        ),
        pytest.param(
            [
                ("INFO", save(7, 3)), ("BGSAVE", "ERR Background save already in progress"),
                ("INFO", save(7, 4, busy=1)), ("INFO", save(9, 4)), ("BGSAVE", SCHEDULED), ("INFO", save(9, 4)),
                ("INFO", save(9, 5)),
            ],
            "",
            id="another is faster",
        ),
    ],
)  # fmt: skip
def test_the_file_that_redis_has_written_for_us(
    monkeypatch: pytest.MonkeyPatch, answers: list[tuple[str, str]], error: str
) -> None:
    """And not the one before: of that nothing may be taken."""
    left = list(answers)

    def ask(*words: str) -> str:
        asked, answer = left.pop(0)
        assert words[0] == asked
        return answer

    monkeypatch.setattr(redis.time, "sleep", lambda _seconds: None)
    with pytest.raises(ToolError, match=error) if error else contextlib.nullcontext():
        Redis(Target(HERE, timeout=5))._save(ask)
    assert left == []


# redis-check-rdb 7.0 and 8.0.
SOUND = "[offset 0] Checking RDB file /dev/stdin\n[offset 694] Checksum OK\n[info] 18 keys read\n"
DAMAGED = (
    "[offset 151] Selecting DB ID 0\n--- RDB ERROR DETECTED ---\n[offset 25056] RDB CRC error\n[info] 18 keys read\n"
)


@pytest.mark.parametrize(
    ("says", "status", "verdict", "reason"),
    [
        pytest.param(SOUND, 0, OK, "checksum right, 18 keys read", id="sound"),
        pytest.param(DAMAGED, 1, BAD, "[offset 25056] RDB CRC error", id="damaged"),
        pytest.param(SOUND.replace("18", "17"), 0, BAD, "it read 17 keys, there are 18", id="other keys"),
        pytest.param(
            SOUND.replace("Checksum OK", "RDB file was saved with checksum disabled: no check performed."),
            0,
            OK,
            "structure right; no checksum to check",
            id="no checksum",
        ),
        pytest.param("", 0, NOT_VERIFIED, "it did not speak of the checksum: ", id="silent"),
        pytest.param(
            "oops\n", 3, NOT_VERIFIED, "redis-check-rdb in this host failed with status 3: it said nothing", id="broken"
        ),
    ],
)
def test_what_redis_check_rdb_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, status: int, verdict: str, reason: str
) -> None:
    tool = tmp_path / "redis-check-rdb"
    tool.write_text(f"#!/bin/sh\ncat >/dev/null\ncat <<'END'\n{says}END\nexit {status}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    check = ENGINES["redis"](Target(HERE)).examine(Path(__file__).parent / "fixtures" / "redis-7.0.rdb").checks[-1]
    assert (check.verdict, check.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("refused", "known", "exists"),
    [
        pytest.param((), "", True, id="a user who may enter no database but his own"),
        pytest.param(("shop",), "shop", ToolError("no shop"), id="it is there, and closed to him"),
        pytest.param(("shop",), "", False, id="it is not there"),
        pytest.param(("shop", "template1"), "", ToolError("no shop"), id="nothing can be entered"),
    ],
)
def test_whether_a_database_of_postgresql_is_there(
    monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...], known: str, exists: bool | ToolError
) -> None:
    @contextlib.contextmanager
    def session(self: postgresql.PostgreSQL, database: str | None = None) -> Iterator[Any]:
        name = database or "shop"

        class Client:
            def ask(self, sql: str) -> list[str]:
                if name in refused:
                    raise ToolError(f"no {name}")
                return ["1"] if "pg_database" not in sql or known in sql.split("'")[1::2] else []

        yield Client()

    monkeypatch.setattr(postgresql.PostgreSQL, "_session", session)
    engine = postgresql.PostgreSQL(Target(HERE, database="shop"))
    if isinstance(exists, bool):
        assert engine._exists() is exists
    else:
        with pytest.raises(ToolError, match=str(exists)):
            engine._exists()


@pytest.mark.parametrize(
    ("container", "unit", "command"),
    [
        pytest.param("box", "", ["docker", "restart", "box"], id="container"),
        pytest.param(None, "redis-server.service", ["systemctl", "restart", "redis-server.service"], id="unit"),
        pytest.param(None, "init.scope", BackupError("no systemd unit runs redis"), id="started by hand"),
    ],
)
def test_how_redis_is_started_again(
    monkeypatch: pytest.MonkeyPatch, container: str | None, unit: str, command: list[str] | BackupError
) -> None:
    monkeypatch.setattr(Redis, "_info", lambda _self, _section, _ask=None: {"process_id": "7"})
    monkeypatch.setattr(Place, "run", lambda _self, argv, **_options: f"{unit}\n" if argv[-1] == "7" else "")
    redis = Redis(Target(Place(container)))
    if isinstance(command, list):
        assert redis._restart() == command
    else:
        with pytest.raises(BackupError, match=str(command)):
            redis._restart()


@pytest.mark.parametrize("place", [Place(image="redis:8"), Place()], ids=["tools of an image", "tools of this host"])
def test_redis_elsewhere_is_not_restored(tmp_path: Path, place: Place) -> None:
    with pytest.raises(BackupError, match="redis on far is restored only where its own files are in reach"):
        Redis(Target(place, host="far")).restore(tmp_path / "dump.rdb")
