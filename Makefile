# castsim: two commands do everything on a machine with python3 (3.11 or newer), python3-venv and make.
#
#   make run     set up .venv if needed, then predict the cast of the scenario right-t9
#   make test    set up .venv if needed, then run the fast tests
#
# Everything is written into .venv and casts/; `make clean` takes them away. Safe to repeat or to interrupt:
# a set-up counts as done only once its stamp is written.

PYTHON   ?= python3
SCENARIO ?= right-t9
TESTERS  ?= 2

VENV := .venv
BIN  := $(VENV)/bin
USE  := $(VENV)/set-up-to-run
DEV  := $(VENV)/set-up-to-test
PEER := $(VENV)/set-up-to-verify

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-slow verify validate mutants bench gallery peers lint types check format clean

help:
	@echo 'make run        predict the cast of SCENARIO=$(SCENARIO) into casts/$(SCENARIO)/'
	@echo 'make test       fast tests, in TESTERS=$(TESTERS) processes'
	@echo 'make test-slow  the tests marked slow (ensembles; many minutes)'
	@echo 'make verify     exact answers, convergence and peers: writes docs/verification.md (some minutes)'
	@echo 'make validate   published facts beside predictions: writes docs/validation.md (a quarter of an hour on two cores)'
	@echo 'make mutants    seeded faults, one at a time: which test catches which (half an hour)'
	@echo 'make gallery    every bundled scenario as pictures: writes docs/gallery.md (some minutes)'
	@echo 'make bench      times and ratios to other codes, into benchmarks/results.json and docs/performance.md'
	@echo 'make peers      install the codes to compare with (absent ones are shown as absent)'
	@echo 'make lint       ruff: rules and format'
	@echo 'make types      mypy --strict'
	@echo 'make check      lint, types and test'
	@echo 'make format     let ruff rewrite what it can'
	@echo 'make clean      remove .venv, casts/, plans/ and caches'

run: $(USE)
	$(BIN)/castsim run $(SCENARIO)

# A file's tests go to one process: most of what they make, they share.
test: $(DEV)
	@echo 'Compiling the kernels where that has not been done yet (some minutes the first time)'
	@$(BIN)/python -m tests.warm_up
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

test-slow: $(DEV)
	$(BIN)/python -m pytest -m slow

verify: $(PEER)
	$(BIN)/python -m tests.verification.page

validate: $(DEV)
	$(BIN)/python -m tests.validation.validate

# One thread for everybody: ratios of codes, not of machines. A bar that is missed is shown, and is no error.
bench: export OMP_NUM_THREADS := 1
bench: export OPENBLAS_NUM_THREADS := 1
bench: export MKL_NUM_THREADS := 1
bench: export NUMBA_NUM_THREADS := 1
mutants: $(DEV)
	$(BIN)/python -m tests.mutants.run

bench: $(DEV)
	@mkdir -p .benchmarks
	@$(BIN)/python -m pytest benchmarks $(BENCH) --benchmark-columns=min,median,rounds --benchmark-json=.benchmarks/raw.json; \
	  status=$$?; $(BIN)/python -m benchmarks.report .benchmarks/raw.json && exit $$status

gallery: $(DEV)
	$(BIN)/python -m benchmarks.gallery

# The codes that castsim is compared with, one by one: docrep, which OpenPNM needs, comes as source only, and scikit-sparse
# is compiled (a C compiler and libsuitesparse-dev). What cannot be installed here is left out, and says so.
PEERS := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["peers"], sep="\n")
peers: $(DEV)
	@$(BIN)/python -c '$(PEERS)' | while read -r peer; do \
	  echo "Installing $$peer into $(VENV)"; \
	  $(BIN)/python -m pip install --quiet --prefer-binary "$$peer" \
	    || echo "castsim: $$peer cannot be installed here; benchmarks show it as absent"; \
	done

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

check: lint types test

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) casts plans build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find castsim geometry scenarios tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# When the Python it was made with is gone, the virtual environment is made afresh.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'castsim needs Python 3.11 or newer: install it, or name it with `make PYTHON=python3.x …`'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'castsim needs the venv module: on Debian or Ubuntu `apt-get install python3-venv`'; exit 1; }
	@echo 'Making the virtual environment $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)

$(USE): pyproject.toml $(BIN)/python
	@echo 'Installing castsim and what it needs into $(VENV) (from wheels: no compiler; a few minutes the first time)'
	@$(BIN)/python -m pip install --quiet --only-binary :all: --editable .
	@touch $@

$(DEV): $(USE)
	@echo 'Installing the test and lint tools into $(VENV)'
	@$(BIN)/python -m pip install --quiet --only-binary :all: --editable '.[test,lint]'
	@touch $@

$(PEER): $(DEV)
	@echo 'Installing what verification compares with into $(VENV)'
	@$(BIN)/python -m pip install --quiet --only-binary :all: --editable '.[verify]'
	@touch $@
