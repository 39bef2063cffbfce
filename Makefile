# Two commands do everything on a fresh machine: `make quickstart` and `make test`.

DRYDOCK := target/release/drydock
SHELL := /bin/bash

.PHONY: quickstart test setup setup-test setup-lint lint bench campaign fuzz drydock

quickstart: setup drydock
	@.ci/quickstart $(DRYDOCK)

test: setup setup-test
	cargo test --locked --lib --test fast
	# One after the other: each compares what it leaves behind with what was there before.
	DRYDOCK_CONTAINER_TESTS=1 cargo test --locked --test containers -- --test-threads=1

drydock:
	cargo build --release --locked

# What the host needs besides cargo; nothing is installed that is there already.
setup:
	@.ci/setup quickstart

setup-test:
	@.ci/setup test

setup-lint:
	@command -v typos >/dev/null || cargo install typos-cli --locked --version 1.52.0

lint: setup-lint
	cargo fmt --check
	typos
	cargo clippy --all-targets --locked -- -D warnings
	# What is there for the fuzz targets alone still compiles.
	cargo rustc --locked --lib --profile check -- --cfg fuzzing
	cargo test --locked --test fast

bench: setup setup-test drydock
	@.ci/bench $(DRYDOCK)

# Random faults over real runs, a seed each; tests/containers/campaign/mod.rs tells more.
SEED ?= 1
RUNS ?= 25
campaign: setup-test
	DRYDOCK_CONTAINER_TESTS=1 DRYDOCK_CAMPAIGN_SEED=$(SEED) DRYDOCK_CAMPAIGN_RUNS=$(RUNS) \
		cargo test --locked --test containers campaign:: -- --nocapture --test-threads=1

# Each parser on made-up input, for FUZZ_SECONDS (600) each; fuzz/README.md tells more.
fuzz:
	@.ci/fuzz
