# Which Rust builds for another architecture: rustup's with its target added, else Debian's own compiler.
# shellcheck shell=bash

# choose_rust TRIPLE: sets cross_cargo, and RUSTC where it is not the one on the PATH. The two compilers' libraries can't be
# mixed (E0514), so that all of a build is made by one of them.
choose_rust() {
    cross_cargo=cargo
    if [ "${NVR_CROSS_RUST:-}" != debian ]; then
        [ -d "$(rustc --print target-libdir --target "$1")" ] && return
        if have rustup; then
            step "Rust's standard library for $1 (rustup)"
            rustup target add "$1" && return
            warn "rustup could not fetch it: Debian's own Rust is used instead"
        fi
    fi
    local wanted=(rustc-web cargo-web libstd-rust-web-dev:arm64) wanted_rust found
    if ! dpkg-query -W -f '${db:Status-Abbrev}\n' "${wanted[@]}" >/dev/null 2>&1; then
        step "Rust's standard library for $1 (Debian's ${wanted[*]})"
        as_root dpkg --add-architecture arm64
        as_root apt-get update -q
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}" ||
            die "neither rustup nor apt gives a Rust for $1" "Put one on the PATH whose \`rustc --print target-libdir --target $1\` exists."
    fi
    export RUSTC=/usr/bin/rustc
    cross_cargo=/usr/bin/cargo
    wanted_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
    found=$($RUSTC --version | cut -d' ' -f2)
    no_newer "$wanted_rust" "$found" ||
        die "Debian's Rust $found is too old: $wanted_rust or newer is needed" "Let rustup reach its server, or update Debian's rustc-web."
}
