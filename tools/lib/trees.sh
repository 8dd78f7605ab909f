# Packages, tried where they are for: apt resolves their dependencies by name for each system, and a tree of Debian 12 has them
# installed, run and purged.
# shellcheck shell=bash disable=SC2154

# Release of Debian, and the Ubuntu that calls packages by the same names.
systems=(bookworm trixie)

# check MACHINE…
check() {
    local one suite
    [ "$(id -u)" = 0 ] || die "trees of Debian are made as root" "Run \`sudo -E tools/dist check $*\`."
    for one in mmdebstrap jq dpkg-deb unshare; do
        have "$one" || die "$one is not installed" "Run \`tools/setup system cross dist\`."
    done
    for one in "$@"; do
        choose_machine "$one"
        [ -f "$package" ] || die "there is no package for $one: $package" "\`tools/dist build $one\` makes it."
        check_same_again
        step "dependencies of $(basename "$package"), by name"
        if [ "$one" = jetpack5 ]; then
            say "not tried in a tree: Debian has no release with the names and versions of Ubuntu 20.04"
            continue
        fi
        for suite in "${systems[@]}"; do resolve "$suite"; done
        resolve_ubuntu
        with_cache_lock make_tree
        step "install, run, remove and purge $(basename "$package") in a tree of Debian 12"
        unshare --mount --pid --fork --kill-child "$repo/tools/dist" inside "$one"
    done
}

# The package is made again, from files that are newer: the same bytes, or something of this machine or of the hour is in it.
check_same_again() {
    local sum
    sum=$(sha256_of "$package")
    SOURCE_DATE_EPOCH=$(cat "$build/epoch")
    set_epoch
    find "$tree" "$build/nvr" -exec touch {} +
    make_package
    is_file_with "$sum" "$package" || die "the package for $machine differs each time it is made: $package" "Something in it depends on the time."
}

# apt's own directory, for a system that is not this one.
apt_root() {
    root=$out/check/$1-$debian
    rm -rf "$root" && mkdir -p "$root"/{etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d},lists/partial,cache/archives/partial}
    : >"$root/status"
    cat >"$root/apt.conf" <<APT
Dir "$root";
Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d";
Dir::State "$root";
Dir::State::Lists "$root/lists";
Dir::State::Status "$root/status";
Dir::Cache "$root/cache";
APT::Architecture "$debian";
APT::Architectures { "$debian"; };
APT::Install-Recommends "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT
}

# resolve SUITE: whether this release can install the package with what it recommends, each name met by its own packages.
resolve() {
    local root
    apt_root "$1"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${NVR_DEBIAN_MIRROR:-http://deb.debian.org/debian} $1 main" \
        >"$root/etc/apt/sources.list"
    APT_CONFIG=$root/apt.conf apt-get update -qq >"$root/log" 2>&1 || die "apt could not read the packages of Debian $1" "$(tail -n 5 "$root/log")"
    APT_CONFIG=$root/apt.conf apt-get install -s "$package" >"$root/log" 2>&1 ||
        die "Debian $1 can't install $package" "$(grep -A 20 'unmet\|^E:' "$root/log")"
    say "Debian $1: $(grep -c '^Inst' "$root/log") packages, as $(grep -o '^Inst libglib2.0-0[^ ]*' "$root/log" | sed 's/Inst //')"
}

# Ubuntu 22.04, which JetPack 6 is: a list of names and versions stands in for its archive.
resolve_ubuntu() {
    local root name there
    apt_root ubuntu
    grep -v '^#' "$repo/tests/dist/ubuntu-22.04.txt" | while read -r name there; do
        printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: same\nVersion: %s\nMaintainer: none\nDescription: none\n\n' \
            "$name" "$debian" "$there"
    done >"$root/status"
    : >"$root/etc/apt/sources.list"
    APT_CONFIG=$root/apt.conf apt-get install -s --no-install-recommends "$package" >"$root/log" 2>&1 ||
        die "the packages of Ubuntu 22.04 do not meet $package" "$(grep -A 20 'unmet\|^E:' "$root/log")"
    say "Ubuntu 22.04: met by the versions in tests/dist/ubuntu-22.04.txt"
}

# A tree of Debian 12 that has what the package depends on and recommends, and not the package: an empty package with the same
# dependencies brings them. It is of this machine's architecture, with the package's as a second one: package scripts run without
# emulation, and libraries and plugins are those of the board.
make_tree() {
    local depends recommends stamp partial needs host
    tree_of_debian=$cache/trees/bookworm-$debian
    depends=$(dpkg-deb -f "$package" Depends) recommends=$(dpkg-deb -f "$package" Recommends)
    host=$(dpkg --print-architecture)
    stamp="bookworm, $host, $depends, $recommends"
    [ "$(cat "$tree_of_debian.made-of" 2>/dev/null)" = "$stamp" ] && return
    step "tree of Debian 12 with the dependencies of the package for $debian ($tree_of_debian)"
    partial=$tree_of_debian.partial needs=$out/check/needs
    rm -rf "$partial" "$needs" && mkdir -p "$needs/DEBIAN" "$cache/trees"
    cat >"$needs/DEBIAN/control" <<CONTROL
Package: nvr-needs
Version: 1
Architecture: $debian
Maintainer: none <none@nvr.invalid>
Depends: $depends, ${recommends//, /, }
Description: what nvr depends on
CONTROL
    dpkg-deb --root-owner-group --build "$needs" "$needs.deb" >/dev/null
    local architectures=$host
    [ "$host" = "$debian" ] || architectures=$host,$debian
    # The shell of a hook expands $1, the tree.
    # shellcheck disable=SC2016
    mmdebstrap --quiet --mode=root --architectures="$architectures" --variant=apt \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/nvr/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="copy-in '$needs.deb' /" \
        --customize-hook='chroot "$1" apt-get install -y -q /needs.deb >/dev/null && rm "$1/needs.deb"' \
        bookworm "$partial" ${NVR_DEBIAN_MIRROR:+"$NVR_DEBIAN_MIRROR"} ||
        die "mmdebstrap could not make the tree" "Its message stands above. NVR_DEBIAN_MIRROR names another mirror than Debian's default."
    [ "$host" = "$debian" ] || install -m 755 "$(command -v qemu-aarch64-static)" "$partial/usr/bin/"
    rm -rf "$tree_of_debian" && mv "$partial" "$tree_of_debian"
    echo "$stamp" >"$tree_of_debian.made-of"
}

# inside MACHINE: in a mount and a process namespace of its own. What is written goes to memory, above the tree.
inside() {
    local work before packages
    choose_machine "$1"
    work=$out/check/inside root=$out/check/inside/root
    mkdir -p "$work" && mount -t tmpfs tmpfs "$work" && mkdir "$work"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$cache/trees/bookworm-$debian,upperdir=$work/upper,workdir=$work/work" "$root" ||
        die "can't mount an overlay in $work" "The kernel needs overlayfs."
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    cp "$package" "$root/tmp/nvr.deb"
    before=$(traces) packages=$(in_root dpkg-query -W | wc -l)

    in_root apt-get install -y /tmp/nvr.deb >/dev/null
    [ "$(in_root dpkg-query -W | wc -l)" = $((packages + 1)) ] || die "the installation brought other packages" "make_tree has not installed all dependencies."
    installed_program_works
    installed_files_are_right
    # What an owner adds, and a unit that is enabled: gone with a purge, kept by a removal.
    in_root systemctl enable --quiet nvr-agent.service
    echo '# edited' >>"$root/etc/nvr/nvr.toml"
    install -D /dev/null "$root/etc/nvr/credentials/camera-0"
    install -D /dev/null "$root/var/lib/nvr/agent/last-known-good"
    in_root apt-get remove -y nvr >/dev/null
    [ ! -e "$root/usr/bin/nvr" ] || die "the program is there after the removal" "See board/debian/prerm."
    [ -e "$root/etc/nvr/credentials/camera-0" ] && [ -e "$root/var/lib/nvr/agent/last-known-good" ] ||
        die "the removal took configuration or data, which only a purge may" "See board/debian/postrm."
    in_root apt-get install -y /tmp/nvr.deb >/dev/null
    [ "$(in_root systemctl is-enabled nvr-agent.service)" = enabled ] || die "a unit is not enabled any more after remove and install" "See board/debian/postinst."
    [ "$(tail -n 1 "$root/etc/nvr/nvr.toml")" = '# edited' ] || die "the installation overwrote /etc/nvr/nvr.toml" "It must be a conffile."
    in_root apt-get purge -y nvr >/dev/null
    diff <(printf '%s\n' "$before") <(traces) || die "the purge left traces: the lines above with >" "See board/debian/postrm."
    say "purged without a trace"
}

# in_root COMMAND…: what it says on standard error is shown only where it fails.
in_root() {
    local log=$out/check/inside/log
    DEBIAN_FRONTEND=noninteractive chroot "$root" "$@" </dev/null 2>"$log" || die "failed in the tree: $*" "$(cat "$log")"
}

# in_root_nvr ARGUMENT…: the installed program.
in_root_nvr() {
    local emulator=()
    [ "$debian" = "$(dpkg --print-architecture)" ] || emulator=(/usr/bin/qemu-aarch64-static)
    # GStreamer would start its plugin scanner, which may be a program of another architecture.
    chroot "$root" env HOME=/tmp GST_REGISTRY=/tmp/registry GST_REGISTRY_FORK=no "${emulator[@]}" /usr/bin/nvr "$@"
}

installed_program_works() {
    local said report
    said=$(in_root_nvr --version)
    [ "$said" = "nvr $version" ] || die "nvr --version says \"$said\", not \"nvr $version\"" "The package has another program than it says."
    report=$(in_root_nvr doctor --format json || true)
    # Its faults are those of a tree without devices; but it has GStreamer and decodes a picture with it.
    jq -e '[.. | objects | select(.what? == "h264: used" and .state != "fault")] | length == 1' <<<"$report" >/dev/null || die "nvr doctor did not finish: $report" "See above."
    say "$said; doctor: $(jq -r '[.. | objects | select(.what? == "h264: used") | .found] | first' <<<"$report")"
}

installed_files_are_right() {
    local mode link
    mode=$(in_root stat -c '%U:%G %a' /etc/nvr)
    [ "$mode" = 'root:nvr 750' ] || die "/etc/nvr is $mode, expected root:nvr 750" "See board/common/tmpfiles."
    in_root id -nG nvr | grep -w video | grep -qw render || die "the user nvr is not in video and render" "See board/common/sysusers."
    link=$(find "$root/etc/systemd/system" -name 'nvr*')
    [ -z "$link" ] || die "the installation enabled a unit: $link" "It must not: a wall takes the monitor."
    in_root bash -c '. /usr/share/bash-completion/completions/nvr && complete -p nvr' >/dev/null
    in_root gzip -dc /usr/share/man/man1/nvr-fleet-apply.1.gz >/dev/null
    in_root_nvr config check --role wall /etc/nvr/nvr.toml >/dev/null 2>&1 || die "/etc/nvr/nvr.toml has problems" "See board/debian/nvr.toml."
}

# Every file of the tree with type, owner, mode and target, and what the accounts are; without what apt, dpkg
# and fontconfig (of a plugin that the doctor loads) note for themselves.
traces() {
    (
        cd "$root" || exit
        find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/cache/apt -o -path ./var/lib/apt -o -path ./var/log -o -path ./var/cache/fontconfig \) -prune \
            -o -printf '%p %y %U:%G %m %l\n' | grep -v '^\./var/lib/dpkg/[a-z]*-old ' | sort
        sha256sum etc/passwd etc/group etc/shadow etc/gshadow
    )
}
