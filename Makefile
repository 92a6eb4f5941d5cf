# Everything runs in .venv, which the targets make themselves. Another Python: make test PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
INSTALL := $(PIP) install -c constraints.txt
PACKAGING := setup.cfg setup.py pyproject.toml constraints.txt
# More arguments for pytest: make test ARGS="-k portfolio -x"
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test slow check lint format docs peers compare clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.core ## fit the bundled table adult in 60 seconds, print leaderboard and score
	$(BIN)/raytabdl demo

test: $(VENV)/.dev ## run the tests, but not the slow ones
	$(BIN)/pytest -m "not slow" $(ARGS)

slow: $(VENV)/.dev ## run the slow tests
	$(BIN)/pytest -m slow $(ARGS) || [ $$? -eq 5 ]  # 5: there are none

check: lint docs ## lint, types, the import contract and the documentation
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

lint: $(VENV)/.dev ## ruff's rules and format, looked at only
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/.dev ## ruff's rules and format, applied
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.docs ## write the documentation to site/; a warning fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

peers: $(VENV)/.dev ## build the peers' environments below .peers, for the comparison
	$(BIN)/python -m benchmarks.compare.peers

compare: $(VENV)/.dev ## run the comparison's short form on the tables in RAYTABDL_DATA, and write its report
	$(BIN)/python -m benchmarks.compare.run --tables short
	$(BIN)/python -m benchmarks.compare.report

clean: ## remove .venv, caches and build leftovers
	rm -rf $(VENV) build dist site *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps .python, .core, .dev and .docs say what is installed; a change of the packaging files installs again.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "raytabdl needs Python 3.10 or newer, and '$(PYTHON)' is none; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.core: $(PACKAGING) | $(VENV)/.python
	@echo "installing raytabdl into $(VENV); the first time takes some minutes"
	@$(INSTALL) -e .
	@$(INSTALL) -e '.[hpbandster]' >$(VENV)/hpbandster.log 2>&1 || \
		echo "note: hpbandster is left out, its build needs a C compiler and Python's headers ($(VENV)/hpbandster.log)"
	@touch $@

$(VENV)/.dev: $(PACKAGING) | $(VENV)/.python
	@echo "installing raytabdl and its tests into $(VENV); the first time takes some minutes"
	@$(INSTALL) -e '.[dev]' || { echo "hpbandster is an oracle of the tests; its build needs a C compiler and" \
		"Python's headers; on Debian and Ubuntu: apt install build-essential python3-dev" >&2; exit 1; }
	@touch $(VENV)/.core $@

# The reference is read from the sources, so raytabdl itself need not be installed.
$(VENV)/.docs: $(PACKAGING) | $(VENV)/.python
	@$(INSTALL) mkdocs mkdocs-material mkdocstrings-python
	@touch $@
