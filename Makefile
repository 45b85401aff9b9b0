# The two commands of the README, and the steps that they are made of.

.PHONY: run test deps fmt lint

# Builds Firefinch and starts it, with its own PostgreSQL unless DATABASE_URL names another.
run:
	@scripts/deps run
	cargo build --release --locked
	exec target/release/firefinch serve

# Everything: the engine's tests, then the tests of the whole product with real clients and a browser.
# `*_*` is every test binary of the packages in `crates/`; the integration tests, in `it`, come last, so that
# their summary closes the output.
test:
	@scripts/deps test
	cargo test --workspace --locked --lib --bins --examples --test '*_*'
	cargo test --workspace --locked --doc
	cargo test --locked --test it

# Installs what `make test` needs, and nothing else.
deps:
	@scripts/deps test

fmt:
	cargo fmt --all

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
