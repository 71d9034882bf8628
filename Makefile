# Each target sets up what it needs in a virtual environment of its own; only Python >= 3.11 with pip is expected.

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
WORKERS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
RELEASE := .venv-wheel
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
DOCS := $(VENV)/.docs

PYTEST := -m pytest -n $(WORKERS) --dist worksteal
DOCSTRINGS := $(wildcard tests/test_docstrings.py)
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
PAGES := $(wildcard docs/*.rst docs/guide/*.rst docs/methods/*.rst)
EXAMPLES := --doctest-modules --doctest-glob='*.rst' $(DOCSTRINGS:%=--ignore=%)
EXECUTE := --nbmake --nbmake-timeout=300
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test suite lint pytest notebooks docs bench coverage test-oldest wheel test-wheel clean

# One thread per process, and scikit-learn's array API check, which is skipped without the second.
test suite lint pytest notebooks docs coverage test-oldest test-wheel: export OMP_NUM_THREADS = 1
test suite lint pytest notebooks coverage test-oldest test-wheel: export SCIPY_ARRAY_API = 1
test suite lint pytest notebooks docs coverage test-oldest test-wheel: export MPLBACKEND = Agg

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: $(RUNTIME)  ## Try every chapter on bundled data: report/index.html
	@$(BIN)/python -m skrobust demo --out report

test: lint suite docs  ## Everything CI runs: lint, tests, notebooks, documentation

# Both in one run, the longest first, so that no process waits for another.
suite: $(DEV)
	$(BIN)/python $(PYTEST) $(EXECUTE) $(EXAMPLES) $(NOTEBOOKS) tests skrobust $(PAGES) $(PYTEST_ARGS)

lint: $(DEV)  ## Style, types, and docstrings against signatures
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy skrobust benchmarks
	$(if $(DOCSTRINGS),$(BIN)/python -m pytest -q $(DOCSTRINGS))

pytest: $(DEV)  ## Tests and the examples of docstrings and documentation only
	$(BIN)/python $(PYTEST) $(EXAMPLES) tests skrobust $(PAGES) $(PYTEST_ARGS)

notebooks: $(DEV)  ## Execute the notebooks
	$(BIN)/python $(PYTEST) $(EXECUTE) notebooks

docs: $(DOCS)  ## Build the documentation in docs/_build/html
	$(BIN)/python -m sphinx -q -n -W --keep-going -j $(WORKERS) -d docs/_build/doctrees docs docs/_build/html
	@echo docs/_build/html/index.html

bench: $(RUNTIME)  ## Measure speed: adds to benchmarks/speed/results.csv
	@$(BIN)/python -m benchmarks.speed

coverage: $(DEV)  ## Tests with a coverage report
	$(BIN)/python $(PYTEST) --cov $(PYTEST_ARGS) tests

test-oldest: $(OLDEST)/.ready  ## Tests with the oldest supported dependencies
	$(OLDEST)/bin/python $(PYTEST) $(DOCSTRINGS:%=--ignore=%) $(PYTEST_ARGS) tests

wheel: $(RUNTIME)  ## Build what is released: dist/*.whl
	rm -rf build dist
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

test-wheel: wheel $(RELEASE)/.ready  ## Tests against the wheel, away from the source
	@$(RELEASE)/bin/python $(PIP_INSTALL) -c constraints.txt --force-reinstall --no-deps dist/*.whl
	rm -rf build/test-wheel && mkdir -p build/test-wheel
	cp -R .github $(filter-out skrobust build dist,$(wildcard *)) build/test-wheel
	cd build/test-wheel && "$(CURDIR)/$(RELEASE)/bin/python" -c \
		"import skrobust; assert 'site-packages' in skrobust.__file__; print('testing', skrobust.__file__)"
	cd build/test-wheel && "$(CURDIR)/$(RELEASE)/bin/python" $(PYTEST) $(DOCSTRINGS:%=--ignore=%) $(PYTEST_ARGS) tests

clean:  ## Remove environments, reports and caches
	rm -rf $(VENV) $(OLDEST) $(RELEASE) report build dist docs/_build docs/generated *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call create,directory,what): a virtual environment, and a line that says what is going on
define create
@echo "Installing $(2) into $(1) (a minute or two the first time)"
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
@$(PYTHON) -m venv $(1)
endef

$(RUNTIME): pyproject.toml constraints.txt
	$(call create,$(VENV),skrobust)
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the tools for tests, lint and notebooks into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[test,lint,notebooks,parquet]'
	@touch $@

$(DOCS): $(RUNTIME)
	@echo "Installing the tools for the documentation into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[docs]'
	@touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	$(call create,$(OLDEST),skrobust with its oldest dependencies)
	@$(OLDEST)/bin/python $(PIP_INSTALL) -c constraints-oldest.txt -e '.[test,parquet]'
	@touch $@

$(RELEASE)/.ready: pyproject.toml constraints.txt
	$(call create,$(RELEASE),what the wheel and its tests need)
	@$(RELEASE)/bin/python $(PIP_INSTALL) -c constraints.txt '.[test,parquet]'
	@touch $@
