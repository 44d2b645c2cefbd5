# Every target sets the checkout up first where that is still to be done (.ci/setup; 20 ms when it is done).
.DEFAULT_GOAL := help
BIN := .venv/bin
# Two worker processes for two cores; PYTEST_ARGS="-k sweep -x" passes more to pytest.
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n 2 --dist loadgroup
PYTEST_ARGS ?=
# Worker processes of a target that can use several.
JOBS ?= 2
# Tests on MNIST and CIFAR-10 read them here, and are skipped visibly where they are not.
ifneq ($(wildcard ../shared/data),)
export NEUROCIRCUIT_DATA ?= $(abspath ../shared/data)
endif

.PHONY: help setup demo test check lint format test-long test-browser test-triton bench wheel docs results clean distclean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/make \1\t\2/' | expand -t 28

setup: ## Create .venv, install ngspice if it is missing, build and install the package
	@.ci/setup

demo: setup ## Sweep the embedded circuit; ends with the path of the report
	@rm -rf reports/demo
	@$(BIN)/neurocircuit sweep --jitter 1-9% --out reports/demo

test: setup ## Run the default test suite, with format, lint, types and import contracts
	@$(PYTEST) $(PARALLEL) $(PYTEST_ARGS)

check: lint ## Format, ruff, mypy --strict, import contracts, tests: what CI checks, the quick part first
	@$(PYTEST) $(PARALLEL) --deselect tests/packaging/test_quality.py $(PYTEST_ARGS)

lint: setup ## Format, ruff, mypy --strict, import contracts
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## Put the sources in shape
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

test-long: setup ## Run the decks and studies that take minutes
	@$(PYTEST) -m long $(PYTEST_ARGS)

test-browser: ## Open report and explore's page in headless Chromium (installs Debian's chromium when root, and NiceGUI)
	@.ci/setup chromium
	@$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt nicegui
	@$(PYTEST) -m browser $(PYTEST_ARGS)

# 290 MB unpacked, for these tests alone: a folder of its own keeps it out of the development environment.
TRITON := build/triton
$(TRITON):
	@$(BIN)/python -m pip install --quiet --no-deps --constraint .ci/constraints.txt --target $@.part triton
	@mv $@.part $@

test-triton: setup $(TRITON) ## Run the GPU kernels of the layer in Triton's interpreter (downloads Triton)
	@PYTHONPATH=$(TRITON) TRITON_INTERPRET=1 $(PYTEST) tests/snn/test_op_triton.py $(PYTEST_ARGS)

bench: setup ## Run the benchmarks
	@$(PYTEST) tests/benchmarks --benchmark-only $(PYTEST_ARGS)

wheel: setup ## Build dist/neurocircuit-*.whl
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

include tools/published.mk

docs: setup ## Build the documentation as a site: build/site
	@$(BIN)/sphinx-build -q -W --keep-going -b html -c docs . build/site
	@echo "documentation: build/site/docs/index.html"

results: setup ## Fill the marked tables and numbers of README.md, netlists/, training/ and docs/ from the published results
	@$(BIN)/python -m tools.results_table reports/published --into README.md netlists/README.md training/README.md docs/*.md docs/*/*.md

clean: ## Remove what was built or generated (not .venv, not reports/published)
	@rm -rf build dist reports/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv too: the next call sets up anew
	@rm -rf .venv
