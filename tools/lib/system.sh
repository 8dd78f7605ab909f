# System packages, by group: build (to compile and run), test (what the tests talk to), cross (the aarch64 build), kms (the
# virtual machine that the display is tested in), dist (packages, and the trees that they are tried in), yocto (the checks of the
# layer), boot (the box that is booted), gpu (the check on an NVIDIA GPU).
# shellcheck shell=bash disable=SC2086

build_packages() {
    echo build-essential pkg-config libclang-dev
    echo libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
    echo gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    echo gstreamer1.0-libav gstreamer1.0-rtsp gstreamer1.0-tools
    # Only where the Python on the PATH, which may be another than the system's, can't make a virtual environment.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
}

test_packages() {
    echo mosquitto mosquitto-clients jq openssl iproute2
    # systemd-analyze, which judges the units of board/. It runs without a running systemd.
    echo systemd
    # Players of recordings.
    echo ffmpeg gstreamer1.0-plugins-base-apps
    # The lint of scripts.
    echo shellcheck
    # The installer of our image's updates, and what makes a bundle for it.
    echo swupdate zstd cpio
    # The wall's page is looked at in a browser, which shows no text without a font.
    echo chromium fonts-dejavu-core
    # Names of cameras in other scripts: Chinese and Japanese; Devanagari. Arabic and Hebrew are DejaVu's.
    echo fonts-droid-fallback fonts-lohit-deva
    # Node may come from elsewhere (its own packages hold npm and conflict with Debian's).
    have node || echo nodejs
    have npm || echo npm
}

cross_packages() {
    echo gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static mmdebstrap debian-archive-keyring
}

kms_packages() {
    # No qemu-utils: nothing here needs it, and where a newer one is installed apt can't have both.
    echo qemu-system-x86 busybox-static kmod cpio xz-utils zstd patch
    # The kernel's own tools load its library, whose package has another name in Debian 13.
    echo libelf-dev
    # The disks of machines that record: one whose power is cut, and one that fails.
    echo e2fsprogs dmsetup
}

dist_packages() {
    echo dpkg-dev binutils xz-utils zstd jq mmdebstrap debian-archive-keyring qemu-user-static
}

yocto_packages() {
    # For systemd-analyze; nothing of it is started.
    echo systemd git python3-venv
}

boot_packages() {
    echo qemu-system-arm qemu-user-static mmdebstrap debian-archive-keyring e2fsprogs kmod cpio binutils-aarch64-linux-gnu dosfstools mtools uidmap
}

gpu_packages() {
    echo busybox-static xz-utils
}

# packages GROUP…: the names for this release of the distribution, one a line.
packages() {
    for group in "$@"; do
        case $group in
            build | test | cross | kms | dist | yocto | boot | gpu) "${group}_packages" | tr ' ' '\n' ;;
            *) die "no package group $group" "The groups are build, test, cross, kms, dist, yocto, boot and gpu." ;;
        esac
    done
}

# missing PACKAGE…: those of them that are not installed.
missing() {
    local installed
    # It fails as soon as it does not know one of them.
    installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null || true)
    installed=$(sed -n 's/^ii *//p' <<<"$installed" | sort -u)
    comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$installed")
}

name_distribution() {
    local ID=unknown VERSION_ID='' PRETTY_NAME='this system'
    # shellcheck source=/dev/null
    [ -r /etc/os-release ] && . /etc/os-release
    case $ID-$VERSION_ID in
        debian-12 | debian-13) ;;
        *) warn "set-up is made for Debian 12 and 13; on $PRETTY_NAME it is untested and goes on with the same package names" ;;
    esac
}

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
    have cargo || die "cargo is not on the PATH: Rust $wanted or newer is needed" \
        "Install it with rustup (https://rustup.rs), open a new shell and run \`make setup\` again."
    found=$(rustc --version | cut -d' ' -f2)
    no_newer "$wanted" "$found" ||
        die "Rust $found is too old: $wanted or newer is needed" "Run \`rustup update stable\`, then \`make setup\` again."
}

# The tests start these daemons themselves: Debian's packages must neither start them now nor at every boot. One that was there
# before is somebody's own and left as it is.
install_without_starting() {
    local policy=/usr/sbin/policy-rc.d daemons=() daemon unit ours=no status=0
    for daemon in mosquitto swupdate; do
        if [[ " $* " == *" $daemon "* ]] && ! have "$daemon"; then daemons+=("$daemon"); fi
    done
    if [ ${#daemons[@]} != 0 ] && [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" || status=$?
    [ "$ours" = no ] || as_root rm -f "$policy"
    if have systemctl; then
        for daemon in "${daemons[@]}"; do
            for unit in $(dpkg -L "$daemon" | grep -oE '[^/@]+\.(service|socket)$'); do
                as_root systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
            done
        done
    fi
    return "$status"
}

# setup_system GROUP…
setup_system() {
    local wanted absent unknown removed
    check_rust
    have dpkg-query && have apt-get || die "set-up installs Debian packages, and there is no apt here" \
        "Install what docs/building.md lists by your system's own means, then run \`tools/setup assets\`."
    # Lists of words, not process substitutions: a failure in one of those would go unnoticed as an empty list.
    wanted=$(packages "$@" | sort -u)
    absent=$(missing $wanted)
    if [ -z "$absent" ]; then
        say "system packages ($*): all $(wc -w <<<"$wanted") are installed"
        return
    fi
    name_distribution
    step "system packages ($*): installing" $absent
    as_root apt-get update -q || warn "apt-get update failed: going on with the package lists that are there"
    unknown=$(for package in $absent; do
        apt-cache policy "$package" | grep '^  Candidate: [^(]' >/dev/null || printf '%s ' "$package"
    done)
    [ -z "$unknown" ] || die "apt has no package named: $unknown" \
        "Check that apt's sources hold the component main (Ubuntu: universe too), run \`apt-get update\`, then \`make setup\` again."
    # A package of another origin, a backport for one, may stand in the way of a new one.
    removed=$(apt-get install -s --no-install-recommends $absent 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p')
    [ -z "$removed" ] || warn "to install these, apt removes:" $removed
    install_without_starting $absent || die "apt-get could not install: ${absent//$'\n'/ }" \
        "Its message stands above. Mend it (often \`apt-get -f install\`), then run \`make setup\` again."
    absent=$(missing $wanted)
    [ -z "$absent" ] || die "still not installed: ${absent//$'\n'/ }" "Run \`apt-get install\` with these names and read what it says."
}
