# make setup | demo | test | lint | docs | clean.  Another interpreter: make PYTHON=python3.12
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

# Written once, compiled files spare each of the many processes of the tests seconds; images of containers forbid it.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo test lint docs clean

setup: $(STAMP)

# pip would compile every file; the last line compiles the fraction that is used, whatever PYTHONDONTWRITEBYTECODE says.
# A constraint without "+cpu" lets pip take the CPU build where the index offers one, and the CUDA build elsewhere.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m sanetune.bytecode
	touch $@

demo: setup
	$(BIN)/sanetune demo --out demo-run

# Two processes: most tests run on one thread, and twice as many finish in the same time. The tests of a file stay
# together: they share what they prepare, and the examples of a document their names. They begin in the order of
# conftest.py, the slowest first; pytest-xdist of itself takes files of many tests first, and slow ones of one test last.
test: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m tools.grammar

# The pages of checks, and the site (site/index.html) with every link checked.
docs: setup
	$(BIN)/python -m sanetune.report.check_pages docs/checks
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	$(BIN)/python -m tools.site.links site

clean:
	rm -rf $(VENV) demo-run build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
