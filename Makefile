# make demo   train the two-layer network on handwritten digits     (DATA=directory for MNIST-format files)
# make test   run every check
# make docs   build the reference into site/
# make evidence   try every law on 11,000 drawn cases and write docs/evidence.md: some minutes
# Each sets up what it needs in .venv first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo evidence test lint types tests docs clean

demo: .venv/demo
	$(BIN)/python -m chainrule $(if $(DATA),--data $(DATA)) $(OPTIONS)

test: lint types tests docs

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/dev
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

tests: .venv/dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch .venv/demo $@

evidence: .venv/dev
	OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python benchmarks/evidence.py

clean:
	rm -rf .venv site dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
