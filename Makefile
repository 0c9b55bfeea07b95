# Linux with Python >= 3.11, gcc and make. `make PYTHON=python3.12 test` chooses another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt
WORKERS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: verify test nightly lint bench-ensembles clean

verify: $(VENV)/installed
	$(BIN)/theorylab verify --all --out runs/headline

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow"

nightly: $(VENV)/installed-test
	$(BIN)/python -m pytest -q -n $(WORKERS)

lint: $(VENV)/installed-test $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench-ensembles: $(VENV)/installed
	$(BIN)/python benchmarks/ensembles.py --peers --out benchmarks/ensembles.md

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was made from exactly when the environment is up to date.
$(VENV)/installed: $(REQUIREMENTS) | $(BIN)/python
	$(INSTALL) -e .
	touch $@

$(VENV)/installed-%: $(REQUIREMENTS) | $(BIN)/python
	$(INSTALL) -e .[$*]
	touch $@
