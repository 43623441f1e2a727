# Needs only Python >= 3.11, git and make. Every target that needs the environment builds it first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help demo test test-all check docs format bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## example data: validated, broken, converted, trained on by a tiny model
	$(BIN)/python examples/demo.py

test: $(STAMP)  ## the whole suite but the long matrices
	$(BIN)/python -m pytest -n auto -m 'not slow' tests

test-all: $(STAMP)  ## everything, long matrices included
	$(BIN)/python -m pytest -n auto tests

check: $(STAMP)  ## format, lint, types, layers, generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m mmdata.generated --check
	$(BIN)/python -m mmtrain.generated --check

docs: $(STAMP)  ## write the generated files: docs/{checks,cli,config,…}.md, schemas/jsonschema/
	$(BIN)/python -m mmdata.generated
	$(BIN)/python -m mmtrain.generated

format: $(STAMP)  ## format and fix lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## ratios against named peers, measured in one run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m benchmarks

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
