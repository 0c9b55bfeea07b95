# Linux with Python >= 3.11, gcc and make. `make PYTHON=python3.12 test` chooses another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt
WORKERS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: verify test nightly lint coq bench-ensembles bench-falsify bench-kinks bench-laws clean

verify: $(VENV)/installed-sklearn
	$(BIN)/theorylab verify --all --out runs/headline

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow"

# Writes tests/nightly.md.
nightly: $(VENV)/installed-test
	$(BIN)/python tests/nightly.py -n $(WORKERS)

lint: $(VENV)/installed-test $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The library of proofs_check/coq; needs Coq with mathcomp (on Debian coq and libcoq-mathcomp-analysis).
coq: build/coq/Makefile.coq
	cp -pu proofs_check/coq/*.v build/coq
	$(MAKE) -C build/coq -f Makefile.coq --no-print-directory -j $(WORKERS) --output-sync=target

build/coq/Makefile.coq: $(wildcard proofs_check/coq/*.v)
	mkdir -p build/coq
	cp -pu proofs_check/coq/*.v build/coq
	cd build/coq && coq_makefile -Q . theorylab -arg "-w none" $(notdir $^) -o Makefile.coq

# With DEVICE=cuda a GPU beside the processor, in benchmarks/ensembles-cuda.md.
bench-ensembles: $(VENV)/installed $(VENV)/installed-bench
	$(BIN)/python benchmarks/ensembles.py $(if $(DEVICE),--device $(DEVICE),--peers) --out benchmarks/ensembles$(addprefix -,$(DEVICE)).md

bench-falsify: $(VENV)/installed
	$(BIN)/python benchmarks/falsify.py --out benchmarks/falsify.md

bench-kinks: $(VENV)/installed
	$(BIN)/python benchmarks/kinks.py --peers --out benchmarks/kinks.md

bench-laws: $(VENV)/installed
	$(BIN)/python benchmarks/laws.py --out benchmarks/laws.md

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
