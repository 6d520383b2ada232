# Proofs of the promise. Each prints the command that repeats what failed.
#   make sim SEEDS=10000      simulated houses (SEED=… repeats one and tells every step)
#   make powercut CUTS=10000  cuts of power below the real binary; needs root, FUSE and loop devices
#   make card-bytes           bytes at the block device for one message, and of an idle house
#   make truth CUTS=60        the same, and kill -9, on mosquitto; prints a table

.PHONY: card-bytes powercut sim truth

sim: ## simulated houses on a virtual clock: SEEDS of them (10000), or one SEED step by step
	@scripts/setup.sh build
	GATEHOUSE_SIM_SEEDS=$(or $(SEEDS),10000) GATEHOUSE_SIM_SEED=$(SEED) \
		$(CARGO) test --locked --profile sim --test simulation -- --nocapture

powercut: ## cut the power of the real binary CUTS times (10000) on a disk that logs every write, and check every promise
	@scripts/setup.sh build proof
	GATEHOUSE_POWERCUT_CUTS=$(or $(CUTS),10000) GATEHOUSE_POWERCUT_LIES=$(or $(LIES),200) GATEHOUSE_POWERCUT_SEED=$(SEED) \
		$(CARGO) test --locked --test powercut -- --test-threads=1 --nocapture --skip truth::what

truth: ## kill -9 and cuts of power (CUTS of them, 60) for Gatehouse and mosquitto: what is left of what they confirmed
	@scripts/setup.sh build proof bench
	GATEHOUSE_TRUTH_CUTS=$(or $(CUTS),60) GATEHOUSE_POWERCUT_SEED=$(SEED) \
		$(CARGO) test --locked --test powercut -- --exact powercut::truth::what_others_confirm_and_what_is_left_of_it --nocapture

card-bytes: ## bytes that reach the card for one durable message, and in an idle house; ARGS="--help" tells the options
	@scripts/setup.sh build proof
	cargo bench --locked --profile dev --bench card -- $(ARGS)
