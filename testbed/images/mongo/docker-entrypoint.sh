#!/usr/bin/env bash
# `mongod`: PostgreSQL on a socket that nobody else reaches, and FerretDB before it on port 27017.
set -Eeuo pipefail
# shellcheck source=testbed/images/file-env.sh
. /usr/local/bin/file-env.sh

[ "${1:0:1}" = - ] && set -- mongod "$@"
[ "$1" = mongod ] || exec "$@"
as_user mongodb /data/db "$0" "$@"
[ $# = 1 ] || echo "$0: this stand-in knows no options of mongod; ignored: ${*:2}" >&2

data=/data/db/postgresql
sockets=/tmp/postgresql
file_env MONGO_INITDB_ROOT_USERNAME
file_env MONGO_INITDB_ROOT_PASSWORD
if [ -z "$MONGO_INITDB_ROOT_USERNAME" ] || [ -z "$MONGO_INITDB_ROOT_PASSWORD" ]; then
    echo "error: set MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD (or the same with _FILE): this stand-in always asks for a password" >&2
    exit 1
fi

# Whoever holds the lock is alone with the data. The pid file of a PostgreSQL that was killed says nothing then: in a new
# container its number may well be that of another process, and PostgreSQL would refuse to start.
exec 9> /data/db/mongod.lock
flock --nonblock 9 || { echo "error: another container uses this data: /data/db/mongod.lock" >&2; exit 1; }
rm -f "$data/postmaster.pid"
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data.initialising"
    initdb --pgdata="$data.initialising" --username=mongodb --auth=peer --encoding=UTF8 --locale=C.UTF-8 --data-checksums
    mv "$data.initialising" "$data"
fi
[ -d "$sockets" ] || mkdir -m 0700 "$sockets"
# Small: the container has 512 MB for both.
postgres -D "$data" -c listen_addresses= -c unix_socket_directories="$sockets" -c shared_buffers=48MB \
    -c max_connections=40 -c jit=off -c autovacuum_max_workers=1 -c log_checkpoints=off &
postgres=$!
ferretdb=
trap 'kill -TERM "${ferretdb:-$postgres}" 2> /dev/null || true' TERM INT
until pg_isready --quiet --host="$sockets" --username=mongodb --dbname=postgres; do
    kill -0 "$postgres" 2> /dev/null || exit 1
    sleep 0.1
done
[ "$(psql -h "$sockets" -U mongodb -d postgres -Atc "SELECT 1 FROM pg_database WHERE datname = 'ferretdb'")" = 1 ] \
    || createdb --host="$sockets" --username=mongodb ferretdb

# The user is made when the database admin is not there yet; from then on these are not looked at, as upstream.
FERRETDB_SETUP_USERNAME=$MONGO_INITDB_ROOT_USERNAME FERRETDB_SETUP_PASSWORD=$MONGO_INITDB_ROOT_PASSWORD \
    FERRETDB_SETUP_DATABASE=admin GOMEMLIMIT=192MiB ferretdb --test-enable-new-auth --telemetry=disable \
    --postgresql-url="postgres://mongodb@/ferretdb?host=$sockets&pool_max_conns=20" \
    --listen-addr=:27017 --debug-addr=- --state-dir=/data/db --log-level=WARN --no-log-uuid &
ferretdb=$!
unset MONGO_INITDB_ROOT_PASSWORD

# Whichever ends first takes the other along; FerretDB goes before its PostgreSQL.
status=0
wait -n "$postgres" "$ferretdb" || status=$?
kill -TERM "$ferretdb" 2> /dev/null || true
wait "$ferretdb" || true
kill -INT "$postgres" 2> /dev/null || true
wait "$postgres" || true
exit "$status"
