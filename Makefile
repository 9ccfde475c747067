# What people run. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: bootstrap
bootstrap: ## Install what this machine lacks
	@scripts/bootstrap

.PHONY: web
web: bootstrap ## Build the web page, which the binary holds
	scripts/web

.PHONY: build
build: web ## Build the binary: target/debug/outwork
	$(CARGO) build --locked --workspace

.PHONY: release
release: web ## Build the binary for use: target/release/outwork
	$(CARGO) build --locked --release -p outwork

.PHONY: test
test: bootstrap ## Check and test everything
	scripts/check

.PHONY: demo
demo: build ## Delegate a real task and see it through
	scripts/demo

.PHONY: bench
bench: bootstrap ## Measure, as ratios against peers
	scripts/bench

.PHONY: simulate
simulate: bootstrap ## Run 2,000 seeds of the simulated cluster
	$(CARGO) run --locked --release -p outwork-simulation -- --seeds 2000

.PHONY: crash
crash: bootstrap ## Kill, stop and cut off everything; see that nothing is lost
	scripts/crash

.PHONY: openapi
openapi: bootstrap ## Write openapi/*.json anew from the code
	UPDATE_OPENAPI=1 $(CARGO) test --locked -p outwork-server --test server documents

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all
