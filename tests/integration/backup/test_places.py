# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that are not in a container of ours: native on the host, or elsewhere behind TLS, by tools of an image."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup import restore as restores
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError

from tests.integration.backup.conftest import IMAGES, PASSWORD, Database, sh, wait

COLLECTIONS = Path(packing.__file__).parents[6]
NAME = "localhost"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of it for this host's name; the key belongs to the databases' user."""
    folder = tmp_path_factory.mktemp("tls")
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    sh(*new, "-subj", "/CN=authority", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
    sh(
        *new, "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=CA:FALSE",
        "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
        "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.pem",
    )  # fmt: skip
    sh("chown", "999:999", f"{folder}/server.key")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return folder


def container_of(image: str) -> str:
    return f"t-backup-far-{image.partition(':')[0]}"


def far(image: str, port: int, folder: Path, env: dict[str, str], command: tuple[str, ...] = ()) -> Iterator[int]:
    """A server that is reached by TLS alone; yields its port on the loopback address."""
    name = container_of(image)
    subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)
    variables = [part for key, value in env.items() for part in ("--env", f"{key}={value}")]
    sh(
        "docker", "run", "--detach", "--name", name, "--publish", f"127.0.0.1::{port}",
        "--volume", f"{folder}:/tls:ro", *variables, f"{IMAGES}/{image}", *command,
    )  # fmt: skip
    try:
        yield int(sh("docker", "port", name, str(port)).splitlines()[0].rpartition(":")[2])
    finally:
        sh("docker", "rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def postgres_port(tls: Path) -> Iterator[int]:
    files = ("-c", "ssl=on", "-c", "ssl_cert_file=/tls/server.pem", "-c", "ssl_key_file=/tls/server.key")
    env = {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "shop"}
    yield from far(POSTGRES, 5432, tls, env, ("postgres", *files))


@pytest.fixture(scope="module")
def mariadb_port(tls: Path) -> Iterator[int]:
    files = ("--ssl-cert=/tls/server.pem", "--ssl-key=/tls/server.key", "--require-secure-transport=on")
    root = {"MARIADB_ROOT_PASSWORD": PASSWORD, "MARIADB_DATABASE": "shop"}
    env = {**root, "MARIADB_USER": "shop", "MARIADB_PASSWORD": PASSWORD}
    yield from far(MARIADB, 3306, tls, env, ("mariadbd", *files))


@pytest.fixture(scope="module")
def mysql_port(tls: Path) -> Iterator[int]:
    if not sh("docker", "image", "ls", "--quiet", f"{IMAGES}/{MYSQL}"):
        pytest.skip(f"there is no image {MYSQL} (testbed/images/build --all says why)")
    files = ("--ssl-ca=/tls/ca.pem", "--ssl-cert=/tls/server.pem", "--ssl-key=/tls/server.key")
    root = {"MYSQL_ROOT_PASSWORD": PASSWORD, "MYSQL_DATABASE": "shop"}
    env = {**root, "MYSQL_USER": "shop", "MYSQL_PASSWORD": PASSWORD}
    yield from far(MYSQL, 3306, tls, env, ("mysqld", *files, "--require-secure-transport=on"))


@pytest.fixture(scope="module")
def redis_port(tls: Path) -> Iterator[int]:
    keys = ("--tls-cert-file", "/tls/server.pem", "--tls-key-file", "/tls/server.key")
    only = ("--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no", "--tls-ca-cert-file", "/tls/ca.pem")
    yield from far(REDIS, 6379, tls, {}, ("redis-server", *only, *keys, "--requirepass", PASSWORD))


@pytest.fixture(scope="module")
def mongo_port(tls: Path) -> Iterator[int]:
    files = {"CERT_FILE": "/tls/server.pem", "KEY_FILE": "/tls/server.key"}
    listen = {f"FERRETDB_LISTEN_TLS{key and '_' + key}": value for key, value in {"": ":27018", **files}.items()}
    user = {"MONGO_INITDB_ROOT_USERNAME": "shop", "MONGO_INITDB_ROOT_PASSWORD": PASSWORD}
    yield from far(MONGO, 27018, tls, {**listen, **user})


POSTGRES, MARIADB, MYSQL, REDIS, MONGO = "postgres:17", "mariadb:11.8", "mysql:9", "redis:8.0", "mongo:ferretdb-1.24.0"
CASES = [
    pytest.param("postgresql", POSTGRES, id="postgresql"),
    pytest.param("mariadb", MARIADB, id="mariadb"),
    pytest.param("mysql", MYSQL, id="mysql"),
    pytest.param("redis", REDIS, id="redis"),
    pytest.param("mongodb", MONGO, id="mongodb (FerretDB)"),
]


@pytest.fixture
def reach(request: pytest.FixtureRequest, tls: Path) -> Callable[..., Engine]:
    """Makes the engine for a server that is elsewhere."""

    def make(engine: str, image: str, host: str = NAME, port: int = 0, ca: bool = True) -> Engine:
        near = request.getfixturevalue(f"{image.partition(':')[0]}_port")
        kind = ENGINES[engine]
        authority = str(tls / "ca.pem") if ca else "/etc/ssl/certs/ca-certificates.crt"
        target = Target(
            Place(image=f"{IMAGES}/{image}", files=(authority,)), user="" if engine == "redis" else "shop",
            password=PASSWORD, database="" if kind.whole_server else "shop", host=host, port=port or near, tls=True,
            ca=authority, timeout=120,
        )  # fmt: skip
        return kind(target)

    return make


def ask(image: str, *command: str, stdin: str = "") -> str:
    env = {"PGPASSWORD": PASSWORD, "MYSQL_PWD": PASSWORD, "REDISCLI_AUTH": PASSWORD}
    names = [part for name in env for part in ("--env", name)]
    return sh("docker", "exec", "-i", *names, container_of(image), *command, stdin=stdin, **env)


def document(number: int) -> bytes:
    """The BSON of a document with nothing but its id."""
    return struct.pack("<i", 18) + b"\x01_id\0" + struct.pack("<d", number) + b"\0"


def fill(engine: str, image: str) -> dict[str, int]:
    """Put something in, and return the counts of what is there."""
    if engine == "postgresql":
        ask(image, "psql", "-qU", "shop", "shop", stdin="DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT 1 i;")
        return {"public.t": 1}
    if engine in ("mariadb", "mysql"):
        text = "DROP TABLE IF EXISTS t; CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2);"
        ask(image, engine, "--user=root", "shop", stdin=text)
        return {"t": 2}
    if engine == "mongodb":
        far_away = Database("mongodb", container_of(image), "shop", PASSWORD, "shop", Path())
        far_away.insert("t", document(1) + document(2) + document(3), "--drop")
        return {"shop.t": 3}
    ask(image, "redis-cli", "--tls", "--cacert", "/tls/ca.pem", "set", "k", "v")
    return {"db0": 1}


def empty(engine: str, image: str) -> None:
    """Take everything out again."""
    if engine == "postgresql":
        ask(image, "psql", "-qU", "shop", "shop", stdin="DROP TABLE t;")
    elif engine in ("mariadb", "mysql"):
        ask(image, engine, "--user=root", "shop", stdin="DROP TABLE t;")
    elif engine == "mongodb":
        Database("mongodb", container_of(image), "shop", PASSWORD, "shop", Path()).drop("t")


@pytest.mark.parametrize(("engine", "image"), CASES)
def test_elsewhere_by_tls(reach: Callable[..., Engine], tmp_path: Path, engine: str, image: str) -> None:
    wait(lambda: reach(engine, image).counts())
    counts = fill(engine, image)
    names = () if engine == "redis" else ("shop",)
    job = Job("j", "app", "db", engine, names, tmp_path / "out", "x-backup", tmp_path / "locks")
    made = create(job, ENGINES[engine], lambda _part: reach(engine, image))[0]
    assert made.manifest["counts"] == counts
    assert made.manifest["verification"]["verdict"] == "ok", made.manifest["verification"]
    empty(engine, image)
    how: dict[str, Any] = {"level": "full", "force": False, "safety": True, "where": "there"}
    plan = restores.plan(made.path, job, reach(engine, image), made.manifest, **how)
    database = "" if engine == "redis" else "shop"

    def back() -> restores.Restored:
        return restores.restore(
            made.path, job, ENGINES[engine], lambda _part: reach(engine, image), database, made.manifest, plan
        )

    if engine == "redis":
        with pytest.raises(BackupError, match="only where its own files are in reach"):
            back()
    else:
        assert {name: count for name, count in back().counts.items() if name in counts} == counts


@pytest.mark.parametrize(("engine", "image"), CASES)
def test_a_server_that_does_not_prove_its_name(reach: Callable[..., Engine], engine: str, image: str) -> None:
    """The address is right, and the certificate is of nobody whom we trust, or of another name."""
    wait(lambda: reach(engine, image).counts())
    with pytest.raises(ToolError, match=r"(?i)certificate|verif"):
        reach(engine, image, ca=False).counts()
    # MariaDB's client asks no name of the loopback address, where nobody can be in between.
    name = container_of(image)
    address = sh("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
    port = next(iter(json.loads(sh("docker", "inspect", "--format", "{{json .HostConfig.PortBindings}}", name))))
    other = {"host": address.strip(), "port": int(port.partition("/")[0])}
    if engine == "redis":
        # redis-cli knows nothing of names: whoever has a certificate of the authority passes.
        assert reach(engine, image, **other).counts()
        return
    with pytest.raises(ToolError, match=r"(?i)certificate|verif|host name"):
        reach(engine, image, **other).counts()


def test_nobody_sees_the_password_of_a_new_container(reach: Callable[..., Engine]) -> None:
    place = Place(image=f"{IMAGES}/{POSTGRES}")
    command = place.command(["psql"], {"PGPASSWORD": PASSWORD})
    assert PASSWORD not in " ".join(command)
    assert place.run(["sh", "-c", "echo $SECRET; id -u; touch /x 2>&1 || true"], env={"SECRET": "s"}).startswith(
        "s\n0\n"
    )


def test_tools_that_are_older_than_the_server(reach: Callable[..., Engine], tmp_path: Path) -> None:
    engine: Any = reach("mariadb", MARIADB)
    wait(engine.counts)
    engine._program = lambda names: (names[0], "mariadb-dump from 10.11.6-MariaDB, client 10.19")
    with pytest.raises(BackupError, match=r"are older than the server: .*install those of the server's version"):
        engine.dump(lambda data: None)


NATIVE = """
import json, sys
sys.path.insert(0, "/collections")
from pathlib import Path
from ansible_collections.mainstay.platform.plugins.module_utils.backup import restore as restores
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job, create
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
given = json.load(sys.stdin)
kind = ENGINES[given["engine"]]
connect = lambda part: kind(Target(Place(), given["user"], given["password"], part, timeout=60, **given["where"]))
names = () if kind.whole_server else ("shop",)
job = Job("j", "app", "db", given["engine"], names, Path("/tmp/out"), "x-backup", Path("/tmp/locks"))
made = create(job, kind, connect)[0]
counts = None
if given["engine"] != "redis":
    how = {"level": "full", "force": False, "safety": True, "where": ""}
    plan = restores.plan(made.path, job, connect("shop"), made.manifest, **how)
    counts = restores.restore(made.path, job, kind, connect, "shop", made.manifest, plan).counts
print(json.dumps([made.manifest["counts"], made.manifest["verification"]["verdict"], counts]))
"""


@pytest.mark.parametrize(
    ("engine", "image", "user", "where"),
    [
        pytest.param("postgresql", POSTGRES, "shop", {"socket": "/run/postgresql/.s.PGSQL.5432"}, id="pg, socket"),
        pytest.param("postgresql", POSTGRES, "shop", {"host": "127.0.0.1", "port": 5432}, id="pg, loopback"),
        pytest.param("mariadb", MARIADB, "root", {"socket": "/run/mysqld/mysqld.sock"}, id="mariadb, socket"),
        pytest.param("mariadb", MARIADB, "shop", {"host": "127.0.0.1", "port": 3306}, id="mariadb, loopback"),
        pytest.param("mysql", MYSQL, "root", {"socket": "/run/mysqld/mysqld.sock"}, id="mysql, socket"),
        pytest.param("mongodb", MONGO, "shop", {"host": "127.0.0.1", "port": 27017}, id="mongodb (FerretDB), loopback"),
        pytest.param("redis", REDIS, "", {"tls": True, "host": NAME, "ca": "/tls/ca.pem"}, id="redis, its own files"),
    ],
)
def test_with_the_tools_of_the_host_itself(
    reach: Callable[..., Engine],
    engine: str,
    image: str,
    user: str,
    where: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    """We run where the server runs, with the packages of that place: the container is the host here."""
    request.getfixturevalue(f"{image.partition(':')[0]}_port")
    wait(lambda: reach(engine, image).counts())
    counts = fill(engine, image)
    container = container_of(image)
    if subprocess.run(["docker", "exec", container, "python3", "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip(f"there is no Python in {image}")
    folder = "ansible_collections/mainstay/platform/plugins"
    tar = subprocess.run(["tar", "-chf", "-", "-C", COLLECTIONS, folder], check=True, capture_output=True)
    unpack = "rm -rf /tmp/out; mkdir -p /collections; tar -x -C /collections"
    subprocess.run(["docker", "exec", "-i", container, "sh", "-c", unpack], input=tar.stdout, check=True)
    given = {"engine": engine, "user": user, "password": PASSWORD, "where": where}
    said = sh("docker", "exec", "-i", container, "python3", "-c", NATIVE, stdin=json.dumps(given))
    assert json.loads(said) == [counts, "ok", None if engine == "redis" else counts]
