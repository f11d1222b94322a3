# Everything runs in .venv, which is made on first use and whenever what it holds has changed.
PYTHON ?= python3
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# What `make run` and `make dev` need; the others add to it.
RUN := dagster,sandbox,report,excel,shell
# Tests that run at once; each has folders, ports and servers of its own.
WORKERS ?= 2
# Of what is tried at random.
SEED ?= 1
OLDEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3; do command -v $$p >/dev/null && $$p -c '' 2>/dev/null && echo $$p && break; done)

export DAGSTER_HOME ?= $(CURDIR)/.dagster
# Who forbids Python to keep what it has compiled would wait for it in each of the processes that are started here.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test quick test-long test-versions audit system check dev notebook bench docs constraints clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Installs the named extras; in a terminal, one line shows how far it is. Modules are compiled when they are first used.
install = @echo "Installing $(2) into .venv ..."; $(BIN)/python -m pip install --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[$(1)]' > .venv/install.log 2>&1 & pid=$$!; \
	trap 'kill $$pid; exit 130' INT TERM; seconds=0; \
	while kill -0 $$pid 2>/dev/null; do sleep 1; seconds=$$((seconds + 1)); [ ! -t 1 ] || printf '\r  %3d s, %3d packages ' $$seconds "$$(grep -cE '^(Collecting|Downloading|Using cached)' .venv/install.log)"; done; \
	[ ! -t 1 ] || printf '\r                          \r'; wait $$pid || { cat .venv/install.log; exit 1; }; touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }

.venv/run: .venv/bin/python pyproject.toml constraints.txt
	$(call install,$(RUN),what the demo needs)

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(call install,$(RUN)$(comma)celery$(comma)k8s$(comma)dev,what checks and quick tests need)
	@touch .venv/run

.venv/test: .venv/bin/python pyproject.toml constraints.txt
	$(call install,$(RUN)$(comma)celery$(comma)k8s$(comma)dev$(comma)test,what all tests need (some minutes))
	@touch .venv/run .venv/dev

.venv/notebook: .venv/bin/python pyproject.toml constraints.txt
	$(call install,$(RUN)$(comma)notebook,what the notebook needs)
	@touch .venv/run

.venv/bench: .venv/bin/python pyproject.toml constraints.txt
	$(call install,$(RUN)$(comma)bench,what the benchmarks need)
	@touch .venv/run

comma := ,

run: .venv/run ## The whole job on a sandbox: a week of snapshots, then questions and answers
	@$(BIN)/image-builders demo

test: .venv/test system ## All tests
	@echo "All tests, some twelve minutes on two cores; 'make quick' leaves out the slow ones."
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

quick: .venv/dev ## The tests without browsers, brokers, Spark, whole jobs and crash matrices
	@echo "The quick tests, some three minutes on two cores."
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow' --hypothesis-profile quick

test-long: .venv/test system ## All that is tried at random, for longer: fuzz, chaos, kills, planted mistakes (an hour or two)
	TEST_LONG=1 TEST_SEED=$(SEED) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
		tests/test_fuzz.py tests/test_shown.py tests/test_chaos.py tests/warehouse/test_kills.py tests/warehouse/test_publish.py \
		tests/warehouse/test_upkeep.py tests/warehouse/test_trouble.py tests/views/test_history.py
	$(BIN)/python -m tests.long.mutation --seed $(SEED)

test-versions: ## The quick tests with the oldest and the newest versions that pyproject.toml admits
	tests/long/versions.sh oldest $(OLDEST_PYTHON)
	tests/long/versions.sh newest $(NEWEST_PYTHON)

audit: .venv/dev ## Known vulnerabilities and the licences of what is installed
	@$(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit pip-licenses
	.venv-audit/bin/pip-licenses --python $(BIN)/python --summary --from mixed
	@$(BIN)/python tests/long/audit.py .venv-audit/bin/pip-audit $(BIN)/python

# Redis for the tests of Celery, Chromium for those of the report, Java for those of Spark.
system:
	@$(call need,redis-server,redis-server)
	@$(call need,chromium,chromium)
	@$(call need,java,default-jre-headless)

need = command -v $(1) >/dev/null || { echo "Installing $(2) ..."; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $(2) >/dev/null; } || { echo "$(1) is needed (Debian: apt-get install $(2))"; exit 1; }

check: .venv/dev ## Lint, format, types, layers, docs that are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pipeline.cli.documents --check

dev: .venv/run ## Dagster's UI on a sandbox, at http://127.0.0.1:3000
	$(BIN)/image-builders sandbox -- $(BIN)/dg dev

notebook: .venv/notebook ## Five questions in JupyterLab, on the warehouse that `make run` filled
	$(BIN)/jupyter lab notebooks/explore.ipynb

bench: .venv/bench ## The benchmarks, as a Markdown table
	$(BIN)/python -m bench

docs: .venv/test ## Write docs/settings.md, tables.md, questions.md and the notebook's answers anew
	$(BIN)/python -W ignore -m pipeline.cli.documents

constraints: ## Write constraints.txt anew with the newest versions that pyproject.toml admits
	rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	.venv-new/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(RUN),celery,k8s,dev,test,notebook,bench]'
	{ sed -n '/^#/p' constraints.txt; .venv-new/bin/python -m pip freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt && rm -rf .venv-new

clean: ## Remove what was made, the warehouse excepted
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
