SHELL := bash
ENGINE ?= background
DATABASE ?= sqlite
OUT ?= build/all
# The tests of faults mostly wait: they run side by side, more of them than there are cores.
AT_ONCE ?= 7

# Where there is no uv, one is installed for this repository alone. It comes last on PATH,
# for what is started below to find.
export PATH := $(PATH):$(CURDIR)/.uv/bin
UV := $(shell command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --quiet
MEASURE = PYTHONPATH=.:scripts:tests/faults $(RUN) python -m benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo test faults bench bench-quick bench-page lint fmt sync settings docs release render-all check-all clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(UV) ## render, start and try a service (ENGINE=background DATABASE=sqlite, or others)
	$(RUN) python scripts/demo.py $(ENGINE) $(DATABASE)

test: $(UV) ## run every test, on every core
	REQUIRE_REAL_SERVERS=1 $(RUN) pytest

faults: $(UV) ## break running services, on every engine x database, and write docs/GUARANTEES.md (ONLY=one_test)
	$(RUN) pytest -n $(AT_ONCE) -m "" tests/faults $(if $(ONLY),-k $(ONLY),--guarantees docs/GUARANTEES.md)

bench: $(UV) ## measure what a service costs, and write docs/PERFORMANCE.md and docs/SCALING.md
	$(MEASURE)

bench-quick: $(UV) ## measure a little of everything, and print it (ARGS="--only requests --engines arq")
	$(MEASURE) --quick $(ARGS)

bench-page: $(UV) ## write both pages again, from what the last run of make bench has measured
	$(MEASURE) --again

lint: $(UV) ## check the code of the template itself
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) python scripts/sync_copier.py --check

fmt: $(UV) ## format the code of the template itself
	$(RUN) ruff check --fix-only
	$(RUN) ruff format
	$(RUN) ruff check

sync: $(UV) ## write copier.yml from cookiecutter.json and the rules of the hook
	$(RUN) python scripts/sync_copier.py

settings: $(UV) ## write what the project says of its settings, from its code
	$(RUN) python scripts/sync_settings.py

docs: $(UV) ## show in the README what a user gets, from real runs
	$(RUN) python scripts/show.py

release: $(UV) ## stamp, commit and tag a version (VERSION=v1.2.3)
	$(RUN) python scripts/release.py $(VERSION)

render-all: $(UV) ## write every combination of answers to OUT=build/all
	$(RUN) python scripts/render_all.py $(OUT)

check-all: $(UV) ## render, install, lint, type-check and test every engine x database
	$(RUN) python scripts/check_all.py

clean: ## remove what these targets made
	rm -rf build .venv .uv

.uv/bin/uv:
	python3 -m venv .uv/venv
	.uv/venv/bin/pip install --quiet --disable-pip-version-check uv
	mkdir -p .uv/bin
	ln -s ../venv/bin/uv ../venv/bin/uvx .uv/bin
