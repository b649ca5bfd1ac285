# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords inside databases: whether one is good, and another in its place. By the client in the database's container.

Passwords travel in the environment and on standard input, never on a command line. PostgreSQL is given what it would
make of the password itself, so that no log of statements has it; the others leave it out of theirs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.mainstay.platform.plugins.module_utils.backup.mysql import option_file
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import CONFINED
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError, excerpt

SECONDS = 60.0
ITERATIONS = 4096
# The name of a variable in a client's environment.
SECRET = "MAINSTAY_SECRET"  # noqa: S105

# "host all all all scram-sha-256" counts for the container's own address; the socket and 127.0.0.1 are trusted.
PSQL = 'exec psql -X -q -A -t -w -v ON_ERROR_STOP=1 -d template1 -U "$1"'
PSQL_OUTSIDE = f'{PSQL} -h "$(hostname)"'
# The clients take a password from a file: a here-document is one that exists in no directory.
MYSQL = f"""
secret=${SECRET}; unset {SECRET}; user=$1; shift
for program in mariadb mysql; do command -v "$program" >/dev/null && break; done
exec "$program" --defaults-extra-file=/dev/fd/3 --user="$user" "$@" --batch --skip-column-names \
  --default-character-set=utf8mb4 3<<END
[client]
$secret
END
"""
# mongosh takes more memory than a small database's container may have to spare: it gets one of its own, in the
# network of that. It logs to its home. The script holds no secret; 3 says that the login was refused (error 18).
MONGOSH = 'HOME=/tmp exec mongosh --quiet --norc --nodb --eval "$1"'
MONGO = """
const told = JSON.parse(process.env.MAINSTAY_SECRET);
const login = [told.user, told.password].map(encodeURIComponent).join(":");
try {
  const admin = connect(`mongodb://${login}@127.0.0.1:27017/admin?serverSelectionTimeoutMS=20000`);
  if (told.to) admin.updateUser(told.user, {pwd: told.to}); else admin.runCommand({ping: 1});
} catch (error) {
  if (error.code === 18 || /authentication failed/i.test(error.message)) quit(3);
  print(error.message);
  quit(1);
}
"""


class LockedError(ReleaseError):
    """No known password opens a database, so nothing in it was changed."""


@dataclass(frozen=True)
class Access:
    """A database in a container, and who logs in."""

    container: str
    engine: str
    user: str | None


class Passwords:
    """Tries and changes passwords. Every method raises ReleaseError where that cannot be known or done."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker

    def good(self, access: Access, password: str) -> bool:
        """Whether the app can log in with a password."""
        return bool(_ENGINES[access.engine][0](self, access, password))

    def change(self, access: Access, to: str, known: Sequence[str]) -> None:
        """Set a password; one of the ``known`` ones opens the database, unless the new one does already."""
        _ENGINES[access.engine][1](self, access, to, list(dict.fromkeys((to, *known))))
        if not self.good(access, to):
            raise ReleaseError(f"{access.container} took the new password and does not let anybody in with it")

    # -- PostgreSQL ----------------------------------------------------------------------------------------------

    def _psql(self, script: str, access: Access, password: str, sql: str) -> subprocess.CompletedProcess[str]:
        return self._run(access, ["sh", "-c", script, "sh", str(access.user)], {"PGPASSWORD": password}, sql)

    def _postgresql_good(self, access: Access, password: str) -> bool:
        done = self._psql(PSQL_OUTSIDE, access, password, "SELECT 1;\n")
        return self._judge(access, done, "password authentication failed", [password])

    def _postgresql_change(self, access: Access, to: str, known: Sequence[str]) -> None:
        name = str(access.user).replace('"', '""')
        sql = f"ALTER ROLE \"{name}\" PASSWORD '{scram(to)}';\n"
        for password in known:
            done = self._psql(PSQL, access, password, sql)
            if self._judge(access, done, "password authentication failed", known):
                return
        raise _locked(access)

    # -- MySQL and MariaDB ---------------------------------------------------------------------------------------

    def _mysql(self, access: Access, user: str, password: str, sql: str) -> subprocess.CompletedProcess[str]:
        # Root comes by the socket alone, the app over the network.
        outside = [] if user == "root" else ["--host=127.0.0.1", "--protocol=tcp"]
        env = {SECRET: option_file(password)}
        return self._run(access, ["sh", "-c", MYSQL, "sh", user, *outside], env, sql)

    def _mysql_good(self, access: Access, password: str) -> bool:
        return all(
            self._judge(access, self._mysql(access, user, password, "SELECT 1;\n"), "ERROR 1045", [password])
            for user in (str(access.user), "root")
        )

    def _mysql_change(self, access: Access, to: str, known: Sequence[str]) -> None:
        new, name = literal(to), literal(str(access.user))
        sql = (
            "SET SESSION sql_mode = '';\n"
            f"ALTER USER {name}@'%' IDENTIFIED BY {new};\n"
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY {new};\n"
        )
        for password in known:
            if self._judge(access, self._mysql(access, "root", password, sql), "ERROR 1045", known):
                return
        raise _locked(access)

    # -- Redis ---------------------------------------------------------------------------------------------------

    def _redis(self, access: Access, password: str, command: str) -> str:
        done = self._run(access, ["redis-cli", "--no-auth-warning"], {"REDISCLI_AUTH": password}, f"{command}\n")
        if done.returncode:
            raise self._broken(access, done, [password])
        return done.stdout.strip()

    def _redis_good(self, access: Access, password: str) -> bool:
        answer = self._redis(access, password, "PING")
        if answer != "PONG" and not answer.startswith(("NOAUTH", "WRONGPASS")):
            raise ReleaseError(f"{access.container} cannot be asked: {'; '.join(excerpt(answer, [password], lines=2))}")
        return answer == "PONG"

    def _redis_change(self, access: Access, to: str, known: Sequence[str]) -> None:
        quoted = to.replace("\\", "\\\\").replace('"', '\\"')
        for password in known:
            if self._redis_good(access, password):
                answer = self._redis(access, password, f'CONFIG SET requirepass "{quoted}"')
                if answer != "OK":
                    said = "; ".join(excerpt(answer, known, lines=2))
                    raise ReleaseError(f"{access.container} does not take another password: {said}")
                return
        raise _locked(access)

    # -- MongoDB -------------------------------------------------------------------------------------------------

    def _mongo(self, access: Access, password: str, to: str | None) -> bool:
        told = json.dumps({"user": access.user, "password": password, "to": to})
        image = self.docker.must("inspect", "--format", "{{.Config.Image}}", access.container).strip()
        where = ("run", "--interactive", *CONFINED, "--user=999:999", f"--network=container:{access.container}")
        done = self._run(
            access, ["sh", "-c", MONGOSH, "sh", MONGO], {SECRET: told}, "", (*where, "--env", SECRET, image)
        )
        if done.returncode == 127:
            raise ReleaseError(
                f"{access.container} has no mongosh, by which its password could be changed: take an image that "
                "has it, as mongo 6 and later, or change it in the database by other means and run this again"
            )
        if done.returncode not in (0, 3):
            raise self._broken(access, done, [password, to or password])
        return done.returncode == 0

    def _mongodb_good(self, access: Access, password: str) -> bool:
        return self._mongo(access, password, None)

    def _mongodb_change(self, access: Access, to: str, known: Sequence[str]) -> None:
        if not any(self._mongo(access, password, to) for password in known):
            raise _locked(access)

    # -- helpers -------------------------------------------------------------------------------------------------

    def _run(
        self, access: Access, words: Sequence[str], env: dict[str, str], stdin: str, where: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        names = [word for name in env for word in ("--env", name)]
        where = where or ("exec", "--interactive", *names, access.container)
        try:
            return self.docker.run(*where, *words, timeout=SECONDS, stdin=stdin, env=env)
        except subprocess.TimeoutExpired as error:
            raise ReleaseError(f"{access.container} gave no answer in {SECONDS:.0f} s") from error

    def _judge(
        self, access: Access, done: subprocess.CompletedProcess[str], refusal: str, secrets: Sequence[str]
    ) -> bool:
        """Return whether the server has let us in; raises ReleaseError for whatever else went wrong."""
        if done.returncode == 0:
            return True
        if refusal in done.stderr:
            return False
        raise self._broken(access, done, secrets)

    def _broken(self, access: Access, done: subprocess.CompletedProcess[str], secrets: Sequence[str]) -> ReleaseError:
        said = "; ".join(excerpt(done.stderr + done.stdout, secrets, lines=3)) or "it said nothing"
        gone = "No such container" in said or "is not running" in said
        following = ". Start it with playbooks/deploy.yml and run this again" if gone else ""
        return ReleaseError(f"{access.container} cannot be asked (exit code {done.returncode}): {said}{following}")


def _locked(access: Access) -> LockedError:
    return LockedError(
        f"{access.container} lets {access.user or 'nobody'} in neither with the new password nor with the one that "
        "this server has: set the new one in the database by other means and run this again"
    )


def literal(text: str) -> str:
    """Return a string as MySQL and MariaDB read it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def scram(password: str, salt: bytes | None = None) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5803)."""
    salt = salt or os.urandom(16)
    # All that SASLprep does to text that somebody can type.
    plain = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", plain, salt, ITERATIONS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{shown[0]}${shown[1]}:{shown[2]}"


_ENGINES: dict[str, tuple[Callable[..., bool], Callable[..., None]]] = {
    "postgresql": (Passwords._postgresql_good, Passwords._postgresql_change),
    "mysql": (Passwords._mysql_good, Passwords._mysql_change),
    "mariadb": (Passwords._mysql_good, Passwords._mysql_change),
    "redis": (Passwords._redis_good, Passwords._redis_change),
    "mongodb": (Passwords._mongodb_good, Passwords._mongodb_change),
}
