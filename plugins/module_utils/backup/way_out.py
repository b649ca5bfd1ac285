# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way out: a plain shell script beside each backup that restores it with nothing of ours installed.

It holds what has to be known (checksums, counts, the image's digest) and what the app was at that time: its rendered
projects, without secrets. Pure: a manifest in, text out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import WAY_OUT
from ansible_collections.mainstay.platform.plugins.module_utils.backup.pg_back import AHEAD

END = "END-OF-FILE-5d41402abc4b"

HEAD = r"""#!/bin/sh
# Restores @WHAT@.
# Nothing is needed but this file, the backup beside it, sha256sum@NEEDS@.
#
#   sh @SCRIPT@@USAGE@
#   sh @SCRIPT@ --configuration DIRECTORY    # what the app was then: projects, images; no secrets
#
# A backup that was stored in parts (NAME.XXXXXXXX.part-00001-of-00012, …) is joined when they are all here.
set -eu
umask 077

backup=@FILE@
sha256=@SHA256@
plain=@PLAIN@
plain_sha256=@PLAIN_SHA256@
image=@IMAGE@
user=@USER@
database=@DATABASE@

identity='' container='' configuration='' directory=restored
fail() { echo "$0: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is needed, and not installed here"; }
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || fail "what is $1? See the first lines of this file"
    case $1 in
        --identity) identity=$2 ;;
        --container) container=$2 ;;
        --database) database=$2 ;;
        --user) user=$2 ;;
        --image) image=$2 ;;
        --directory) directory=$2 ;;
        --configuration) configuration=$2 ;;
        *) fail "what is $1? See the first lines of this file" ;;
    esac
    shift 2
done
here=$(cd "$(dirname "$0")" && pwd)

write_configuration() {
    mkdir -p "$configuration"
    cd "$configuration"
@CONFIGURATION@    echo "Written to $configuration."
}
if [ -n "$configuration" ]; then
    write_configuration
    exit 0
fi

file=$here/$backup
if [ ! -f "$file" ]; then
    set -- "$file".*.part-*-of-*
    [ -f "$1" ] || fail "there is no $backup beside this script, and no parts of it"
    expected=${1##*-of-}
    [ "$(printf '%05d' $#)" = "$expected" ] || fail "of $backup there are $# parts here, and should be $expected"
    cat "$@" > "$file.joined"
    mv "$file.joined" "$file"
fi
need sha256sum
check() { echo "$1  $2" | sha256sum -c - >/dev/null || fail "$2 is not what was backed up: $3"; }
check "$sha256" "$file" "its SHA-256 is another"
work=$(mktemp -d "$here/.restore.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
if [ -n "$plain" ]; then
    need age
    [ -n "$identity" ] || fail "it is encrypted: --identity FILE, with the private key"
    age --decrypt --identity "$identity" --output "$work/$plain" "$file"
    file=$work/$plain
    check "$plain_sha256" "$file" "it does not decrypt to what was encrypted"
fi
echo "$backup is what was backed up."
"""

# In a container of its own, without a network, unless one is named.
CONTAINER = r"""
need docker
mine=''
if [ -z "$container" ]; then
    container=@NAME@
    mine=yes
    ! docker inspect "$container" >/dev/null 2>&1 || fail "there is one already: docker rm --force --volumes $container"
    docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image" ||
        fail "$image cannot be had; name another with --image"
fi
wait_for() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || { docker logs --tail 20 "$container" >&2; fail "$container did not become ready"; }
        sleep 1
    done
}
"""

UNPACK = r"""
case $file in *.zst) need zstd ;; esac
unpack() {
    case $file in
        *.zst) zstd --quiet --decompress --stdout "$file" ;;
        *.gz) gzip --decompress --stdout "$file" ;;
        *) cat "$file" ;;
    esac
}
"""

POSTGRESQL = r"""
if [ -n "$mine" ]; then
    # Nobody reaches it but by docker exec: it has no network.
    docker run --detach --name "$container" --network none --env POSTGRES_HOST_AUTH_METHOD=trust \
        --env POSTGRES_USER="$user" --env POSTGRES_DB="$database" "$image" >/dev/null
fi
wait_for docker exec "$container" pg_isready -q -h 127.0.0.1 -U "$user"
sql() {
    docker exec -i --env PGCLIENTENCODING=UTF8 "$container" psql -X -q -w -A -t -v ON_ERROR_STOP=1 -U "$user" "$@"
}
if ! sql -d template1 -v name="$database" <<'SQL' | grep -qx 1
SELECT 1 FROM pg_catalog.pg_database WHERE datname = :'name';
SQL
then
    docker exec "$container" createdb -U "$user" -- "$database"
fi
# No backup has roles. Those that this one names and that are missing here are made, and cannot log in.
sql -d "$database" > "$work/roles" <<'SQL'
SELECT pg_catalog.format('CREATE ROLE %I NOLOGIN;', role) FROM pg_catalog.unnest(@ROLES@) AS named (role)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) ORDER BY role;
SQL
may='SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user'
if [ -s "$work/roles" ] && [ "$(sql -d "$database" -c "$may")" != t ]; then
    cat "$work/roles" >&2
    fail "nothing was restored: $user may not make these roles. Have them made, or name with --user who may"
fi
# One transaction, in place of all that is there, also of what came after the backup: it fails as a whole or not at all.
# pg_restore brings BEGIN and COMMIT, the latter only when it has decoded everything.
status=0
{
    cat <<'SQL'
@AHEAD@SQL
    cat "$work/roles"
    { unpack || echo unpack >> "$work/failed"; } |
        docker exec -i "$container" pg_restore --clean --if-exists --single-transaction -f - ||
        echo pg_restore >> "$work/failed"
} | sql -d "$database" -o /dev/null || status=$?
if [ -e "$work/failed" ] || [ "$status" -eq 3 ]; then
    fail "nothing was restored, and nothing has changed"
fi
[ "$status" -eq 0 ] || fail "the connection was lost, and nobody knows whether it was restored: look, or run this again"
if [ -s "$work/roles" ]; then
    echo "These roles had to be made. They have neither login nor password nor memberships (ALTER ROLE, GRANT):"
    cat "$work/roles"
fi
sql -d "$database" > "$work/differences" <<'SQL'
@COUNTS@
SQL
"""

MYSQL = r"""
if [ -n "$mine" ]; then
    # Nobody reaches it but by docker exec: it has no network.
    docker run --detach --name "$container" --network none --env MYSQL_ALLOW_EMPTY_PASSWORD=yes \
        --env MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes --env MYSQL_DATABASE="$database" "$image" >/dev/null
    user=root
fi
client() {
    docker exec -i --env MYSQL_PWD "$container" sh -c 'exec "$(command -v mariadb || command -v mysql)" "$@"' sh \
        --user="$user" --default-character-set=utf8mb4 "$@"
}
[ -n "$mine" ] || [ -n "${MYSQL_PWD:-}" ] || fail "put the password of $user into the environment as MYSQL_PWD"
export MYSQL_PWD="${MYSQL_PWD:-}"
# While a new one initialises itself it listens on its socket alone; of others root may come by that alone.
wait_for client ${mine:+--host=127.0.0.1} --execute 'SELECT 1'
client --execute "CREATE DATABASE IF NOT EXISTS \`$database\`"
unpack > "$work/dump.sql"
client --max-allowed-packet=1G "$database" < "$work/dump.sql"
client --batch --skip-column-names "$database" > "$work/differences" <<'SQL'
@COUNTS@
SQL
"""

MONGODB = r"""
if [ -n "$mine" ]; then
    # Without a password, and nobody reaches it but by docker exec: it has no network.
    docker run --detach --name "$container" --network none "$image" >/dev/null
    set --
else
    [ -n "${MONGO_PASSWORD:-}" ] || fail "put the password of $user into the environment as MONGO_PASSWORD"
    export MONGO_PASSWORD
    set -- --username="$user" --authenticationDatabase=admin
fi
wait_for docker exec "$container" bash -c '</dev/tcp/127.0.0.1/27017'
docker exec -i --env MONGO_PASSWORD "$container" sh -c '
    umask 077
    printf "password: \"%s\"\n" "${MONGO_PASSWORD:-}" > /tmp/.restore.yml
    [ -z "${MONGO_PASSWORD:-}" ] || set -- --config=/tmp/.restore.yml "$@"
    mongorestore --archive --gzip --drop --stopOnError "$@"; status=$?
    rm -f /tmp/.restore.yml; exit $status' sh "$@" < "$file"
: > "$work/differences"
"""

REDIS = r"""
# A server that runs would save over the file.
[ -n "$mine" ] || fail "a Redis gets its data when it starts: leave --container out, and use the new one"
docker volume create "$container" >/dev/null
docker run --rm -i --network none --user 0 --entrypoint sh --volume "$container:/data" "$image" \
    -c 'cat > /data/dump.rdb && chmod 0644 /data/dump.rdb && chmod 0777 /data' < "$file"
# Nobody reaches it but by docker exec: it has no network.
docker run --detach --name "$container" --network none --volume "$container:/data" "$image" \
    redis-server --dir /data >/dev/null
wait_for docker exec "$container" sh -c 'redis-cli INFO persistence | grep -q ^loading:0'
keys() { docker exec "$container" redis-cli -n "$1" DBSIZE; }
: > "$work/differences"
compare() {
    have=$(keys "$1")
    if [ "$have" -gt "$2" ] || [ "$have" -lt "$3" ]; then
        echo "db$1 has $have keys, $2 expected" >> "$work/differences"
    fi
}
@COUNTS@
"""

FILES = r"""
mkdir -p "$directory"
unpack | tar --extract --preserve-permissions --file=- --directory="$directory"
: > "$work/differences"
echo "Unpacked into $directory."
"""

TAIL = r"""
if [ -s "$work/differences" ]; then
    cat "$work/differences" >&2
    fail "restored, but not what was backed up"
fi
echo "@DONE@"
"""

_ENGINES = {
    "postgresql": UNPACK + CONTAINER + POSTGRESQL,
    "mysql": UNPACK + CONTAINER + MYSQL,
    "mariadb": UNPACK + CONTAINER + MYSQL,
    "mongodb": CONTAINER + MONGODB,
    "redis": CONTAINER + REDIS,
    "files": UNPACK + FILES,
}


def script(
    manifest: Mapping[str, Any], user: str = "", image: str = "", configuration: Mapping[str, str] | None = None
) -> str:
    """The script for the backup of a manifest.

    ``image`` is what its server was started from, with its digest; ``configuration`` are files of the app by name,
    which must hold no secret.
    """
    engine, file = manifest["engine"], manifest["file"]
    plain = manifest.get("plain") or {}
    database = next(iter(manifest.get("databases") or []), "")
    usage = " --directory DIRECTORY" if engine == "files" else " [--container NAME] [--database NAME] [--image IMAGE]"
    packed = str(plain.get("file", file)).endswith(".zst")
    needs = [
        *(["docker"] if engine != "files" else []),
        *(["zstd"] if packed else []),
        *(["age (it is encrypted)"] if plain else []),
    ]
    values = {
        "WHAT": f"{file}: {engine}{f' {database}' if database else ''} of {manifest['app']}, {manifest['started']}",
        "NEEDS": "".join(f", {word}" for word in needs),
        "SCRIPT": file + WAY_OUT,
        "USAGE": f"{' --identity KEY' if plain else ''}{usage}",
        "FILE": shlex.quote(file),
        "SHA256": manifest["sha256"],
        "PLAIN": shlex.quote(plain.get("file", "")),
        "PLAIN_SHA256": shlex.quote(plain.get("sha256", "")),
        "IMAGE": shlex.quote(image),
        "USER": shlex.quote(user),
        "DATABASE": shlex.quote(database),
        "NAME": shlex.quote(f"restored-{manifest['app']}-{manifest['database']}-{manifest['set']}"),
        "CONFIGURATION": "".join(_written(name, text) for name, text in sorted((configuration or {}).items())),
        "COUNTS": _counts(engine, manifest),
        "AHEAD": AHEAD,
        "ROLES": f"ARRAY[{', '.join(map(_literal, _safe(manifest.get('roles') or [])))}]::text[]",
        "DONE": f"Restored, and all {sum((manifest.get('counts') or {}).values())} are there that were backed up."
        if engine in ("postgresql", "mysql", "mariadb", "redis")
        else "Restored.",
    }
    text = (
        HEAD
        + _ENGINES[engine]
        + (TAIL if engine == "files" else TAIL.rstrip("\n") + '\necho "It is in container $container."\n')
    )
    # In one pass: what is filled in may look like a place.
    return re.sub(r"@([A-Z0-9_]+)@", lambda place: values[place[1]], text)


def _written(name: str, text: str) -> str:
    folder = name.rpartition("/")[0]
    make = f"    mkdir -p {shlex.quote(folder)}\n" if folder else ""
    return f"{make}    cat > {shlex.quote(name)} <<'{END}'\n{text.rstrip(chr(10))}\n{END}\n"


def _counts(engine: str, manifest: Mapping[str, Any]) -> str:
    """What compares the counts, in the engine's own words: it prints nothing when all is there."""
    counts = {name: manifest["counts"][name] for name in _safe(manifest.get("counts") or {})}
    if engine == "postgresql":
        lines = (
            f"SELECT {_literal(table)}, count(*), 'expected', {count} FROM ONLY {table} HAVING count(*) <> {count};"  # noqa: S608
            for table, count in counts.items()
        )
        return "\n".join(lines)
    if engine in ("mysql", "mariadb"):
        lines = (
            f"SELECT {_literal(table)}, count(*), 'expected', {count} FROM `{table.replace('`', '``')}`"  # noqa: S608
            f" HAVING count(*) <> {count};"
            for table, count in counts.items()
        )
        return "\n".join(lines)
    if engine == "redis":
        volatile = manifest.get("volatile") or {}
        return "\n".join(
            f"compare {key.removeprefix('db')} {count} {count - volatile.get(key, 0)}" for key, count in counts.items()
        )
    return ""


def _safe(names: Iterable[str]) -> list[str]:
    """Names that stay on their line: with another the text that they are in could be ended, and become commands."""
    return [name for name in names if "\n" not in name]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
