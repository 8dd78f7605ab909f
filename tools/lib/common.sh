# Shared by the scripts in tools/: where things lie, how they speak, how they fail.
# shellcheck shell=bash

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What set-up fetches lies outside the checkout, so that a fresh clone or `make clean` does not fetch it again.
cache=${NVR_CACHE:-$HOME/.cache/nvr}
target=${CARGO_TARGET_DIR:-$repo/target}

say() { printf '%s\n' "$*"; }
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
# die MESSAGE REMEDY…: what failed, by its name, and what to do about it.
die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# is_file_with SHA256 FILE
is_file_with() { [ -f "$2" ] && [ "$(sha256_of "$2")" = "$1" ]; }

# no_newer VERSION THAN: whether a dotted version is at most another.
no_newer() { printf '%s\n' "$1" "$2" | sort -V -C; }

# expect SHA256 FILE WHERE-FROM: refuses a fetched file that is not the one that was tested.
expect() {
    local found
    found=$(sha256_of "$2")
    [ "$found" = "$1" ] || die "$3: $(basename "$2") has SHA-256 $found, expected $1" \
        "The package may have been changed where it is published, or the download broke." \
        "Try again; if it persists, do not use the file, and report it to this project."
}

# with_cache_lock COMMAND…: two set-ups at the same time wait for each other.
with_cache_lock() {
    mkdir -p "$cache" || die "can't create the cache directory $cache" "Set NVR_CACHE to a directory that you can write to."
    exec 8>"$cache/.lock"
    flock -n 8 || { say "another set-up is at work in $cache: waiting for it"; flock 8; }
    "$@"
    exec 8>&-
}

# as_root COMMAND…
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*" "Run the command above as root, then \`make setup\` again."
    fi
}
