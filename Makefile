# Every target does the set-up it needs. On a machine with nothing prepared:
#   make demo    three published barriers with an embedded potential, compared with the literature
#   make dft     install GPAW, then the d-band centre of Cu(111), compared likewise
#   make dft-long  every DFT number of workflows/, into results/dft_numbers.json: many hours
#   make test    the whole test suite
#   make test-lowest  the same with the lowest versions that pyproject.toml allows
#   make check   ruff, format check, mypy --strict
#   make docs    rewrite the generated pages of docs/
#   make clean   remove caches and builds (results in .defectflow/ and the environment stay)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo dft-setup espresso-setup queue-setup dft dft-long test test-lowest check docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
STAMP := $(VENV)/.installed
GPAW_STAMP := $(VENV)/.installed-gpaw
# An extra package index that has the CPU build of torch, where the default one has only the build
# that brings several GB of CUDA: make demo TORCH_INDEX=<the CPU index named on pytorch.org>
TORCH_INDEX ?=
TEST_WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check

DEMO := migration_barrier-mg-tis2 migration_barrier-mg-mn2o4-spinel migration_barrier-li-mn2o4-spinel
DEMO_RECIPES := $(DEMO:%=workflows/%.yaml)
# Less than a minute of one core.
DFT_RECIPE := workflows/d_band_center-cu111.yaml

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 9

setup: $(STAMP)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is missing or older than 3.11; name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $(VENV); \
	  elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	    $(PYTHON) -m venv --clear --without-pip $(VENV); \
	    $(PYTHON) -m pip --python $(BIN)/python install -q pip; \
	  else echo "cannot make a virtual environment; run: sudo apt-get install -y python3-venv" >&2; exit 1; fi; fi
	@echo "Installing into $(VENV) (once, a few minutes) ..."
	@$(PIP) install -qq --retries 1 --no-deps -c $(CONSTRAINTS) torch $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@$(PIP) install -qq -c $(CONSTRAINTS) -e '.[potentials,dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/defectflow run $(DEMO_RECIPES)

# GPAW is compiled: tools/install-gpaw.sh brings what that needs, on Debian and Ubuntu by itself.
dft-setup: $(STAMP) $(GPAW_STAMP)

$(GPAW_STAMP): tools/install-gpaw.sh constraints.txt | $(STAMP)
	@tools/install-gpaw.sh $(BIN)/python
	@touch $@

# Quantum ESPRESSO and its pseudopotentials, on Debian and Ubuntu by itself.
espresso-setup: $(STAMP)
	@tools/install-espresso.sh $(BIN)/python

# Slurm and Grid Engine, for the tests that go through a real queue.
queue-setup:
	@tools/install-slurm.sh
	@tools/install-gridengine.sh

dft: dft-setup
	@$(BIN)/defectflow run $(DFT_RECIPE) --engine gpaw --level fast

dft-long: dft-setup
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/dft_numbers.py

# One thread per worker: the small matrices of the tests gain nothing from more. In the order of the
# files, since those with the fewest tests are the longest.
test: $(STAMP)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

# In an environment of its own; without GPAW and Quantum ESPRESSO, whose tests are left out.
LOWEST := build/lowest.txt
$(LOWEST): tools/lowest_versions.py pyproject.toml constraints.txt
	@mkdir -p build
	@$(PYTHON) $< > $@
	@grep '^torch==' constraints.txt >> $@

test-lowest: $(LOWEST)
	@$(MAKE) test VENV=.venv-lowest CONSTRAINTS=$(LOWEST)

check: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

docs: $(STAMP)
	@$(BIN)/python docs/generate.py

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
