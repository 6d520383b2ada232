# Gatehouse: `make help` lists what can be made. Longer recipes live in scripts/.

CARGO  ?= cargo
OUTPUT ?= output
DEMO   ?= examples/demo/gatehouse.toml

.DEFAULT_GOAL := help
.PHONY: help run build test check kill9 clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the gateway with the demo house; Ctrl-C stops it
	@scripts/setup.sh build
	@$(CARGO) build --locked
	@mkdir -p $(OUTPUT)/demo-data
	@scripts/foreground.sh $${CARGO_TARGET_DIR:-target}/debug/gatehouse run --config $(DEMO) --data-dir $(OUTPUT)/demo-data

build: ## the optimised binary, target/release/gatehouse
	@scripts/setup.sh build
	$(CARGO) build --locked --release

test: ## every test
	@scripts/setup.sh build test proof
	@scripts/setup.sh image || echo "without these the tests of the image do not run"
	@scripts/python.sh
	@scripts/node.sh
	$(CARGO) check --locked --no-default-features
	$(CARGO) test --locked

check: ## format, lints, documentation, house rules, licences, shell scripts
	@scripts/setup.sh build check
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked --quiet --test tidy
	scripts/shellcheck.sh

kill9: ## kill the broker ROUNDS times under load (SEED repeats a run) and check every promise
	GATEHOUSE_KILL9_ROUNDS=$(or $(ROUNDS),1000) GATEHOUSE_KILL9_SEED=$(SEED) \
		$(CARGO) test --locked --test daemon -- --exact daemon::kill9::no_promise_is_broken_by_kill9 --nocapture

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf $(OUTPUT)

# Targets of single rooms: image, boot, bench.
-include scripts/*.mk
