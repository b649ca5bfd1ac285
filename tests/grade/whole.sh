#!/usr/bin/env bash
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One run: the sample product's server by the profile `strict`, its behaviour before and after what undoes settings, and
# then every grader. The server keeps the graders' packages, so it has served its purpose afterwards.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

server=snippetly-prod
failed=()

step() {
    echo
    echo "== $1"
    shift
    "$@" || failed+=("$*")
}
site() {
    ansible-playbook site.yml -i inventories/prod -i testbed/inventory --limit snippetly -e hardening_profile=strict "$@"
}
behaviour() {
    pytest tests/acceptance/test_1_outside.py tests/acceptance/test_2_product.py -q
}

testbed/bed server down "$server" && testbed/bed up || exit 1
step "site.yml, strict" site
step "the product, as converged" behaviour
docker exec "$server" sysctl --quiet --system >/dev/null 2>&1
step "the product, after a reload of the kernel's settings" behaviour
docker exec "$server" systemctl restart docker
step "the product, after a restart of Docker" behaviour
docker restart --time 60 "$server" >/dev/null
step "the product, after a reboot" behaviour
step "its site" python -m tests.grade
step "TLS 1.3 alone" site -e nginx_tls=modern -e certbot_curve=secp384r1
step "its TLS" python -m tests.grade tls
step "lynis, OpenSCAP, ssh-audit, systemd" benchmarks/grade.py

echo
if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "everything held"
