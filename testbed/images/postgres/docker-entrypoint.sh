#!/usr/bin/env bash
# Makes a cluster on the first start, then becomes the server.
set -Eeuo pipefail
# shellcheck source=testbed/images/file-env.sh
. /usr/local/bin/file-env.sh

[ "${1:0:1}" = - ] && set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
as_user postgres "$PGDATA" "$0" "$@"

run_sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"; }

init_file() {
    case $1 in
        *.sql) run_sql --file "$1" ;;
        *.sql.gz) gunzip -c "$1" | run_sql ;;
        *) echo "$0: ignoring $1" ;;
    esac
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    file_env POSTGRES_PASSWORD
    file_env POSTGRES_USER postgres
    file_env POSTGRES_DB "$POSTGRES_USER"
    file_env POSTGRES_INITDB_ARGS
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo "error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE" >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    # What an interrupted first start leaves behind must not look finished: PG_VERSION comes last.
    fresh=$PGDATA/.initialising
    rm -rf "$fresh"
    eval "initdb --pgdata=$fresh --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") --encoding=UTF8 --locale=C.UTF-8 $POSTGRES_INITDB_ARGS"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$fresh/pg_hba.conf"
    # Only on a socket until everything is there, so that nobody takes a server in the making for a ready one.
    pg_ctl --pgdata="$fresh" --options="-c listen_addresses='' -p ${PGPORT:-5432}" --wait start
    if [ "$POSTGRES_DB" != postgres ]; then
        psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db"'
    fi
    run_init_files init_file
    pg_ctl --pgdata="$fresh" --mode=fast --wait stop
    mv "$fresh/PG_VERSION" "$PGDATA/.PG_VERSION"
    mv "$fresh"/* "$PGDATA/"
    rmdir "$fresh"
    mv "$PGDATA/.PG_VERSION" "$PGDATA/PG_VERSION"
    echo "PostgreSQL init process complete; ready for start up."
fi
unset POSTGRES_PASSWORD
exec "$@"
