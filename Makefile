# Every command makes the virtual environment it needs: python3 (3.11 or newer, with venv), make and git are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS :=
# Modules are compiled once, not by each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check types lint rules bench group faults soak fuzz certify lock clean

help:          ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: $(READY) ## the whole gateway on this machine: clinics, payers, bank, texts and books, both verifications
	$(BIN)/gateway demo

test: $(READY) ## every test; needs no network and no server
	$(BIN)/python -m pytest $(TESTS)

check: types lint rules ## lint, format, types, import contracts, layout and size rules

types: $(READY)
	$(BIN)/mypy

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

rules: $(READY)
	$(BIN)/python -m pytest tests/rules

bench: $(READY) ## measure against peers; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

group: $(READY) ## a group of twenty clinics, 200,000 appointments (BENCH_SCALE=0.1: a tenth), kill -9, limits, freshness
	$(BIN)/python -m benchmarks --only group

faults: $(READY) ## the fault tests at full scale, 50 kills, 500 power cuts, and at the end their table; JSON=FILE writes it too
	GATEWAY_FAULT_SCALE=1.0 $(BIN)/python -m pytest tests/faults $$($(BIN)/python -m tests.faults.table) --fault-table $(if $(JSON),--fault-json $(JSON))

soak: $(READY) ## rounds of load, broken connections and a receiver that hangs, for HOURS (1): nothing may grow
	GATEWAY_SOAK_HOURS=$(or $(HOURS),1) $(BIN)/python -m pytest -s tests/faults/test_soak.py

fuzz: $(READY) ## coverage-guided fuzzing of every parser of outside bytes, FUZZ_SECONDS (60) each
	$(BIN)/python -m tests.fuzz

certify: $(READY) ## judge every adapter by the quality scale; writes docs/certified and docs/reference/adapters.md
	$(BIN)/python -m gateway.testing.conformance_docs docs

lock: $(READY) ## pin every dependency with hashes; no index address is written
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.11 --all-extras --group dev \
		--no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	$(BIN)/pip uninstall --quiet --yes uv

clean:         ## everything that was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .bench .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp comes last, so an installation that was cut short is made again.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The gateway needs Python 3.11 or newer. Fix: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "This Python cannot make a virtual environment. Fix: install its venv package (Debian: python3-venv)."; exit 1; }
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # what is a template of code fails
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
