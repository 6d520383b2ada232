# make queue: what a long durable queue costs, and how soon a gateway that has one is ready. Figures need a quiet machine.
#   make queue ARGS="--messages 100000 --sessions 100"

.PHONY: queue

queue: ## cost of a long queue: memory, CPU, bytes, start, drain; ARGS="--help" tells the options
	scripts/setup.sh build
	cargo bench --bench queue -- $(ARGS)
