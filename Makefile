# The targets are the interface of this repository; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
VENV := $(abspath $(TARGET_DIR))/venv
# The interpreter with grpcio, for the tests that talk to a cluster from another language.
export MOBULA_TEST_PYTHON ?= $(VENV)/bin/python

STAGES := 8
stage = @printf '\n== [%s/$(STAGES)] %s\n' '$(1)' '$(2)'

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: ## a local cluster of two nodes counts words, and loses a node under a supervised tree
	@tools/demo

.PHONY: test
test: ## everything that continuous integration checks
	$(call stage,1,tools)
	@$(MAKE) install-tools
	$(call stage,2,formatting)
	$(CARGO) fmt --all --check
	$(call stage,3,lints)
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(call stage,4,documentation)
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	$(call stage,5,binaries and examples)
	$(CARGO) build --locked -p mobula-cli -p mobula-examples --bins --examples
	$(call stage,6,unit and component tests)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked --no-fail-fast --exclude mobula-cluster-tests; \
	else \
		$(CARGO) test --workspace --locked --no-fail-fast --exclude mobula-cluster-tests --lib --bins --tests --examples; \
	fi
	$(call stage,7,documentation tests)
	$(CARGO) test --workspace --locked --no-fail-fast --doc
	$(call stage,8,cluster tests)
	$(CARGO) test --locked --no-fail-fast -p mobula-cluster-tests --lib --tests

.PHONY: check
check: ## formatting and lints of what is built by default, in seconds
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --locked -- -D warnings

SEEDS ?= 100000

.PHONY: simulate
simulate: ## so many seeds of the simulation of actors: make simulate SEEDS=100000
	$(CARGO) run --release --locked -p mobula-simulation -- --seeds 0..$(SEEDS)

.PHONY: bench
bench: ## the micro-benchmarks, with their floors measured in the same run
	$(CARGO) build --profile dist --locked -p mobula-cli
	$(TARGET_DIR)/dist/mobula bench $(BENCH_ARGS)

.PHONY: doc
doc: ## the documentation of every crate
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

.PHONY: fmt
fmt: ## format every crate
	$(CARGO) fmt --all

.PHONY: install-tools
install-tools: ## what the tests need beside a Rust toolchain: etcd, and Python with grpcio
	@tools/install-tools '$(VENV)'
