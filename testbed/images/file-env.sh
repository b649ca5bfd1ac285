#!/usr/bin/env bash
# Read by the entry points of the database images.

# file_env NAME [DEFAULT]: exports NAME from itself or from the file that NAME_FILE names.
file_env() {
    local name=$1 file="${1}_FILE" value
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        echo "error: both $name and $file are set (but are exclusive)" >&2
        exit 1
    fi
    value=${!name:-${2:-}}
    if [ -n "${!file:-}" ]; then
        value=$(<"${!file}") || exit 1
    fi
    export "$name"="$value"
    unset "$file"
}

# as_user NAME DIRECTORY PROGRAM...: started as root, own the data and go on as NAME.
as_user() {
    local name=$1 data=$2
    shift 2
    [ "$(id -u)" = 0 ] || return 0
    mkdir -p "$data"
    find "$data" \! -user "$name" -exec chown "$name:$name" '{}' +
    exec setpriv --reuid="$name" --regid="$name" --init-groups "$@"
}

# run_init_files RUNNER: hands what /docker-entrypoint-initdb.d holds to RUNNER, in the order of the names.
run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        [ -e "$file" ] || continue
        echo "$0: running $file"
        if [ "${file%.sh}" = "$file" ]; then
            "$1" "$file"
        elif [ -x "$file" ]; then
            "$file"
        else
            # shellcheck source=/dev/null
            . "$file"
        fi
    done
}
