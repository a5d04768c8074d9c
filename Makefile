# Gatewright. `make help` says what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
SERVICE := tests/fixtures/tms/gps_ingestion_service
LAPTOP := .venv/laptop
BUILDS := .venv/builds
ZIP := target/lambda/bootstrap.zip

export GATEWRIGHT_TOOLS_PATH := $(CURDIR)/$(BUILDS)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(LAPTOP)/ready $(BUILDS)/ready programs ## everything that the laptop stack needs: two Python environments, the programs

# The emulator, the deployment script and the linters.
$(LAPTOP)/ready: local/requirements.txt
	$(PYTHON) -m venv $(LAPTOP)
	$(LAPTOP)/bin/pip install --quiet --requirement local/requirements.txt
	touch $@

# What builds find on their PATH: the released services' own linters, tests and
# servers. The demo's need little; the eleven systems' need more, for `make test`.
$(BUILDS)/ready: $(SERVICE)/requirements.txt $(SERVICE)/requirements-dev.txt
	$(PYTHON) -m venv $(BUILDS)
	$(BUILDS)/bin/pip install --quiet --requirement $(SERVICE)/requirements-dev.txt
	touch $@
$(BUILDS)/systems: $(BUILDS)/ready local/build-tools.txt
	$(BUILDS)/bin/pip install --quiet --requirement $(SERVICE)/requirements-dev.txt --requirement local/build-tools.txt
	touch $@

.PHONY: programs
programs:
	$(CARGO) build --quiet --locked -p gatewright -p gatewright-local -p gatewright-bootstrap
	@[ $(ZIP) -nt target/debug/bootstrap ] || $(PYTHON) infra/package.py target/debug/bootstrap $(ZIP)

.PHONY: demo
demo: setup ## a whole release on the laptop; SCENARIO=low-coverage|critical-finding|rejected, INTERACTIVE=1
	target/debug/gatewright local demo --scenario $(or $(SCENARIO),good) $(if $(INTERACTIVE),--interactive)

.PHONY: build
build: ## the functions as they ship: target/lambda/release.zip, for Lambda on x86_64
	$(CARGO) build --locked --release -p gatewright-bootstrap
	$(PYTHON) infra/package.py target/release/bootstrap target/lambda/release.zip

.PHONY: test
test: setup $(BUILDS)/systems browser ## all tests: the core, every path of the machines, releases end to end, the approval page in a browser
	$(CARGO) test --locked --workspace --no-fail-fast

.PHONY: test-long
test-long: ## ten thousand generated definitions, whose machines hold; then the model with all that can go wrong at once (half an hour, 10 GB)
	GATEWRIGHT_CASES=10000 $(CARGO) test --locked -p gatewright-compiler --test properties -- --nocapture
	$(CARGO) test --locked -p gatewright-model --test holds -- --ignored --nocapture

# Headless Chromium for the approval page's test; Debian's own, where it is missing.
.PHONY: browser
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
	  || { echo "installing chromium and chromium-driver"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver; }

.PHONY: lint
lint: $(LAPTOP)/ready .venv/lint/ready ## formatting, clippy, rustdoc, the boundaries, licences, the templates, the machines
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --quiet --workspace --no-deps
	tests/lint/boundaries.sh
	$(PYTHON) tests/lint/dependencies.py
	$(LAPTOP)/bin/cfn-lint --include-checks I -- infra/template.yaml infra/codepipeline-example.yaml infra/pipelines/*.template.json
	$(LAPTOP)/bin/python infra/check_template.py
	$(CARGO) run --quiet --locked -p gatewright -- validate
	$(CARGO) run --quiet --locked -p gatewright -- compile --check
	tests/lint/machines.sh

.venv/lint/ready: tests/lint/requirements.txt tests/lint/package.json tests/lint/package-lock.json
	$(PYTHON) -m venv .venv/lint
	.venv/lint/bin/pip install --quiet --requirement tests/lint/requirements.txt
	npm ci --silent --prefix tests/lint
	touch $@

.PHONY: bench
bench: build ## cold start and memory against Python and Node, and the orchestrator's share of a release
	$(PYTHON) tests/bench/bench.py --setup .venv/bench --bootstrap target/release/bootstrap --demo-json .stack/demo.json

.PHONY: deploy
deploy: build ## deploys the core, applies the definitions, deploys the pipelines; PIPELINES="pl-gps-001 …" (all) STACK=gatewright REGION=ap-south-1 ARGS="--parameter NAME=VALUE"
	$(CARGO) build --quiet --locked -p gatewright
	@[ -e .venv/deploy/ready ] || { $(PYTHON) -m venv .venv/deploy && .venv/deploy/bin/pip install --quiet --requirement infra/requirements.txt && touch .venv/deploy/ready; }
	.venv/deploy/bin/python infra/deploy.py --stack $(or $(STACK),gatewright) --region $(or $(REGION),ap-south-1) \
	  --zip target/lambda/release.zip --connection .gatewright.json --gatewright target/debug/gatewright $(ARGS) $(PIPELINES)

.PHONY: clean
clean: ## removes what was built and set up
	rm -rf target .venv .stack tests/lint/node_modules
