# What people and CI run. `make` alone explains itself.

CARGO    ?= cargo
SCENARIO ?= db-pool
TRUTH    ?=
ARGS     ?=
# Of .config/nextest.toml: `all` for the tests that wait for the night as well.
PROFILE  ?= default

# rustup installs here; shells that are not login shells (CI, make from an editor) do not look there.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help setup drill test test-kubernetes truth lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## set up what is missing: Docker, Compose v2, the base image
	@./scripts/setup.sh

drill: setup ## run one drill; SCENARIO=upstream-503 for another, ARGS="--junit out/junit.xml" for options
	$(CARGO) run --release -- scenario $(SCENARIO) $(ARGS)

# Doc tests first, so that the last thing on the screen is the summary of the suite.
test: ## the tests; PROFILE=all for those as well that wait for the night
	@./scripts/setup.sh --tests
	$(CARGO) test --doc
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) nextest run --profile $(PROFILE); \
	else \
	  set -x; $(CARGO) test --lib --bins --tests --no-fail-fast; \
	fi

# The cluster of FIREDRILL_TEST_KUBECONFIG, or one that is made for it and taken down afterwards.
test-kubernetes: ## the drills in Kubernetes (PROFILE as above); the first time a cluster is built for them (some minutes)
	@./scripts/setup.sh
	@./scripts/in-test-cluster.sh $(CARGO) nextest run --profile $(PROFILE) --test kubernetes

truth: ## every drill of known truth, into docs/truth.md; TRUTH=shop-lock,carts-acl/good for some of them
	@./scripts/setup.sh
	TRUTH="$(TRUTH)" $(CARGO) test --test truth -- --ignored --nocapture

lint: ## formatting, clippy and rustdoc, without warnings; licences and sources where cargo-deny is installed
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) deny check bans licenses sources; \
	else \
	  echo "cargo-deny is not installed: licences and sources were not asked (cargo install --locked cargo-deny)"; \
	fi
