#!/bin/sh
# The comparison with all peers: installs Node's and Python's packages into a temporary directory, builds
# benches/compare and runs it. Arguments go to compare (--rounds N, --only TEXT).
#
# Needs cargo, a C compiler, node with npm, and python3 with venv.
set -eu
cd "$(dirname "$0")/compare"

JOSE=6.2.17
FAST_JWT=6.3.6
PYJWT=2.15.1
CRYPTOGRAPHY=50.0.2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix "$work" \
    "jose@$JOSE" "fast-jwt@$FAST_JWT" >&2
[ -e "$work/package.json" ] || echo '{}' >"$work/package.json"
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check "PyJWT==$PYJWT" "cryptography==$CRYPTOGRAPHY" >&2

cargo build --quiet --release
"${CARGO_TARGET_DIR:-target}/release/libtoken-compare" \
    --peer "node other/node.mjs $work" \
    --peer "$work/python/bin/python other/python.py" \
    "$@"
