# Needs Python 3.11, 3.12 or 3.13 with pip and venv, make and gcc; no root. Each target can be repeated.
# The newest of them that runs: a name on the path may be a version manager's that has no such version.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
JOBS ?= 2
EXTRAS ?= test
TRACKING ?= tracking
PORT ?= 5000
BIN := $(VENV)/bin

NO_PYTHON := cacbench needs Python 3.11, 3.12 or 3.13, and none is on the path: install one \
	(Debian, Ubuntu: apt install python3-venv python3-dev) or name it: make PYTHON=/path/to/python3
ACTIVATE := `. $(BIN)/activate` makes `cacbench` found in this shell

.PHONY: bench test test-all check controls lint environment docs performance faults tracking audit clean

bench: environment ## the main job: compare the methods of runs.yaml
	$(BIN)/cacbench run runs.yaml --jobs $(JOBS)
	@echo '$(ACTIVATE)'

PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --durations=20

test: environment lint ## lint, types, and all tests but the slow ones
	$(PYTEST) -m 'not slow'

test-all: environment lint ## everything that guards the code, as continuous integration runs it
	$(PYTEST)

check: bench ## the main job, and whether its headline numbers hold
	$(BIN)/cacbench check runs.yaml

controls: environment ## untrained networks in the place of pretrained ones, and whether their numbers hold
	$(BIN)/cacbench run studies/controls.yaml --jobs $(JOBS)
	$(BIN)/cacbench check studies/controls.yaml

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: ## the documentation as a site, in site/; a link or a name that leads nowhere is an error
	$(MAKE) environment EXTRAS=docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo 'site/index.html'

environment: $(VENV)/.complete-$(EXTRAS)

$(VENV)/.complete-$(EXTRAS): pyproject.toml constraints.txt
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "$(NO_PYTHON)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@
	@echo '$(ACTIVATE)'

performance: bench ## clocks and ratios, side by side with what one would script oneself; an hour and more, run by hand
	$(BIN)/python -m tests.performance.table
	$(BIN)/python -m tests.performance.growth_figure docs/figures/growth.png
	for script in costs denseraunet embeddings; do $(BIN)/python tests/performance/$$script.py || exit; done

faults: environment ## kills, damages, crowds and moves a small study for an hour, and writes results/faults.md; run by hand
	$(BIN)/python -m tests.faults.run

tracking: environment ## MLflow's server before a PostgreSQL of its own, on this machine alone, until Ctrl-C
	$(BIN)/python -m benchmark.report.tracking.service $(TRACKING) $(PORT)

audit: ## known holes in what constraints.txt pins; says so where nobody can be asked
	.ci/audit

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache
