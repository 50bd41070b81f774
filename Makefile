# Two commands from a fresh clone: `make demo` and `make test`. Each makes its own .venv.

PYTHON ?= python3
SECONDS ?= 600
KILLS ?= 50
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
OUT := demo-out
# Each process takes whole test files and computes in one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all check bench docs page clean fuzz kills

demo: .venv/runtime  ## Edges, thin edges, salient objects and cut-outs of the example photos.
	@$(BIN)/python examples/demo.py -o $(OUT)/demo.png --bin $(BIN)/

test: check  ## All tests but the slow ones.
	$(PYTEST) -m "not slow"

test-all: check
	$(PYTEST)

check: .venv/dev  ## Style, types, and the import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev  ## A quick run of every benchmark that needs no data from outside.
	$(BIN)/python benchmarks/run_all.py --results bench-out

fuzz: .venv/dev  ## Damaged and invented files for every reader, for SECONDS in all.
	$(PIP) install -c constraints.txt -e ".[fuzz]" || echo "without Atheris, which has no wheel here"
	OMP_NUM_THREADS=1 $(BIN)/python tools/fuzz.py --seconds $(SECONDS)

kills: .venv/dev  ## Kill runs of every verb KILLS times each, and start them again.
	OMP_NUM_THREADS=1 $(BIN)/python tools/kill_runs.py --kills $(KILLS)

docs: .venv/docs  ## Build the documentation into site/; a broken link is an error.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "$(CURDIR)/site/index.html"

page:  ## Build the web page from page/ into the package; needs Node 20.19 or newer.
	cd page && npm ci --no-audit --no-fund --silent && npm run --silent build

clean:
	rm -rf .venv $(OUT) site bench-out

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@ .venv/runtime

.venv/docs: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[docs]"
	@touch $@ .venv/runtime
