# Tools that cargo installs: the one on the PATH, else one built into the cache.
# shellcheck shell=bash

# Licences, sources and duplicates of dependencies.
cargo_deny() { cargo_tool cargo-deny 0.20.2; }
# Fuzzing, for `make test-long`.
cargo_fuzz() { cargo_tool cargo-fuzz 0.13.2; }
# The Debian package, and the bill of materials, for `make dist`.
cargo_deb() { cargo_tool cargo-deb 3.8.0; }
cargo_cyclonedx() { cargo_tool cargo-cyclonedx 0.5.9; }

# cargo_tool NAME VERSION: leaves where it is in $cargo_tool.
cargo_tool() {
    cargo_tool=$1
    have "$1" && return
    cargo_tool=$cache/tools/bin/$1
    # Cargo's own list: not all of these tools have --version.
    [ -x "$cargo_tool" ] && grep -q "^\"$1 $2 " "$cache/tools/.crates.toml" && return
    step "$1 $2 (compiled once, some minutes)"
    # Unoptimised: these read little, and compiling them is all that is felt.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_TARGET_DIR=$cache/tools/build \
        cargo install --quiet "$1" --version "$2" --locked --force --root "$cache/tools" ||
        die "cargo could not install $1 $2" "Its message stands above. Or put one of your own on the PATH."
    rm -rf "$cache/tools/build"
}
