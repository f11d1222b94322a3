# Everything runs in .venv, which is made on first use and whenever what it holds has changed.
PYTHON ?= python3
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
EXTRAS := dagster,celery,k8s,sandbox,dev
# Tests that run at once; each has folders, ports and servers of its own.
WORKERS ?= 2

export DAGSTER_HOME ?= $(CURDIR)/.dagster

.DEFAULT_GOAL := help
.PHONY: help run test system check dev bench docs constraints clean

help: ## What there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Installing into .venv; the first time takes a minute or two ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

.venv/test: .venv/ready
	@echo "Installing what the tests need beside it; the first time takes some minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS),test]'
	@touch $@

.venv/bench: .venv/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS),bench]'
	@touch $@

run: .venv/ready ## The whole job on a sandbox: a week of snapshots, then questions and answers
	@$(BIN)/image-builders demo

test: .venv/test system ## The tests
	$(BIN)/python -m pytest -n $(WORKERS)

# Redis for the tests of Celery, Chromium for those of the report, Java for those of Spark.
system:
	@$(call need,redis-server,redis-server)
	@$(call need,chromium,chromium)
	@$(call need,java,default-jre-headless)

need = command -v $(1) >/dev/null || { echo "Installing $(2) ..."; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $(2) >/dev/null; } || { echo "$(1) is needed (Debian: apt-get install $(2))"; exit 1; }

check: .venv/ready ## Lint, types, docs that are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pipeline.cli.dictionary --check docs/tables.md

dev: .venv/ready ## Dagster's UI on a sandbox, at http://127.0.0.1:3000
	$(BIN)/image-builders sandbox -- $(BIN)/dg dev

bench: .venv/bench ## The benchmarks, as a Markdown table
	$(BIN)/python -m bench

docs: .venv/ready ## Write docs/tables.md and docs/questions.md anew
	$(BIN)/python -m pipeline.cli.dictionary docs/tables.md
	$(BIN)/python -W ignore -m pipeline.cli.answers docs/questions.md

constraints: ## Write constraints.txt anew with the newest versions that pyproject.toml admits
	rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	.venv-new/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS),test,bench]'
	{ sed -n '/^#/p' constraints.txt; .venv-new/bin/python -m pip freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt && rm -rf .venv-new

clean: ## Remove what was made, the warehouse excepted
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
