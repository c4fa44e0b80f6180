# make demo | report | redraw | test | env | lint | docs | lock | clean
SHELL := /bin/bash
PYTHON ?= python3.11
# PyTorch as pip names it; its CUDA libraries come with it. Without a GPU, CPU-only wheels are much smaller:
#   make env TORCH="torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
CORES ?= all
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo report redraw test env lint docs lock clean

demo: env
	$(BIN)/snakemake --cores $(CORES) all

# The report of a run, and what it needs. Another run: make report CONFIG=config/towers.yaml
report: env
	$(BIN)/snakemake --cores $(CORES) report_page $(if $(CONFIG),--configfile $(CONFIG))

# Figures, tables and report anew from the small files of a finished run; nothing is trained, read again or downloaded.
# Kept must be, of results/$(RUN): config.yaml workflow.json store/grid.nc split evaluation summaries training/*/*/losses.csv
# (and benchmarks, which the report lists).
RUN ?= synthetic
DRAWING := redraw figure table report_page
redraw: env
	$(BIN)/snakemake redraw --cores $(CORES) --configfile results/$(RUN)/config.yaml --allowed-rules $(DRAWING) \
		--forcerun figure table report_page

env: $(READY)

# The package is installed in place; the compiled step is built ahead, and without a compiler training is only slower.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/python -m h2cm.model.backends.native || echo "The compiled step could not be built: training is slower."
	touch $@

# Linting is among the tests.
test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# The tables in the documentation that are made from the code, then the documentation as a site, in build/site.
docs: env
	$(BIN)/python -m h2cm.workflow.pages
	$(BIN)/mkdocs build --quiet

# Exact versions of all packages but PyTorch and what belongs to it.
lock: env
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --all-extras --allow-unsafe --strip-extras --no-annotate --no-header --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --output-file .venv/lock pyproject.toml
	{ echo "# Exact versions of all packages but PyTorch and what belongs to it (see TORCH in the Makefile). Made by: make lock"; \
		grep -E '^[a-z]' .venv/lock | grep -vE '^(torch|triton|nvidia-|cuda-)'; } > requirements.lock

clean:
	rm -rf .venv build src/h2cm.egg-info .pytest_cache .hypothesis .ruff_cache
