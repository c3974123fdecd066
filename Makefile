# Every target makes and uses .venv in this checkout; nothing outside it is changed.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
JOBS ?= 4
TRIALS ?= 4

.DEFAULT_GOAL := help
.PHONY: help install demo test check format bench crash postfix pictures migration clean
MAKEFLAGS += --no-print-directory

help:  ## say what there is
	@echo "Handraiser. The usual words:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo "After the first of them, .venv/bin/handraiser is the command itself."

install: $(VENV)/.installed  ## install the command into .venv

demo: $(VENV)/.installed  ## two years of nurturing 300 leads, in less than a minute
	@$(VENV)/bin/handraiser demo

test: $(VENV)/.installed-test  ## run every test, on SQLite and on a real PostgreSQL and Redis
	@$(RUN) -m pytest -n $(JOBS)

check: $(VENV)/.installed-dev  ## format, lint, types, tests
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(MAKE) test

format: $(VENV)/.installed-dev  ## write the code as `check` wants it
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.installed-test  ## measure speed and memory, printed as a table
	@$(RUN) -m benchmarks

crash: $(VENV)/.installed-test  ## kill, freeze and cut off processes for half an hour, and write what came of it
	@$(RUN) -m pytest -n $(TRIALS) --dist load --maxschedchunk 1 tests/crash --full --page docs/results/crash.md

postfix: $(VENV)/.installed-test  ## a virtual day of mail through a real Postfix (Debian's, started by root)
	@$(RUN) -m tests.postfix.day --page docs/results/postfix.md

pictures: $(VENV)/.installed-test  ## take the pictures of docs/blocks.md anew, with a Chromium of this machine
	@$(RUN) -m tests.render.gallery

migration: $(VENV)/.installed-dev  ## NAME="add a table": write the migration that engine/schema.py now needs
	@test -n "$(NAME)" || { echo 'make migration NAME="what changes"'; exit 2; }
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(RUN) -m alembic -x database=sqlite:///$$scratch/a.db upgrade head && \
	$(RUN) -m alembic -x database=sqlite:///$$scratch/a.db revision --autogenerate -m "$(NAME)" \
		--rev-id $$(printf '%04d' $$(( $$(ls alembic/versions/*.py 2>/dev/null | wc -l) + 1 )))
	@$(VENV)/bin/ruff format --quiet alembic && $(VENV)/bin/ruff check --quiet --fix alembic

clean:  ## remove .venv and what the tools left
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Handraiser into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Handraiser and what its tests need into $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Handraiser, what its tests need, the formatter and the type checker into $(VENV) ..."
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Handraiser needs Python 3.11 or newer, and none is on the PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"On Debian and Ubuntu: sudo apt install python3-venv. Or name another Python: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
