#!/usr/bin/env bash
# Checks the dependencies against the advisories of RustSec, where a copy of them is at hand: it asks
# no network. `cargo deny fetch db` makes a copy, or brings it up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

copies=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if ! ls -d "$copies"/*/.git >/dev/null 2>&1; then
    echo "advisories: NOT CHECKED: no copy of the advisory database in $copies (make one: cargo deny fetch db)"
    exit 0
fi
cargo deny --offline --log-level error check advisories
