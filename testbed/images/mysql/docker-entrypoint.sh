#!/usr/bin/env bash
# Makes a data directory on the first start, then becomes the server: of MySQL or of MariaDB, whichever is here.
set -Eeuo pipefail
# shellcheck source=testbed/images/file-env.sh
. /usr/local/bin/file-env.sh

if command -v mariadbd > /dev/null; then flavour=MARIADB server=mariadbd client=mariadb; else flavour=MYSQL server=mysqld client=mysql; fi
data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

[ "${1:0:1}" = - ] && set -- "$server" "$@"
case $1 in
    mysqld | mariadbd) ;;
    *) exec "$@" ;;
esac
as_user mysql "$data" "$0" "$@"

# setting NAME [DEFAULT]: MARIADB_NAME counts where the server is MariaDB, else MYSQL_NAME, each also as a file.
setting() {
    file_env "MYSQL_$1"
    file_env "${flavour}_$1" "$(printenv "MYSQL_$1" || true)"
    local name=${flavour}_$1
    printf -v "$1" '%s' "${!name:-${2:-}}"
}

run_sql() { MYSQL_PWD=$ROOT_PASSWORD "$client" --protocol=socket --socket="$socket" --user=root --comments "$@"; }
# shellcheck disable=SC2001
literal() { printf "'%s'" "$(sed "s/[\\\\']/\\\\&/g" <<< "$1")"; }
# shellcheck disable=SC2016
identifier() { printf '`%s`' "${1//\`/\`\`}"; }

init_file() {
    case $1 in
        *.sql) run_sql ${DATABASE:+"$DATABASE"} < "$1" ;;
        *.sql.gz) gunzip -c "$1" | run_sql ${DATABASE:+"$DATABASE"} ;;
        *.sql.zst) zstd -dc "$1" | run_sql ${DATABASE:+"$DATABASE"} ;;
        *) echo "$0: ignoring $1" ;;
    esac
}

if [ ! -d "$data/mysql" ]; then
    setting ROOT_PASSWORD
    setting RANDOM_ROOT_PASSWORD
    setting ALLOW_EMPTY_ROOT_PASSWORD
    setting ALLOW_EMPTY_PASSWORD "$ALLOW_EMPTY_ROOT_PASSWORD"
    setting ROOT_HOST %
    setting DATABASE
    setting USER
    setting PASSWORD
    if [ -n "$RANDOM_ROOT_PASSWORD" ]; then
        ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
        echo "GENERATED ROOT PASSWORD: $ROOT_PASSWORD"
    elif [ -z "$ROOT_PASSWORD$ALLOW_EMPTY_PASSWORD" ]; then
        echo "error: Database is uninitialized and password option is not specified: set ${flavour}_ROOT_PASSWORD or ${flavour}_ROOT_PASSWORD_FILE" >&2
        exit 1
    fi
    # What an interrupted first start leaves behind must not look finished: the folder `mysql` comes last.
    fresh=$data/initialising
    rm -rf "$fresh"
    if [ "$server" = mariadbd ]; then
        mariadb-install-db --no-defaults --datadir="$fresh" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve > /dev/null
    else
        mysqld --initialize-insecure --datadir="$fresh"
    fi
    # Only on a socket until everything is there, so that nobody takes a server in the making for a ready one.
    "$server" --datadir="$fresh" --skip-networking --socket="$socket" --pid-file=/tmp/initialising.pid & making=$!
    wanted=$ROOT_PASSWORD ROOT_PASSWORD=
    for _ in $(seq 300); do
        run_sql -e 'SELECT 1' > /dev/null 2>&1 && break
        kill -0 "$making"
        sleep 0.1
    done
    {
        echo "SET @@SESSION.SQL_LOG_BIN = 0;"
        if [ -n "$ROOT_HOST" ] && [ "$ROOT_HOST" != localhost ]; then
            echo "CREATE USER 'root'@$(literal "$ROOT_HOST") IDENTIFIED BY $(literal "$wanted");"
            echo "GRANT ALL ON *.* TO 'root'@$(literal "$ROOT_HOST") WITH GRANT OPTION;"
        fi
        if [ -n "$DATABASE" ]; then
            echo "CREATE DATABASE IF NOT EXISTS $(identifier "$DATABASE");"
        fi
        if [ -n "$USER" ] && [ -n "$PASSWORD" ]; then
            echo "CREATE USER $(literal "$USER")@'%' IDENTIFIED BY $(literal "$PASSWORD");"
            if [ -n "$DATABASE" ]; then
                # In a grant an underscore would stand for any letter.
                echo "GRANT ALL ON $(identifier "${DATABASE//_/\\_}").* TO $(literal "$USER")@'%';"
            fi
        fi
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(literal "$wanted");"
    } | run_sql mysql
    ROOT_PASSWORD=$wanted
    run_init_files init_file
    kill "$making"
    wait "$making" || true
    mv "$fresh/mysql" "$data/.mysql"
    mv "$fresh"/* "$data/"
    rm -rf "$fresh"
    mv "$data/.mysql" "$data/mysql"
    echo "$flavour init process done. Ready for start up."
fi
for name in ROOT_PASSWORD PASSWORD; do unset "MYSQL_$name" "MARIADB_$name"; done
exec "$@"
