# The settings of a release that is given away: Cross.toml has them.
# shellcheck shell=bash

# Exports what `cross build` sets in its container: optimisation across crates, for the least size.
small_release() {
    local settings
    read_settings
    export "${settings[@]}"
}

# read_settings: into the caller's array `settings`, each as NAME=VALUE.
read_settings() {
    mapfile -t settings < <(sed -n 's/^ *"\(CARGO_PROFILE_RELEASE_[A-Z_]*=[a-z0-9]*\)",$/\1/p' "$repo/Cross.toml")
    [ "${#settings[@]}" -gt 0 ] || die "Cross.toml sets no CARGO_PROFILE_RELEASE_…" "Its section env has the settings of the release."
}
