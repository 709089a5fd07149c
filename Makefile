# What one does with Suanpan, by name. `make` lists it.
# What is fetched or built goes to a folder outside the clone that all clones share.

ifeq ($(strip $(SUANPAN_CACHE)),)
  ifeq ($(strip $(HOME)),)
    $(error Neither SUANPAN_CACHE nor HOME is set: set SUANPAN_CACHE to a folder you can write to)
  endif
  SUANPAN_CACHE := $(HOME)/.cache/suanpan
endif
CARGO_TARGET_DIR ?= $(SUANPAN_CACHE)/target
export SUANPAN_CACHE CARGO_TARGET_DIR
# An engine runs beside each test that needs one; more than four at once only wait for each other.
RUST_TEST_THREADS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
export RUST_TEST_THREADS

# What `build`, `test` and `lint` look at: all, or for instance CRATES="-p suanpan-event".
CRATES ?= --workspace
# For `test`: a part of the tests' names.
FILTER ?=
# For `demo`: `once` ends it after the answers. DEMO_LISTEN is its address, such as 127.0.0.1:8080.
DEMO ?=
DEMO_LISTEN ?=
# For `fuzz`: how long each decoder is fuzzed.
FUZZ_SECONDS ?= 60

# With the URL of another ClickHouse the engine is not needed.
ENGINE := $(if $(SUANPAN_WAREHOUSE_URL),,engine)
TEST_ENGINE := $(if $(SUANPAN_TEST_CLICKHOUSE_URL),,engine)

PYTHON := python3 -B
DEMO_DIR := $(SUANPAN_CACHE)/demo
# The target folder is shared and its `suanpan` is whichever clone built last. Tests and
# benchmarks take $SUANPAN_BIN, a link to this clone's, which another build cannot replace.
CLONE := $(shell printf %s '$(CURDIR)' | cksum | cut -d' ' -f1)
DEV_BIN := $(CARGO_TARGET_DIR)/clones/$(CLONE)/debug/suanpan
RELEASE_BIN := $(CARGO_TARGET_DIR)/clones/$(CLONE)/release/suanpan
keep-link = mkdir -p '$(dir $(1))' && ln -f '$(CARGO_TARGET_DIR)/$(2)/suanpan' '$(1)'
# The binary is needed when everything is built, and by the tests that drive it.
BINARY_WANTED = $(or $(findstring --workspace,$(CRATES)),$(findstring suanpan-app,$(CRATES)),$(findstring suanpan-journey,$(CRATES)),$(findstring suanpan-bench,$(CRATES)))
BUILT = $(CRATES) $(if $(findstring suanpan-journey,$(CRATES))$(findstring suanpan-bench,$(CRATES)),--package suanpan-app)

BUILD_FAILED := The build failed, cargo says why above: a first build needs Rust, the crates registry in reach, and space in $(CARGO_TARGET_DIR).

.DEFAULT_GOAL := help
# Cargo uses all cores by itself and holds a lock meanwhile.
.NOTPARALLEL:
.PHONY: claim help demo engine demo-data build release test check generate faults client-libraries clients sdk parts test-cluster bench bench-gateway bench-ingest fuzz fmt clean-state \
        format layers links scripts lock lint docs generated audit audit-online

help: ## List the targets
	@echo 'Suanpan: analytics of custom events. Everything fetched or built goes to $(SUANPAN_CACHE)'
	@echo
	@awk -F ':.*## ' '/^##@/ { print ""; print substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Use
demo: $(ENGINE) demo-data release ## Load a real clickstream and answer questions on it, until Ctrl-C (DEMO=once: then leave)
	@exec $(PYTHON) scripts/in_foreground.py '$(RELEASE_BIN)' demo \
	  --data '$(DEMO_DIR)/ecom-5.2.4.csv.gz' --data-dir '$(DEMO_DIR)/state' \
	  $(if $(DEMO_LISTEN),--listen '$(DEMO_LISTEN)') $(if $(filter once,$(DEMO)),--once)

engine: ## Fetch the embedded ClickHouse engine, once for all clones (178 MB; 566 MB on disk)
	@$(PYTHON) scripts/fetch_engine.py

demo-data: ## Fetch the demo's clickstream, once for all clones (1.2 MB)
	@$(PYTHON) scripts/fetch_demo_data.py

clean-state: ## Remove what the demo stored, so that it starts from nothing
	rm -rf '$(DEMO_DIR)/state'

##@ Develop
# Cargo tells what to build again by the age of files, and clones share its folder: a clone whose files
# are older than another's build would be given that one's program. So what another clone built last is
# built again; the dependencies are not.
claim:
	@mkdir -p '$(CARGO_TARGET_DIR)'
	@if [ "$$(cat '$(CARGO_TARGET_DIR)/built-by' 2>/dev/null)" != '$(CURDIR)' ]; then \
	  find crates sdk/rust tests/journey bench -type f -exec touch {} + && printf '%s\n' '$(CURDIR)' > '$(CARGO_TARGET_DIR)/built-by'; fi

build: claim ## Build everything for development (CRATES="-p suanpan-event": only that)
	@cargo build $(BUILT) --all-targets
	@$(if $(BINARY_WANTED),$(call keep-link,$(DEV_BIN),debug))

release: claim ## Build the binary for use
	@cargo build --release --package suanpan-app || { echo '$(BUILD_FAILED)' >&2; exit 1; }
	@$(call keep-link,$(RELEASE_BIN),release)

# The journeys drive the client libraries that teams have already.
CLIENTS_WANTED = $(or $(findstring --workspace,$(CRATES)),$(findstring suanpan-journey,$(CRATES)))

# The cluster's parts, which tests start for themselves: Kafka, PostgreSQL.
PARTS_WANTED = $(or $(findstring --workspace,$(CRATES)),$(findstring suanpan-journey,$(CRATES)),$(findstring suanpan-log,$(CRATES)),$(findstring suanpan-catalog,$(CRATES)),$(findstring suanpan-parts,$(CRATES)))

test: $(TEST_ENGINE) $(if $(CLIENTS_WANTED),client-libraries) $(if $(PARTS_WANTED),parts) build ## Run all tests (CRATES=… for some crates, FILTER=… for a part of the names)
	@SUANPAN_BIN='$(DEV_BIN)' $(PYTHON) scripts/run_tests.py $(CRATES) $(if $(FILTER),-- $(FILTER))

fmt: ## Format the code
	@cargo fmt --all

generate generated: CRATES = --workspace
generate: build ## Write the files in docs/ that the binary prints (scripts/generated_files.py lists them)
	@$(PYTHON) scripts/generated_files.py write '$(DEV_BIN)'

faults: $(TEST_ENGINE) parts build ## Kill and break everything while events are reported, some 200 times (FILTER=…, SUANPAN_SEED=…)
	@SUANPAN_BIN='$(DEV_BIN)' SUANPAN_FAULTS=all $(PYTHON) scripts/run_tests.py --package suanpan-journey --test faults $(if $(FILTER),-- $(FILTER))

client-libraries: ## Fetch the client libraries that tests drive, a browser and Go, once for all clones (about 1.2 GB on disk)
	@$(PYTHON) scripts/fetch_clients.py >/dev/null

clients: $(TEST_ENGINE) client-libraries build ## Run every real client library through every fault
	@SUANPAN_CLIENTS=all SUANPAN_BIN='$(DEV_BIN)' $(PYTHON) scripts/run_tests.py --package suanpan-journey -- clients

parts: ## Fetch what tests of a cluster start: Kafka, PostgreSQL, a clock to set, once for all clones
	@$(PYTHON) scripts/fetch_kafka.py >/dev/null
	@$(PYTHON) scripts/fetch_postgres.py >/dev/null
	@$(PYTHON) scripts/fetch_faketime.py >/dev/null

test-cluster: $(TEST_ENGINE) parts build ## Run the long tests of a cluster: three brokers, replicas of an old ClickHouse, whose parts are fetched
	@$(PYTHON) scripts/fetch_replicas.py >/dev/null
	@SUANPAN_BIN='$(DEV_BIN)' $(PYTHON) scripts/run_tests.py --package suanpan-log --test kafka_cluster --package suanpan-warehouse --test replicas

sdk: ## Build the SDK for mini-programs and the web, check its size, and test it
	@$(PYTHON) scripts/sdk_tests.py

bench: claim $(ENGINE) ## Measure, and write bench/RESULTS.md
	@cargo build --release --package suanpan-app --package suanpan-bench
	@$(call keep-link,$(RELEASE_BIN),release)
	@exec env SUANPAN_BIN='$(RELEASE_BIN)' '$(CARGO_TARGET_DIR)/release/suanpan-bench'

bench-gateway: claim ## Measure what each wire format costs, and write bench/GATEWAY.md
	@cargo build --release --package suanpan-bench
	@exec '$(CARGO_TARGET_DIR)/release/suanpan-bench-gateway'

bench-ingest: claim $(ENGINE) ## Measure ingest against an empty handler, async inserts and bare inserts, and write bench/INGEST.md
	@cargo build --release --package suanpan-app --package suanpan-bench
	@$(call keep-link,$(RELEASE_BIN),release)
	@exec env SUANPAN_BIN='$(RELEASE_BIN)' '$(CARGO_TARGET_DIR)/release/suanpan-bench-ingest'

fuzz: ## Fuzz the decoders of all wire formats (FUZZ_SECONDS=… for each; needs a nightly Rust)
	@$(PYTHON) scripts/fuzz.py '$(FUZZ_SECONDS)'

##@ Check
check: lock format layers links scripts lint docs generated audit ## All of the following, as CI does

lock: ## Cargo.lock fits the manifests
	@cargo metadata --locked --format-version 1 >/dev/null

format: ## The code is formatted
	@cargo fmt --all --check

layers: ## Arrows between crates, sizes and names hold
	@$(PYTHON) scripts/check_layers.py

links: ## Links between documents lead somewhere
	@$(PYTHON) scripts/check_links.py

scripts: ## Scripts parse, and fetch the engine that the code looks for
	@$(PYTHON) -c 'import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]' scripts/*.py
	@bash -n .ci/run
	@version=$$(sed -n 's/^VERSION = "\(.*\)"/\1/p' scripts/fetch_engine.py); \
	  grep -q "LIBRARY_VERSION: &str = \"$$version\"" crates/warehouse/src/engine/choice.rs \
	  || { echo "scripts/fetch_engine.py fetches $$version, crates/warehouse/src/engine/choice.rs looks for another version" >&2; exit 1; }
	@! command -v shellcheck >/dev/null || shellcheck .ci/run

lint: claim ## Clippy finds nothing
	@cargo clippy $(CRATES) --all-targets -- -D warnings

docs: claim ## The code's documentation builds without a warning
	@RUSTDOCFLAGS='-D warnings' cargo doc $(CRATES) --no-deps

generated: build ## Files in docs/ are what the binary prints
	@$(PYTHON) scripts/generated_files.py check '$(DEV_BIN)'

audit: ## Licences, sources and bans of the dependencies hold (deny.toml)
	@$(PYTHON) scripts/audit_dependencies.py

audit-online: ## The same and known vulnerabilities; needs a network
	@$(PYTHON) scripts/audit_dependencies.py --online
