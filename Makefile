# make demo    the whole study on built-in images, then a report (installs into .venv first)
# make test    the tests but for the longest, in five minutes (installs what they need into .venv first)
# make test-all  all tests, as 'make check' does
# make coverage  the tests, and the lines that none of them runs, in subprocesses too; slower
# make chaos   inject faults into a running study and compare it with an undisturbed one (make chaos N=50 SEED=1)
# make bench   compare speeds with other tools on this CPU (benchmarks/README.md), in 20 minutes; JSON in bench-results/
# make catalog count the catalog's networks (docs/extending.md), list how libraries prepare images, then do what 'make reference' does
# make reference write docs/commands.md and the tables of docs/spec.md and docs/report.md, from the code
# make docs    the documents as a site, in site/; a link that leads nowhere is an error
# make picture the packages, drawn from the imports, into docs/packages.svg
# make check   lint, types, import borders, the site, then the tests
# make dist    the wheel and the source archive, in dist/, checked as a package index does
# make clean   remove .venv and what the demo made

SHELL  := bash
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := examples/demo.yaml
REPORT := demo-report
comma  := ,

# The first Python 3.11 or newer on PATH that can create environments; to choose: make demo PYTHON=/path/to/python3.11
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3 python3.13 python3.14,$(shell \
	$(name) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $(name))))

# benchmarks/gpu.py needs a GPU. The sizes are chosen so that all end within 20 minutes on two cores.
BENCHMARKS := training evaluation preparing checkpoints overhead plan slots startup makespan false_leads
SIZE_training    := --seconds 1.2 --repeats 1 --count 96
SIZE_evaluation  := --seconds 0.4 --repeats 1 --count 64
SIZE_preparing   := --images-count 4000 --repeats 2
SIZE_checkpoints := --seconds 2 --repeats 1
SIZE_plan        := --repeats 2
SIZE_slots       := --repeats 1

# Each module is compiled once, not by every one of the hundreds of processes that the demo and the tests start.
unexport PYTHONDONTWRITEBYTECODE
# Output is buffered as it is for users.
unexport PYTHONUNBUFFERED

.PHONY: help demo test test-all coverage chaos bench catalog reference docs picture check lint types borders dist clean

help:
	@sed -n 's/^# make/make/p' Makefile

# A separate store and broker, whatever the environment says. After Ctrl-C, `make demo` continues where it stopped.
demo: export ORCH_STORE = $(CURDIR)/demo-store
demo: export ORCH_BROKER_URL =
demo: $(VENV)/installed
	@trap '$(BIN)/orch down' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/orch submit $(DEMO) --wait && $(BIN)/orch report --out $(REPORT)
	@echo
	@echo "The report: $(CURDIR)/$(REPORT)/report.html (open it in a browser)."
	@echo "Your own images, one folder a class:"
	@echo "  $(BIN)/orch submit --all-backbones --periods 3 --data FOLDER --wait && $(BIN)/orch report"

# Four files at a time: tests of whole runs wait much, and are spread among others (tests/conftest.py).
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not long"

test-all: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

coverage: $(VENV)/installed-dev
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 4 --dist loadfile --no-loadscope-reorder; \
	$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage report

# FILE=chaos.json saves a record; RACE=1 lets networks stop between periods.
chaos: N ?= 50
chaos: SEED ?= 1
chaos: $(VENV)/installed-dev
	PYTHONPATH=tests $(BIN)/python -m chaos --faults $(N) --seed $(SEED) $(if $(RACE),--race) $(if $(FILE),--json '$(FILE)')

bench: $(VENV)/installed-dev
	@mkdir -p bench-results
	@$(foreach name,$(BENCHMARKS),\
		$(BIN)/python benchmarks/$(name).py $(SIZE_$(name)) --json bench-results/$(name).json || exit; echo;)

catalog: $(VENV)/installed-dev
	$(BIN)/python -m models.networks.counting
	$(BIN)/python -m models.networks.library_preparations
	$(MAKE) reference

reference: $(VENV)/installed-dev
	$(BIN)/python -m jobs.spec.reference_page
	$(BIN)/python -m orchestrator.report.reference_tables
	$(BIN)/python -m orchestrator.commands.reference_page

docs: $(VENV)/installed-dev
	$(BIN)/python -m sphinx --quiet --fail-on-warning --fresh-env -c docs/site -d site/.doctrees . site
	@echo "The site: $(CURDIR)/site/index.html"

picture: $(VENV)/installed-dev
	$(BIN)/python docs/draw_packages.py

# The checks beside each other, then the tests.
check: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint types borders docs
	@$(MAKE) --no-print-directory test-all

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

types: $(VENV)/installed-dev
	$(BIN)/mypy --strict

borders: $(VENV)/installed-dev
	$(BIN)/lint-imports

# Without isolation: the pinned setuptools of the environment builds both.
dist: $(VENV)/installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with its 'venv' module is on PATH. Install one" \
	"(Debian, Ubuntu: apt install python3-venv), or name one: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON) ..."
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/installed: $(BIN)/pip pyproject.toml constraints.txt
	$(call install,all,orch and all it needs: about 3 GB to fetch$(comma) 6 GB on disk$(comma) nearly all of it torch and its GPU libraries)

$(VENV)/installed-dev: $(BIN)/pip pyproject.toml constraints.txt
	$(call install,all$(comma)dev,orch and the tools of its tests: about 3 GB to fetch$(comma) 7 GB on disk)
	@touch -r $@ $(VENV)/installed

# A module is compiled when it is first imported: most of them never are.
define install
	@echo "Installing $(2) ... details: $(VENV)/install.log"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --log $(VENV)/install.log \
		-c constraints.txt -e '.[$(1)]'
	@touch $@
endef

clean:
	@if [ -x $(BIN)/orch ] && [ -d demo-store ]; then ORCH_BROKER_URL= ORCH_STORE=demo-store $(BIN)/orch down; fi
	rm -rf $(VENV) demo-store $(REPORT) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
