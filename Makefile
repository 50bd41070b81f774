# Two commands from a fresh clone: `make demo` and `make test`. Each makes its own .venv.

PYTHON ?= python3
SECONDS ?= 600
KILLS ?= 50
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
OUT := demo-out
# Each process takes whole test files and computes in one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all test-min check coverage mutate fuzz kills bench docs page wheel sbom audit clean

demo: .venv/runtime  ## Edges, thin edges, salient objects and cut-outs of the example photos.
	@$(BIN)/python examples/demo.py -o $(OUT)/demo.png --bin $(BIN)/

test: check  ## All tests but the slow ones.
	$(PYTEST) -m "not slow"

test-all: check
	$(PYTEST)

test-min: .venv-min/done  ## All tests but the slow ones, with the lowest versions of pyproject.toml.
	OMP_NUM_THREADS=1 .venv-min/bin/python -m pytest -m "not slow" --ignore tests/docs

coverage: .venv/dev  ## Lines that the tests run, outside the command line; fails below 90 %.
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -m "not slow"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --sort cover

mutate: .venv/dev  ## Change the source in 270 places, and list the changes that no test notices.
	@mkdir -p mutate-out
	$(BIN)/python tools/mutate.py metrics --places 110 -o mutate-out/metrics.json
	$(BIN)/python tools/mutate.py channels --places 70 -o mutate-out/channels.json
	$(BIN)/python tools/mutate.py deploy/rewrite --places 90 -o mutate-out/rewrite.json

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
	$(PYTHON) tools/checksums.py --write

wheel: .venv/release  ## Build the wheel and the source archive into dist/, with their checksums.
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist .
	cd dist && sha256sum *.whl *.tar.gz > SHA256SUMS && cat SHA256SUMS

sbom: wheel  ## What is in an installed wheel and in the web page, as CycloneDX files in dist/.
	$(PYTHON) -m venv --clear --without-pip dist/env
	$(PIP) --python dist/env install -c constraints.txt dist/*.whl
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--mc-type library -o dist/sbom-python.cdx.json dist/env/bin/python
	cd page && npm sbom --package-lock-only --omit dev --sbom-format cyclonedx > ../dist/sbom-page.cdx.json
	rm -rf dist/env

audit: .venv/release  ## Known vulnerabilities of the tested versions; asks the advisory database of PyPI.
	$(BIN)/pip-audit --strict --path "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')"

clean:
	rm -rf .venv .venv-min $(OUT) site bench-out mutate-out dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@ .venv/runtime

.venv/release: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[dev,release]"
	@touch $@ .venv/runtime .venv/dev

.venv-min/done: pyproject.toml constraints.txt tools/lowest_versions.py .venv/dev
	$(PYTHON) -m venv --clear .venv-min
	$(BIN)/python tools/lowest_versions.py > .venv-min/lowest.txt
	.venv-min/bin/python -m pip --disable-pip-version-check --quiet install -c .venv-min/lowest.txt -e ".[dev,heic]"
	@touch $@

.venv/docs: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[docs]"
	@touch $@ .venv/runtime
