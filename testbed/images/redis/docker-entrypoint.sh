#!/usr/bin/env bash
# Becomes the server, as `redis-server [configuration] [--option value …]`.
set -Eeuo pipefail
# shellcheck source=testbed/images/file-env.sh
. /usr/local/bin/file-env.sh

case $1 in
    -* | *.conf) set -- redis-server "$@" ;;
esac
[ "$1" = redis-server ] || exec "$@"
as_user redis /data "$0" "$@"
umask 0077
# As upstream: in a container who may connect is decided by the network, unless a configuration says otherwise.
case ${2:-} in
    '' | -*) set -- "$@" --protected-mode no ;;
esac
exec "$@"
