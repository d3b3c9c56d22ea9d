# Everything on a fresh machine: Python 3.11+ and make are enough. .venv is created once and reused.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ORDERS ?= 2000
RESULTS ?= /tmp/shipdeck-bench/results.json
CHAOS ?=

.PHONY: demo test matrix chaos hostile lint format clean bench plots texts keys pictures snapshots

demo: $(VENV)/.ready
	$(BIN)/shipdeck demo --orders $(ORDERS)

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

matrix: $(VENV)/.ready
	$(BIN)/python -m pytest tests/matrix --matrix=full -n 2 --dist loadscope

chaos: $(VENV)/.ready
	$(BIN)/python -m tests.chaos $(CHAOS)
	$(BIN)/python -m tests.chaos --offline $(CHAOS)

hostile: $(VENV)/.ready
	$(BIN)/python -m pytest tests/security/test_hostile_text.py --hostile=10

bench: $(VENV)/.ready
	$(BIN)/python -m bench --json $(RESULTS)

plots: $(VENV)/.ready
	$(BIN)/python -m bench.plots $(RESULTS) docs

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

texts: $(VENV)/.ready
	$(BIN)/python -m bench.texts update

keys: $(VENV)/.ready
	$(BIN)/python -m bench.keymap

pictures: $(VENV)/.ready
	$(BIN)/python -m bench.pictures

snapshots: $(VENV)/.ready
	$(BIN)/python -m tests.console.gallery en tests/console/snapshots
	$(BIN)/python -m tests.console.gallery zh tests/console/snapshots

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
