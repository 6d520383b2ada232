# Proofs of the promise. Each prints the command that repeats what failed.
#   make sim SEEDS=10000      simulated houses (SEED=… repeats one and tells every step)

.PHONY: sim

sim: ## simulated houses on a virtual clock: SEEDS of them (10000), or one SEED step by step
	@scripts/setup.sh build
	GATEHOUSE_SIM_SEEDS=$(or $(SEEDS),10000) GATEHOUSE_SIM_SEED=$(SEED) \
		$(CARGO) test --locked --profile sim --test simulation -- --nocapture
