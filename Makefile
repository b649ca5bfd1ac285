# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test unit integration trials large site sanity lint molecule bench grade grade-edge docs testbed-up testbed-status testbed-down clean lock

# Of the servers that `molecule` builds. Ubuntu (noble) needs its package mirrors in reach.
RELEASES ?= trixie bookworm

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.cache/go/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything needed, into the checkout (and distribution packages)
	@testbed/setup

demo: setup ## A bare server becomes a running, backed-up, watched product, and is proven to be one
	@testbed/demo

test: setup lint unit molecule ## What CI runs: set-up, lint, unit, the whole site on Debian 13 and 12 as seen from outside, damaged backups
	@$(MAKE) --no-print-directory trials TRIALS=20

unit: setup ## Unit tests: offline, under a minute
	@pytest tests/unit -n 2 -q

integration: setup ## Tests of modules and roles that need the test bed
	@testbed/bed up
	@testbed/images/build --all
	@pytest tests/integration -n 2 --dist loadfile -q

trials: setup ## Nightly: backups damaged in every way, TRIALS times a cell (200), as a table and as JSON in benchmarks/results
	@testbed/images/build --all
	@BACKUP_TRIALS=$${TRIALS:-200} pytest tests/integration/backup/test_corruption.py -q

large: setup ## Nightly: a dump of GIB (5) that is far larger than the memory, packed well and badly
	@testbed/images/build --all
	@BACKUP_GIB=$${GIB:-5} pytest tests/integration/backup/test_large.py -q -s

lint: setup ## Linters, type checks and ansible-test sanity
	@tests/lint.sh

site: setup ## A bare server by site.yml, then looked at from outside: TLS, ports, the product, a reboot
	@testbed/bed server down snippetly-prod
	@testbed/bed up
	@ansible-playbook site.yml -i inventories/prod -i testbed/inventory --limit snippetly
	@pytest tests/acceptance/test_1_outside.py tests/acceptance/test_2_product.py -q

sanity: setup ## ansible-test sanity alone
	@tests/sanity.sh

molecule: setup ## The whole site on Debian 13 and Debian 12, seen from outside
	@testbed/bed up --no-servers
	@rm -f .cache/acceptance.xml
	@for release in $(RELEASES); do MAINSTAY_DEBIAN=$$release molecule test || { python -m tests.failures .cache/acceptance.xml; exit 1; }; done

grade: setup ## The sample product's server, hardened by the strict profile: its behaviour before and after reload, restart and reboot, and all graders
	@tests/grade/whole.sh

# Of `bench`: first_run makes the sample server anew; servers takes a quarter of an hour and 10 GB of memory.
BENCHMARKS ?= first_run converge tree blob_upload blob_download s3_transfer backup_verify

bench: setup ## Benchmarks, as tables and as JSON in benchmarks/results (BENCHMARKS="converge servers" for those alone)
	@testbed/bed up
	@testbed/images/build --all
	@for name in $(BENCHMARKS); do echo; echo "== $$name"; benchmarks/$$name.py; done

grade-edge: setup ## The sample product's site, as testssl.sh and Mozilla's HTTP Observatory see it
	@python -m tests.grade

docs: setup ## Write docs/apps.md, docs/hardening.md and the documentation of validate_apps from their specifications
	@python -m tools.document_apps
	@python -m tools.document_hardening

testbed-up: setup ## Start the test bed: services and the servers of the inventory
	@testbed/bed up

testbed-status: setup ## The test bed in one look
	@testbed/bed status

testbed-down: ## Stop the test bed; what is cached stays
	@if [ -x .venv/bin/python ]; then testbed/bed down; fi

clean: ## Remove every container, network, volume and process of ours, and what was built
	@if [ -x .venv/bin/python ]; then testbed/bed clean; fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

lock: ## Compile the requirements again, at newer versions
	@testbed/lock
