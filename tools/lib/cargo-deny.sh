# cargo-deny, which checks licences, sources and duplicate crates: the one on the PATH, else one built into the cache.
# shellcheck shell=bash

cargo_deny_version=0.20.2

cargo_deny() {
    have cargo-deny && return
    local bin=$cache/tools/bin/cargo-deny
    [ -x "$bin" ] && [ "$("$bin" --version)" = "cargo-deny $cargo_deny_version" ] && return
    step "cargo-deny $cargo_deny_version (compiled once, some minutes)"
    # Unoptimised: it reads one lockfile, and compiling it is all that is felt.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR=$cache/tools/build \
        cargo install --quiet cargo-deny --version "$cargo_deny_version" --locked --force --root "$cache/tools" ||
        die "cargo could not install cargo-deny $cargo_deny_version" "Its message stands above. Or put a cargo-deny of your own on the PATH."
    rm -rf "$cache/tools/build"
}
