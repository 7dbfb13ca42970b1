PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test run check bench soak clean

$(STAMP): pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gofer needs Python 3.11 or newer; '$(PY)' is $$($(PY) --version). Try: make PY=python3.12 demo"; exit 2; }
	@$(PY) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; rm -rf $(VENV); exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/gofer demo

# Most tests wait for git and for processes: four at a time, on however few cores.
test: $(STAMP)
	@$(BIN)/python -m pytest -n 4 --dist worksteal

run: $(STAMP)
	@$(BIN)/gofer run

check: $(STAMP)
	@$(BIN)/ruff check agent tests
	@$(BIN)/ruff format --check agent tests
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_layers.py

bench: $(STAMP)
	@$(BIN)/python -m tests.bench

# Workers on several clones against kill, pause, partition and a hostile remote: make soak SECONDS=1800 SEED=1
SECONDS ?= 600
SEED ?= 1

soak: $(STAMP)
	@$(BIN)/python -m tests.nemesis --seconds $(SECONDS) --seed $(SEED) $(ARGS)

clean:
	rm -rf $(VENV)
