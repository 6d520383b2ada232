# Long runs of what cargo test makes short ones of: packets, events and files that are nearly right.
# The generator is seeded and ours; it follows no coverage (tests/fuzz.rs says why). A failure prints its seed:
#   make fuzz MINUTES=10 SEED=17
MINUTES ?= 10
PACKETS ?= 100000000

.PHONY: fuzz fuzz-codec

fuzz: ## change packets, events, configurations and what devices say for MINUTES per target; SEED repeats a run
	@scripts/setup.sh build
	GATEHOUSE_FUZZ_MINUTES=$(MINUTES) $(if $(SEED),GATEHOUSE_FUZZ_SEED=$(SEED)) \
		$(CARGO) test --locked --profile fuzz --test fuzz -- --nocapture

fuzz-codec: ## decode PACKETS changed packets (10^8) and count what that allocates
	@scripts/setup.sh build
	GATEHOUSE_PACKETS=$(PACKETS) $(CARGO) test --locked --profile fuzz --test allocation -- --nocapture
