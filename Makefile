# `make help` lists what there is. Every target sets up what it needs, or says in one line what is missing.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CONFIG ?= config/local.yml
TOOLS := $(CURDIR)/target/tools
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
DEB_VERSION := 3.8.0
FUZZ_SECONDS ?= 60
SEEDS ?= 100
BUILD ?= storms
FIRST ?= 1
SEED ?= 1
MINUTES ?= 60
FUZZ_TARGETS := query checksum xml line_protocol admin_json

.PHONY: help demo run test test-dropin test-services storms storm-mutants soak test-clients test-packaging test-fast properties deny fuzz bench bench-commits fmt lint image deb packages

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a whole swarm on simulated BBB servers, live in the terminal (ARGS=--once: a short day, checked)
	cargo run --locked -- demo $(ARGS)

run: ## serve with CONFIG=path/to/file.yml
	cargo run --release --locked -- serve --config $(CONFIG)

test: packages ## every test that needs nothing built first (installs redis-server and haproxy when it can)
	cargo test --locked --all-targets -- --skip real::

test-dropin: packages ## the stories of the switch from v3, on what it left (part of `make test`)
	cargo test --locked --test it -- dropin::

test-services: ## tests with real services, which are built once from pinned Go modules (some minutes)
	cargo test --locked --test it -- real::

storms: ## whole swarms in simulated time, SEEDS=100 in all, of every kind or of PROFILE=name, from seed FIRST=1 on (BUILD=dev: nothing is compiled anew, each takes longer)
	cargo test --locked --profile $(BUILD) --test storms -- storm --count $(SEEDS) --first $(FIRST) $(if $(PROFILE),--profile $(PROFILE))

storm-mutants: ## whether storms see what breaks the promise: each mutant of the program within SEEDS=200
	@command -v python3 >/dev/null || { echo "python3 is missing: sudo apt-get install python3"; exit 1; }
	SEEDS=$(if $(filter command line environment,$(origin SEEDS)),$(SEEDS),200) tests/storms/mutants/run $(MUTANTS)

soak: packages ## the built program on real services while everything is killed, stopped and cut off: MINUTES=60 SEED=1
	tests/services/build influxd telegraf
	cargo test --locked --test soak -- soak --minutes $(MINUTES) --seed $(SEED)

test-fast: ## the tests of plain functions only
	cargo test --locked --lib

properties: ## the property tests of what instances may send, with a million cases in all
	PROPTEST_CASES=$${PROPTEST_CASES:-80000} cargo test --locked --release --lib -- bbb::

test-clients: ## client libraries from PyPI, npm and crates.io through the balancer, two tenants side by side
	@command -v python3 >/dev/null || { echo "python3 is missing: sudo apt-get install python3 python3-venv"; exit 1; }
	tests/clients/run

test-packaging: $(TOOLS)/bin/cargo-deb ## the package, the image's last stage, and the files under config/ (as root; nothing stays installed)
	@command -v python3 >/dev/null || { echo "python3 is missing: sudo apt-get install python3 python3-venv"; exit 1; }
	tests/packaging/run

fuzz: $(TOOLS)/bin/cargo-fuzz ## looks for inputs that break a promise, FUZZ_SECONDS=60 per target
	@for target in $(FUZZ_TARGETS); do \
	  mkdir -p target/fuzz/corpus/$$target target/fuzz/found/$$target && \
	  PATH="$(TOOLS)/bin:$$PATH" RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir target/fuzz $$target \
	    target/fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	    -artifact_prefix=target/fuzz/found/$$target/ || exit 1; \
	done

$(TOOLS)/bin/cargo-fuzz: # nightly features are asked of the stable compiler (RUSTC_BOOTSTRAP)
	@if command -v cargo-fuzz >/dev/null; then mkdir -p $(TOOLS)/bin && ln -sf "$$(command -v cargo-fuzz)" $@; \
	else cargo install cargo-fuzz --version $(FUZZ_VERSION) --locked --root $(TOOLS); fi

bench: ## figures: time per call against bare servers of the same run, and how well meetings are placed
	cargo bench --locked

bench-commits: ## what calls cost in commit BEFORE=… and here, CPU and commands to Redis, in one run (Python; builds both, without LTO)
	@test -n "$(BEFORE)" || { echo "say which: make bench-commits BEFORE=commit"; exit 1; }
	benches/commits/run $(BEFORE)

lint: ## format, clippy and documentation, as CI checks them
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

fmt: ## format all code
	cargo fmt

deny: $(TOOLS)/bin/cargo-deny ## licences, sources and banned crates of all dependencies
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --locked check licenses bans sources

$(TOOLS)/bin/cargo-deny:
	@if command -v cargo-deny >/dev/null; then mkdir -p $(TOOLS)/bin && ln -sf "$$(command -v cargo-deny)" $@; \
	else cargo install cargo-deny --version $(DENY_VERSION) --locked --root $(TOOLS); fi

image: ## the container image
	docker build -t bigblueswarm:0.1.0 .

deb: $(TOOLS)/bin/cargo-deb ## the Debian package, in target/deb
	cargo build --release --locked
	config/debian/build target/release/bigblueswarm

$(TOOLS)/bin/cargo-deb:
	@if command -v cargo-deb >/dev/null; then mkdir -p $(TOOLS)/bin && ln -sf "$$(command -v cargo-deb)" $@; \
	else cargo install cargo-deb --version $(DEB_VERSION) --locked --root $(TOOLS); fi

packages: # of Debian, whose haproxy is where only root looks
	@missing=; for package in redis-server haproxy; do \
	  PATH="$$PATH:/usr/sbin" command -v $$package >/dev/null || missing="$$missing $$package"; \
	done; [ -z "$$missing" ] || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq $$missing; \
	  else echo "missing: sudo apt-get install$$missing"; exit 1; fi; }
