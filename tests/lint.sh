#!/usr/bin/env bash
# Every check of form, each named as it ends, with its output where it failed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PWD/.cache/go/bin:$PATH" ANSIBLE_HOME="$PWD/.ansible"
failed=0
check() {
  local name=$1 log start=$SECONDS
  shift
  if log=$("$@" 2>&1); then
    printf '%-14s ok %5d s\n' "$name" $((SECONDS - start))
  else
    printf '%-14s failed: %s\n%s\n' "$name" "$*" "$log"
    return 1
  fi
}
mapfile -t shell < <(git ls-files -z -- ':!*.j2' | xargs -0 grep -lIE '^#!(/usr/bin/env bash|/bin/(ba)?sh)' -- || true)
mapfile -t python < <(git ls-files -z -- testbed benchmarks tests | xargs -0 grep -lIE '^#!.*\.venv/bin/python' -- || true)
# As long as all others together, and on the other core.
check sanity tests/sanity.sh &
check ruff ruff check . "${python[@]}" || failed=1
check format ruff format --check . "${python[@]}" || failed=1
check mypy mypy || failed=1
check yamllint yamllint --strict . || failed=1
check shellcheck shellcheck "${shell[@]}" || failed=1
if [ -e .cache/go/unavailable ]; then
  echo "actionlint     not here: the Go modules cannot be had"
else
  check actionlint actionlint || failed=1
fi
check changelog antsibull-changelog lint || failed=1
check antsibull antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self . || failed=1
check ansible-lint ansible-lint --offline || failed=1
wait $! || failed=1
exit $failed
