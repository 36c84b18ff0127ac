SHELL := bash
ENGINE ?= background
DATABASE ?= sqlite
OUT ?= build/all
# The tests of faults mostly wait, so more of them run in parallel than there are cores.
AT_ONCE ?= 7

# Without a working uv, one is installed for this repository only. It comes last on PATH, where the
# commands below find it.
export PATH := $(PATH):$(CURDIR)/.uv/bin
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --quiet
MEASURE = PYTHONPATH=.:scripts:tests/faults $(RUN) python -m benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo screenshots test containers faults bench bench-quick bench-page lint fmt sync settings docs release render-all check-all clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(UV) ## render a service, start it and try it (ENGINE=background DATABASE=sqlite)
	$(RUN) python scripts/demo.py $(ENGINE) $(DATABASE)

test: $(UV) ## run all tests in parallel; REQUIRE_REAL_SERVERS=1 fails those without a server
	$(RUN) pytest

containers: $(UV) ## run the containers of every engine with a real Docker engine (as root on Debian)
	$(RUN) pytest -n 0 -m "" tests/test_compose_up.py

faults: $(UV) ## break running services and write docs/GUARANTEES.md (ONLY=one_test runs one)
	$(RUN) pytest -n $(AT_ONCE) -m "" tests/faults $(if $(ONLY),-k $(ONLY),--guarantees docs/GUARANTEES.md)

bench: $(UV) ## run the benchmarks and write docs/PERFORMANCE.md and docs/SCALING.md
	$(MEASURE)

bench-quick: $(UV) ## run short benchmarks and print them (ARGS="--only requests --engines arq")
	$(MEASURE) --quick $(ARGS)

bench-page: $(UV) ## write both pages again from the results of the last make bench
	$(MEASURE) --again

lint: $(UV) ## check the style of the template's own code
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) python scripts/sync_copier.py --check

fmt: $(UV) ## format the template's own code
	$(RUN) ruff check --fix-only --quiet
	$(RUN) ruff format

sync: $(UV) ## write copier.yml from cookiecutter.json and the rules in hooks/
	$(RUN) python scripts/sync_copier.py

settings: $(UV) ## write the project's lists of settings from its code
	$(RUN) python scripts/sync_settings.py

docs: $(UV) ## write the sessions in README.md from real runs
	$(RUN) python scripts/show.py

screenshots: $(UV) ## write the screenshots of both READMEs from a running service
	$(RUN) python scripts/shop.py

release: $(UV) ## stamp, commit and tag a release (VERSION=v1.2.3)
	$(RUN) python scripts/release.py $(VERSION)

render-all: $(UV) ## render every combination of answers to OUT=build/all
	$(RUN) python scripts/render_all.py $(OUT)

check-all: $(UV) ## render, install, lint, type-check and test every engine x database
	$(RUN) python scripts/check_all.py

clean: ## remove everything that these targets made
	rm -rf build .venv .uv

.uv/bin/uv:
	python3 -m venv .uv/venv
	.uv/venv/bin/pip install --quiet --disable-pip-version-check uv
	mkdir -p .uv/bin
	ln -s ../venv/bin/uv ../venv/bin/uvx .uv/bin
