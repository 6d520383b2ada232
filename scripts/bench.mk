# make bench: Gatehouse, mosquitto and a floor side by side. Figures need a quiet machine.
#   make bench ARGS="--rounds 9 --only pairs"
#   make bench ARGS="--write docs/benchmarks.md"

.PHONY: bench bench-modbus

bench: ## compare CPU, memory and latency with mosquitto and a floor; ARGS="--help" tells the options
	scripts/setup.sh bench
	cargo bench --bench compare -- $(ARGS)

bench-modbus: ## how much of its physical rate a Modbus bus at 115,200 baud reaches
	scripts/setup.sh build
	cargo bench --locked --bench modbus
