# Gadolin: what can be made. Everything is installed into .venv and nowhere else.
#
#   make demo                    phantoms, audit, training, evaluation, prediction, explanation, in minutes
#   make demo DATA=path/to/mri   the same with your own folder of slices
#   make page                    the web page with the packaged model; MODEL=run for another
#   make docs                    the documentation site, build/docs/html, also as a ZIP archive to read offline
#   make test                    everything that CI checks
#   make test-fast               the quick tests only, in about a minute

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= demo
# Folders without a quick test: to collect them takes half as long as the quick tests.
SLOW := --ignore=tests/training --ignore=tests/browser --ignore=tests/networks

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo page docs test test-fast lint types contracts unit

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1@/' | tr '@' '\t'

demo: $(READY)-train  ## audit, train, evaluate, predict and explain, on phantoms or on DATA=folder
	$(BIN)/python demo.py --out "$(OUT)" $(if $(DATA),--data "$(DATA)") $(if $(EPOCHS),--epochs $(EPOCHS))

page: $(READY)-serve  ## serve the web page, with the packaged model or with MODEL=folder
	$(BIN)/gadolin serve $(if $(MODEL),--model "$(MODEL)")

docs: $(READY)-docs  ## build the documentation site into build/docs/html; a warning fails
	@rm -rf build/docs  # pages that did not change would not be checked again
	$(BIN)/python -m sphinx --jobs auto --fail-on-warning --keep-going --quiet -d build/docs/doctrees docs build/docs/html
	$(BIN)/python -m zipfile -c build/docs/gadolin-docs.zip build/docs/html
	@echo "open build/docs/html/index.html; the same for offline reading: build/docs/gadolin-docs.zip"

test: lint types contracts unit  ## all checks: style, types, layers, tests with coverage

lint: $(READY)-dev  ## ruff: rules and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(READY)-dev  ## mypy, strict
	$(BIN)/python -m mypy

contracts: $(READY)-dev  ## import-linter: the layers, and torch where it belongs
	$(BIN)/lint-imports

unit: $(READY)-dev  ## pytest with coverage; fails below the coverage set in pyproject.toml; lists the slowest tests
	$(BIN)/python -m pytest --cov --cov-report=term --durations=20

test-fast: $(READY)-dev  ## pytest without the tests marked train, browser, fuzz or slow
	$(BIN)/python -m pytest -q -n auto -m "not (train or browser or fuzz or slow)" $(SLOW)

# A stamp is written after a whole installation only, and is out of date as soon as pyproject.toml is newer.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY)-train: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[train,explain]"
	@touch $@

$(READY)-serve: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[serve]"
	@touch $@

# The tutorials train and write DICOM objects while the site is built.
$(READY)-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[docs,train,hospital]"
	@touch $(READY)-train $@

$(READY)-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[train,openvino,dev]"
	# Without its dependencies: it holds typer below 0.28, where repeated options are not completed.
	$(BIN)/python -m pip install --quiet --no-deps "openapi-python-client>=0.26" ruamel.yaml
	@touch $(READY)-train $(READY)-serve $(READY)-docs $@
