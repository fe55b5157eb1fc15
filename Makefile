# Volley: `make` alone lists what can be done.
PYTHON ?= python3
V := .venv
PY := $(V)/bin/python
PIP := $(V)/bin/pip --disable-pip-version-check
export PIP_DISABLE_PIP_VERSION_CHECK := 1

#: How many tests run beside each other: more than there are cores, for many of them wait.
AT_ONCE ?= 3
BESIDE := -n $(AT_ONCE) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast up lint check bench chaos own-servers flower migrate lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(V)/.run ## upload, launch and deliver the sample campaign, then prove it
	$(V)/bin/volley demo

test: $(V)/.dev ## run the tests (needs no earlier command)
	@ended=0; \
	$(PY) -m pytest $(BESIDE) -m 'not bench and not alone' || ended=$$?; \
	$(PY) -m pytest -m 'not bench and alone' || ended=$$?; \
	exit $$ended
	@echo "left out: the benchmarks (they compare, and want a quiet machine: make bench) and the long faults (make chaos)"

test-fast: $(V)/.dev ## run the tests that need no server and no quiet machine
	$(PY) -m pytest $(BESIDE) -m 'not bench and not alone and not chaos and not stack and not servers'

up: $(V)/.run ## the whole stack, kept running, on http://127.0.0.1:8080
	$(V)/bin/volley up

lint: $(V)/.dev ## ruff and the import contracts, in seconds
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .
	$(V)/bin/lint-imports

check: $(V)/.dev ## lint, types, import contracts, migrations, tests
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .
	$(V)/bin/mypy
	$(V)/bin/lint-imports
	@$(MAKE) --no-print-directory test

bench: $(V)/.dev ## measure everything, as ratios in one run
	$(PY) -m tests.benchmarks

chaos: $(V)/.dev ## the fault matrix, long form, and five minutes of spoilt files and requests
	$(PY) -m tests.chaos
	$(PY) -m tests.chaos.mutations --minutes 5

own-servers: $(V)/.dev ## campaigns on Debian's own servers, written to deploy/docs/own-servers.md
	$(PY) -m tests.chaos.own_servers

flower: $(V)/.dev ## run a campaign and write what Flower showed of it, deploy/docs/flower.md
	$(PY) -m tests.chaos.shown

migrate: $(V)/.run ## bring the database to the newest schema
	$(V)/bin/volley migrate

lock: ## remake the hash-pinned lock files (developers; needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --group build pyproject.toml -o requirements-run.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --group build --group dev pyproject.toml -o requirements.lock

clean: ## remove the environment and caches (never .volley, which leads to your data)
	rm -rf $(V) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@for place in .volley /var/lib/volley /var/tmp/volley; do \
	  [ ! -e $$place ] || du -sh $$place 2>/dev/null | sed 's/^/left: /'; done
	@[ ! -e /var/lib/volley ] && [ ! -e /var/tmp/volley ] || \
	  echo "There lie the data of the stacks that root started, and copies of the servers' programs. What no DATA_DIR leads to any more: volley clean (after the next make up or demo) lists it, and asks."

$(V)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null || \
	  { echo "Volley needs Python 3.11 to 3.14 as '$(PYTHON)'. On Debian or Ubuntu: apt install python3 python3-venv; or: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(V)
	@touch $@

$(V)/.run: $(V)/.python requirements-run.lock pyproject.toml
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements-run.lock
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(V)/.dev: $(V)/.run requirements.lock
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements.lock
	@touch $@
