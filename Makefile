# The doors of the project. Each installs what it needs: see deploy/local/setup.sh.

.PHONY: demo down test bench build clean

# Real Kafka, real ClickHouse, two instances of weir and 50,000 interactions with planted incidents.
demo:
	@deploy/local/setup.sh
	@cargo build --release --bin weir
	@deploy/local/demo

# Stops what the demo left running, and forgets its data.
down:
	@[ ! -d .local ] || deploy/local/services stop .local
	@[ ! -d .local/test ] || deploy/local/services stop .local/test
	@[ ! -d .local/bench ] || deploy/local/services stop .local/bench
	@rm -rf .local

# Everything that proves the project; what CI calls.
test:
	@deploy/local/setup.sh
	@tests/run

# What weir costs, part by part and from Kafka to ClickHouse. `make bench ONLY=parts` leaves the servers out.
bench:
	@deploy/local/setup.sh
	@cargo bench --bench weir -- $(ONLY)

build:
	@deploy/local/setup.sh
	@cargo build --release --bin weir

clean: down
	@cargo clean
