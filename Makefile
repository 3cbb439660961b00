# Needs python3.11, pip, make and gcc; no root. Each target can be repeated.
PYTHON ?= python3.11
VENV ?= .venv
JOBS ?= 2
EXTRAS ?= test
BIN := $(VENV)/bin

.PHONY: bench test check lint environment performance clean

bench: environment ## the main job: compare the methods of runs.yaml
	$(BIN)/cacbench run runs.yaml --jobs $(JOBS)

test: environment lint ## everything that guards the code
	$(BIN)/pytest

check: bench ## the main job, and whether its headline numbers hold
	$(BIN)/cacbench check runs.yaml

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

environment: $(VENV)/.complete-$(EXTRAS)

$(VENV)/.complete-$(EXTRAS): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

performance: environment ## side by side with what one would script oneself; run by hand
	$(BIN)/pytest tests/performance -s

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
