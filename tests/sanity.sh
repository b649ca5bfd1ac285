#!/usr/bin/env bash
# ansible-test sanity wants the collection under its real path and a get-pip from the network:
# give it a copy of what git tracks, and pip from the interpreter itself. pylint, which takes as long as all
# others together, runs beside them. With arguments: those tests alone (tests/sanity.sh --test pep8).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/.venv
copy=$PWD/.cache/sanity/ansible_collections/mainstay/platform
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard -- \
  plugins roles playbooks meta tests/unit tests/sanity tests/config.yml galaxy.yml README.md changelogs COPYING |
  tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory "$copy"
cd "$copy"
git init -q .
git add -A
# ansible-test keeps its cache at home: give it one of its own, and leave pip's settings where they are.
home=${copy%/ansible_collections/*}-home
mkdir -p "$home/.ansible/test/cache"
cat > "$home/.ansible/test/cache/get_pip_24_2.py" <<'PY'
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--upgrade"], check=True)
PY
export XDG_CONFIG_HOME=${XDG_CONFIG_HOME:-$HOME/.config} HOME=$home
export PATH="$venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="${copy%/ansible_collections/*}"
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
sanity() { ansible-test sanity --python "$version" --color "$([ -t 1 ] && echo yes || echo no)" "$@"; }
if [ $# -gt 0 ]; then
  sanity "$@"
else
  sanity --test pylint &
  sanity --skip-test pylint
  wait $!
fi
