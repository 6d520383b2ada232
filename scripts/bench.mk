# make bench: Gatehouse, mosquitto and a floor side by side. Figures need a quiet machine.
#   make bench ARGS="--rounds 9 --only pairs"
#   make bench ARGS="--write docs/benchmarks.md"

.PHONY: bench bench-arm64 bench-house bench-modbus bench-rules gates growth

bench: ## compare CPU, memory and latency with mosquitto and a floor; ARGS="--help" tells the options
	scripts/setup.sh bench
	cargo bench --bench compare -- $(ARGS)

bench-arm64: ## run every load once against a build for arm64, below an emulated processor
	scripts/bench-arm64.sh

bench-house: ## a house of 1,000 properties and 1,000 rules on the real binary: latency, memory, idle CPU; about two minutes
	scripts/setup.sh build
	cargo bench --locked --bench house -- $(ARGS)

bench-rules: ## the rule engine alone: latency, memory, a year of a small house; seconds, behind the build
	scripts/setup.sh build
	cargo bench --locked --bench rules

bench-modbus: ## how much of its physical rate a Modbus bus at 115,200 baud reaches
	scripts/setup.sh build
	cargo bench --locked --bench modbus

gates: ## count instructions and system calls for each message; fails where a bound is not kept
	scripts/setup.sh gates
	cargo bench --bench compare -- --gates $(ARGS)

growth: ## measure how cost grows and draw it into docs/growth; ends within 15 minutes
	scripts/setup.sh bench
	cargo bench --bench compare -- --growth docs/growth --seconds 1 $(ARGS)
