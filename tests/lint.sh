#!/usr/bin/env bash
# Every check of form, each named as it runs; the first that fails ends the run with its output.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PWD/.cache/go/bin:$PATH" ANSIBLE_HOME="$PWD/.ansible"
check() {
  local name=$1 log
  shift
  printf '%-14s' "$name"
  if log=$("$@" 2>&1); then echo ok; else printf 'failed: %s\n%s\n' "$*" "$log"; exit 1; fi
}
mapfile -t shell < <(git ls-files -z -- ':!*.j2' | xargs -0 grep -lIE '^#!(/usr/bin/env bash|/bin/(ba)?sh)' -- || true)
mapfile -t python < <(git ls-files -z -- testbed benchmarks tests | xargs -0 grep -lIE '^#!.*\.venv/bin/python' -- || true)
check ruff ruff check . "${python[@]}"
check format ruff format --check . "${python[@]}"
check mypy mypy
check yamllint yamllint --strict .
check ansible-lint ansible-lint --offline
check shellcheck shellcheck "${shell[@]}"
if [ -e .cache/go/unavailable ]; then echo "actionlint    not here: the Go modules cannot be had"; else check actionlint actionlint; fi
check antsibull antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
check changelog antsibull-changelog lint
