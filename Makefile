# Every target sets the checkout up first where that is still to be done (.ci/setup; 20 ms when it is done).
.DEFAULT_GOAL := help
BIN := .venv/bin
# Two worker processes for two cores; PYTEST_ARGS="-k sweep -x" passes more to pytest.
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n 2 --dist loadgroup
PYTEST_ARGS ?=
RECIPE ?= mnist
SEEDS ?= 1
# Tests on MNIST and CIFAR-10 read them here, and are skipped visibly where they are not.
ifneq ($(wildcard ../shared/data),)
export NEUROCIRCUIT_DATA ?= $(abspath ../shared/data)
endif

.PHONY: help setup demo test check lint format test-long test-browser bench wheel published published-transistor \
	published-datasheet published-network published-embedded published-stressed clean distclean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

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

test-browser: ## Open the report in headless Chromium (installs Debian's chromium when root)
	@.ci/setup chromium
	@$(PYTEST) -m browser $(PYTEST_ARGS)

bench: setup ## Run the benchmarks
	@$(PYTEST) tests/benchmarks --benchmark-only $(PYTEST_ARGS)

wheel: setup ## Build dist/neurocircuit-*.whl
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

published: setup ## Rebuild reports/published/table3
	@rm -rf reports/published/table3
	@$(BIN)/neurocircuit sweep --jitter 1-9% --out reports/published/table3

published-datasheet: setup ## Rebuild reports/published/datasheet-generic65 (about 25 minutes of processor time)
	@rm -rf reports/published/datasheet-generic65
	@$(BIN)/neurocircuit characterize --corner tt,ss,ff --temp 0,27,85 --vdd 0.95,1.0,1.05 --one-at-a-time \
	  --process generic65 --jobs 2 --out reports/published/datasheet-generic65

published-network: setup ## Train RECIPE=mnist with SEEDS="1 2 3" and read its test set once: reports/published/networks
	@for seed in $(SEEDS); do \
	  out=reports/published/networks/$(RECIPE)-seed$$seed; \
	  resume=$$(test -e $$out/checkpoint.pt && echo --resume); \
	  $(BIN)/neurocircuit train training/$(RECIPE).toml --set seed=$$seed --threads 1 --out $$out $$resume && \
	  $(BIN)/neurocircuit evaluate $$out/weights.pt --json >$$out/evaluation.json && \
	  if grep -q test_from_training training/$(RECIPE).toml; then \
	    $(BIN)/neurocircuit evaluate $$out/weights.pt --part official --json >$$out/official.json; fi && \
	  rm -f $$out/checkpoint.pt $$out/best.pt || exit 1; \
	done

published-transistor: setup ## Rebuild reports/published/transistor from the datasheet's spec (about 10 minutes of processor time)
	@rm -rf reports/published/transistor
	@$(BIN)/neurocircuit sweep --level transistor --spec reports/published/datasheet-generic65/spec.toml --jitter 1-9% \
	  --trials 12 --cross-trials 3 --out reports/published/transistor

# The demonstration network (training/mnist_mapped.toml) on the embedded and on the stressed circuit: mapping, noise
# table with its budget, and the replay of neurons and of IMAGES whole images on three chips.
NETWORK := reports/published/mnist-network
IMAGES ?= 1000
RUNS ?= 500
REPLAY = $(BIN)/neurocircuit verify $@/network.toml --table $@/table.nc --part test --images $(IMAGES) --chips 3 \
	--runs $(RUNS) --jobs 2

published-embedded: $(NETWORK)/embedded ## Rebuild the mapping, budget and replay reports of the embedded circuit
published-stressed: $(NETWORK)/stressed ## The same for the stressed circuit
.PHONY: $(NETWORK)/embedded $(NETWORK)/stressed

$(NETWORK)/embedded: setup
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 40 --out $@/network.toml
	@$(BIN)/neurocircuit calibrate $@/network.toml --images 20 --points 240 --budget --out $@/table.nc
	@$(REPLAY) --transfer reports/published/table3/table.nc --out $@/replay

$(NETWORK)/stressed: setup
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 40 --spec training/circuits/stressed.toml \
	  --variation training/circuits/stressed_variation.toml --out $@/network.toml
	@$(BIN)/neurocircuit calibrate $@/network.toml --images 20 --points 240 --budget --out $@/table.nc
	@$(REPLAY) --out $@/replay

clean: ## Remove what was built or generated (not .venv, not reports/published)
	@rm -rf build dist reports/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv too: the next call sets up anew
	@rm -rf .venv
