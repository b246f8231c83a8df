.DEFAULT_GOAL := help
.PHONY: help check test bench demo package package-test image-test tools package-tools

help: ## Lists what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Many cases wait for a lease to run out or for a time limit, so more run at once than there are cores. More than a
# dozen might need more connections than the servers give.
test: ## Runs all tests, on SQLite and on a private PostgreSQL and MariaDB (and MySQL: see scripts/test-databases.sh)
	threads=$$(($$(getconf _NPROCESSORS_ONLN) * 2)); \
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((threads < 12 ? threads : 12))} scripts/test-databases.sh cargo test --locked

test-matrix: ## The same for each version of each database that can be had; writes the table of docs/databases.md
	scripts/test-matrix.sh $(MATRIX)

check: tools ## Formatting, lints, docs, licences, advisories where they are at hand, unused dependencies, manifests, and the scripts where shellcheck is installed
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked
	cargo deny --log-level error check licenses bans sources
	scripts/advisories.sh
	cargo machete
	scripts/manifests.sh
	if command -v shellcheck >/dev/null; then shellcheck -x scripts/*.sh scripts/test-package/*.sh scripts/test-image/*.sh deploy/docker/*.sh deploy/docker/*/*.sh .ci/run; fi

bench: ## Measures the release binary on private databases: speed, CPU, memory, latency, limits (BENCH=--quick)
	cargo bench --locked --bench courier -- $(BENCH)

demo: ## Shows contact-courier at work, on a temporary database and a simulated platform
	cargo run --locked -- demo

package: package-tools ## Builds a Debian package of the release binary, in target/package
	scripts/package.sh

package-test: package ## Installs that package into a throwaway Debian with systemd and tries it there (as root)
	scripts/test-package.sh target/package/contact-courier.deb

image-test: ## Builds the image on base images made here, and runs it in a container (as root; BINARY= spares the compilation)
	scripts/test-image.sh $(BINARY)

package-tools:
	@cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb

tools:
	@cargo deny --version >/dev/null 2>&1 || cargo install --debug --locked cargo-deny
	@cargo machete --version >/dev/null 2>&1 || cargo install --debug --locked cargo-machete
