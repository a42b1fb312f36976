# One word per chore, the same for people and for continuous integration (.ci/run).
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check fix docs lock audit bench bench-calls storm fleet fuzz drill clean system-tools

PY := .venv/bin/python
# One more than there are cores: tests wait for programs longer than they compute.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
STAMPS := .venv/.stamps
PYPROJECT := pyproject.toml scripts/venv

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: $(STAMPS)/runtime ## start the demo: the service in front of a simulated vendor, on http://127.0.0.1:8080
	@.venv/bin/stock-service demo

test: $(STAMPS)/dev system-tools check ## install what tests need, run every check and every test
	$(PY) -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile --cov --cov-report=term --durations=20

check: $(STAMPS)/dev ## static checks only: lint, format, types, layers, Dockerfile, generated docs
	@scripts/check

fix: $(STAMPS)/dev ## repair what tools can: lint, format, generated docs
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format --quiet .
	$(PY) -m scripts.write_docs

docs: $(STAMPS)/dev ## write the generated pages of docs/ again
	$(PY) -m scripts.write_docs

lock: $(STAMPS)/dev ## write requirements/*.txt again; newest versions with: make lock UPGRADE=--upgrade
	scripts/lock $(UPGRADE)

audit: $(STAMPS)/dev ## look the locked runtime packages up among known vulnerabilities; red too when it cannot
	.venv/bin/uv tool run pip-audit==2.10.1 --strict --disable-pip --require-hashes --requirement requirements/runtime.txt

bench: $(STAMPS)/dev system-tools ## measure hits, misses, memory and start, against nginx and other peers
	$(PY) -m bench

bench-calls: $(STAMPS)/dev ## count vendor calls of four ways of working, beside nginx and a flat cache
	$(PY) -m bench.calls

storm: $(STAMPS)/dev ## faults under load, with a timeline
	$(PY) -m bench.storm

fleet: $(STAMPS)/dev system-tools ## three gateways on one store that dies, hangs, fills up and lies: longer than in make test
	FLEET_SECONDS=15 $(PY) -m pytest tests/faults/test_fleet.py tests/faults/test_fleet_faults.py -v

fuzz: $(STAMPS)/dev ## fuzz the parsers of foreign bytes
	$(PY) -m tests.fuzz

drill: $(STAMPS)/dev system-tools ## every alert fires, reaches its receiver and clears
	$(PY) -m tests.drill

clean: ## remove the virtual environment and every cache
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .tools bench/out
	rm -f .coverage .coverage.*

# Stamps: installed once, again only when a lock changes. The dev set contains the runtime set.
$(STAMPS)/runtime: requirements/build.txt requirements/runtime.txt $(PYPROJECT)
	@echo "installing the locked packages into .venv (once) …"
	@scripts/venv runtime
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements/dev.txt requirements/tools.txt $(PYPROJECT)
	@echo "installing the locked development packages into .venv (once, about two minutes) …"
	@scripts/venv dev
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/runtime

system-tools:
	@scripts/system-tools
