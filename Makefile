# One word a chore. Every target sets up its own virtual environment from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint fix docs bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## the whole loop on phantoms, with pictures, in ./demo
	$(BIN)/ivsqa demo demo --overwrite

lint: $(READY)  ## style and types, nothing changed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(READY)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint  ## everything: style, types, tests, doctests, docs, coverage
	$(BIN)/python -m pytest -n 2 --cov --cov-report= --durations=25 --durations-min=2
	$(BIN)/coverage report
	$(BIN)/coverage report --include='ivsqa/domain/*,ivsqa/io/*' --fail-under=95 --format=total

docs: $(READY)  ## write docs/cli.md from the help, build the site into site/ (open site/index.html)
	$(BIN)/python docs/generate_cli.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(READY)  ## every measurement that docs and README quote
	for script in $$(grep -l __main__ benchmarks/*.py); do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) demo site build dist .mypy_cache .pytest_cache .ruff_cache .coverage*
