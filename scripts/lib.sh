# Shared by the scripts: sourced by each, from the root of the repository; not run.

# The path of the command `libtoken`, built if it is not up to date. LIBTOKEN_PROFILE chooses the profile.
libtoken_binary() {
    local profile=${LIBTOKEN_PROFILE:-dev}
    cargo build --quiet --locked --profile "$profile" --package libtoken-cli >&2
    local directory=$profile
    [ "$profile" != dev ] || directory=debug
    echo "${CARGO_TARGET_DIR:-$PWD/target}/$directory/libtoken"
}

# Each check ends with this line; scripts/test adds them up. Fails if anything did.
report() {
    echo "$(basename "$0"): $1 passed, $2 failed"
    [ "$2" -eq 0 ]
}
