# The stand-in image that `make boot-test` boots: Debian 12 for arm64 with the files of board/ and the binary for boards.
# docs/building.md describes it.
#
#   $NVR_CACHE/boot/image   kernel, initramfs.gz, base.ext4 (the root file system, read-only), base/ (what the layer is made from)
#   $target/boot           layer.ext4 (our files, laid over the base), kernel-args: made anew at each run
# shellcheck shell=bash

boot=$cache/boot/image
boot_layer=$target/boot
# Change it when the image has to be made anew for another reason than its packages.
boot_recipe=2
boot_debian=(
    base-files base-passwd bash dash coreutils sed grep findutils util-linux mount libc-bin netbase procps ca-certificates tzdata
    systemd systemd-sysv systemd-resolved systemd-timesyncd udev dbus kmod iproute2 e2fsprogs busybox-static linux-image-arm64
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav gstreamer1.0-tools libdrm2
)
# Loaded before the root file system is there; and those that udev loads. What these depend on comes along.
boot_early_modules=(virtio_pci virtio_blk ext4 overlay)
boot_modules=("${boot_early_modules[@]}" virtio_net virtio_gpu virtio_console virtio_rng xhci_pci usb_storage sd_mod vfat nls_ascii nls_cp437 nls_utf8)

# be_root SCRIPT ARGUMENT…: goes on as root; else the script runs once more, as the root of a user namespace: the image has files of
# several users. Root has its programs where a user does not look for them.
be_root() {
    local namespace=(unshare --user --map-root-user --map-auto)
    [ "$(id -u)" != 0 ] || return 0
    "${namespace[@]}" true || die "$(id -un) can't have a user namespace with several users" \
        "The message above says why. Where /etc/subuid and /etc/subgid do not name $(id -un):" \
        "\`sudo usermod --add-subuids 200000-265535 --add-subgids 200000-265535 $(id -un)\`. Or run it as root."
    PATH=$PATH:/usr/sbin exec "${namespace[@]}" "$@"
}

# The base: made once.
setup_boot() {
    local stamp
    stamp="$boot_recipe ${boot_debian[*]} ${boot_modules[*]} $(sha256sum <"$repo/tests/boot/initramfs")"
    [ "$(cat "$boot/made-of" 2>/dev/null)" = "$stamp" ] && return
    rm -rf "$boot" && mkdir -p "$boot"
    boot_unpack
    boot_configure
    boot_kernel
    boot_plugins
    step "the root file system ($boot/base.ext4)"
    boot_disk "$boot/root" "$boot/base.ext4" base 64
    # The layer is made from these: names of users, and units with what enables them.
    mkdir -p "$boot/base/usr/lib"
    cp -a "$boot/root/etc" "$boot/base/"
    cp -a "$boot"/root/usr/lib/{systemd,sysusers.d} "$boot/base/usr/lib/"
    boot_tools
    rm -rf "$boot/root"
    echo "$stamp" >"$boot/made-of"
}

boot_unpack() {
    local mirror=() file
    step "Debian 12 for arm64 (in $boot; a minute or two)"
    [ -z "${NVR_DEBIAN_MIRROR:-}" ] || mirror=("$NVR_DEBIAN_MIRROR")
    # Nothing runs in it, so that it needs no mounts, which the root of a user namespace may not make.
    mmdebstrap --quiet --architectures=arm64 --variant=extract --skip=chroot/mount \
        --include="$(IFS=, && echo "${boot_debian[*]}")" \
        bookworm "$boot/root" "${mirror[@]}" ||
        die "mmdebstrap could not make the arm64 system" "Its message stands above. NVR_DEBIAN_MIRROR names another mirror than Debian's default."
    merge_usr "$boot/root"
    # Not read by anything that runs in the guest; half of the size.
    for file in doc man locale icons sounds perl X11 info lintian bash-completion zsh; do rm -rf "$boot/root/usr/share/$file"; done
    rm -rf "$boot"/root/var/{lib/apt,lib/dpkg,cache/apt} "$boot"/root/usr/lib/{klibc,linux-image-*}
}

# The scripts of the packages have not run, since that needs emulation by the kernel. What they would have made and the guest needs is
# made here.
boot_configure() {
    local root=$boot/root file
    cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
    mkdir -p "$root/etc/ssl/certs" "$root"/{proc,sys,dev,run,tmp,var,data,boot,mnt}
    find "$root/usr/share/ca-certificates" -name '*.crt' -exec cat {} + >"$root/etc/ssl/certs/ca-certificates.crt"
    for file in blas/libblas.so.3 lapack/liblapack.so.3; do
        [ ! -e "$root/usr/lib/aarch64-linux-gnu/$file" ] || ln -sfn "$file" "$root/usr/lib/aarch64-linux-gnu/$(basename "$file")"
    done
    ln -sfn /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    # A file, over which the initramfs binds the one of the data disk: the root file system is read-only.
    : >"$root/etc/machine-id"
    echo nvr >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
}

boot_kernel() {
    local root=$boot/root release work=$boot/initramfs module
    release=$(basename "$root"/usr/lib/modules/*)
    step "kernel $release and its initramfs ($boot)"
    mv "$root/boot/vmlinuz-$release" "$boot/kernel"
    rm -f "$root"/boot/*
    mkdir -p "$work"/{bin,dev,proc,sys,lower,layer,root}
    cp "$root/usr/bin/busybox" "$work/bin/"
    install -m 755 "$repo/tests/boot/initramfs" "$work/init"
    depmod -b "$root" "$release"
    boot_keep_modules "$root" "$release"
    mkdir -p "$work/lib/modules/$release/kernel"
    for module in "${boot_early_modules[@]}"; do
        modprobe -d "$root" -S "$release" --show-depends "$module" | sed -n 's#^insmod [^ ]*/\(kernel/[^ ]*\).*#\1#p'
    done | awk '!seen[$0]++' >"$work/early"
    # In the order in which they are loaded: busybox then needs no list of what depends on what.
    local number=100 file
    while read -r file; do
        number=$((number + 1))
        cp "$root/usr/lib/modules/$release/$file" "$work/lib/$number-$(basename "$file")"
    done <"$work/early"
    rm -rf "$work/lib/modules" "$work/early"
    find "$work/lib" -name '*.ko' -exec aarch64-linux-gnu-strip --strip-debug {} +
    (cd "$work" && find . | cpio --quiet --create --format newc --owner 0:0 | gzip -1) >"$boot/initramfs.gz"
    rm -rf "$work"
}

# boot_keep_modules ROOT RELEASE: of 4,000 modules only those of the machine.
boot_keep_modules() {
    local all=$1/usr/lib/modules/$2 kept=$1/usr/lib/modules/$2.kept module file
    mkdir -p "$kept"
    for module in "${boot_modules[@]}"; do
        modprobe -d "$1" -S "$2" --show-depends "$module" >"$kept/depends" ||
            die "the kernel $2 has no module $module" "Report it to this project: the list in tools/lib/boot.sh has to be adapted."
        sed -n 's#^insmod [^ ]*/\(kernel/[^ ]*\).*#\1#p' "$kept/depends" | while read -r file; do
            mkdir -p "$(dirname "$kept/$file")"
            cp "$all/$file" "$kept/$file"
        done
    done
    rm "$kept/depends"
    cp "$all"/modules.{builtin,builtin.modinfo,order} "$kept"
    rm -rf "$all" && mv "$kept" "$all"
    depmod -b "$1" "$2" 2>/dev/null
}

# What the libraries look up at each start: made once, here. GStreamer looks into each of its 240 plugins where there is no registry,
# which takes an emulated processor minutes, and GLib ends a program where no settings are compiled.
boot_plugins() {
    local root=$boot/root libraries=/usr/lib/aarch64-linux-gnu
    step "settings of GLib and the registry of GStreamer's plugins"
    cp "$(emulator)" "$root/emulator"
    in_image "$libraries/glib-2.0/glib-compile-schemas" /usr/share/glib-2.0/schemas
    in_image "$libraries/glib-2.0/gio-querymodules" "$libraries/gio/modules"
    mkdir -p "$root/usr/share/nvr"
    in_image /usr/bin/gst-inspect-1.0 --version
    rm "$root/emulator"
    [ -s "$root/usr/share/nvr/gst-registry.bin" ] || die "GStreamer's registry was not made" "$(tail -n 3 "$boot/plugins.log")"
    chmod 644 "$root/usr/share/nvr/gst-registry.bin"
}

# in_image PROGRAM [ARGUMENT…]: runs a program of the image in it. GStreamer looks at its plugins without a second process, since the
# emulator runs one program only.
in_image() {
    chroot "$boot/root" /emulator -E GST_REGISTRY=/usr/share/nvr/gst-registry.bin -E GST_REGISTRY_FORK=no -E LC_ALL=C -E HOME=/root "$@" \
        >>"$boot/plugins.log" 2>&1 || die "$1 failed in the image" "$(tail -n 3 "$boot/plugins.log")"
}

# systemd's own programs for arm64, which make the users and enable the units of the layer, with their libraries.
boot_tools() {
    local root=$boot/root program file
    for program in systemctl systemd-sysusers; do
        {
            echo "/usr/bin/$program"
            emulate -L "$root" -E LD_TRACE_LOADED_OBJECTS=1 "$root/usr/bin/$program" | grep -o '/[^ ]*'
        } | while read -r file; do
            mkdir -p "$boot/tools$(dirname "$file")"
            cp -L "$root$file" "$boot/tools$file"
        done
    done
}

# make_boot_layer BINARY: our files over the base: those of board/, the binary, and those of the test.
make_boot_layer() {
    local layer=$boot_layer/layer unit
    [ -x "$1" ] || die "there is no binary for boards: $1" "Run \`tools/cross build\`."
    rm -rf "$boot_layer" && mkdir -p "$layer"
    cp -a "$boot/base/." "$layer/"
    "$repo/board/install" --destdir "$layer" --for image --machine qemuarm64
    install -D -m 755 "$1" "$layer/usr/bin/nvr"
    # The root file system is read-only: tmpfiles.d can't make it at the start.
    mkdir -p "$layer/etc/nvr"
    cp -a "$repo/tests/boot/layer/." "$layer/"
    chmod 755 "$layer"/usr/libexec/nvr-test/*
    cat "$layer"/usr/share/nvr/kernel-args.d/*.conf | sed '/^#/d' | tr '\n' ' ' >"$boot_layer/kernel-args"
    emulate -L "$boot/tools" "$boot/tools/usr/bin/systemd-sysusers" --root="$layer" 2>"$boot_layer/sysusers.log" ||
        die "systemd-sysusers failed" "$(cat "$boot_layer/sysusers.log")"
    emulate -L "$boot/tools" "$boot/tools/usr/bin/systemctl" --root="$layer" preset-all 2>"$boot_layer/presets.log" ||
        die "systemctl preset-all failed" "$(cat "$boot_layer/presets.log")"
    boot_disk "$layer" "$boot_layer/layer.ext4" layer 32
}

# boot_disk FOLDER FILE LABEL FREE-MB: an ext4 file system of the folder's files.
boot_disk() {
    local megabytes
    megabytes=$(($(du -sm --apparent-size "$1" | cut -f1) * 11 / 10 + $4))
    rm -f "$2"
    mkfs.ext4 -q -L "$3" -m 0 -O ^has_journal -d "$1" "$2" "${megabytes}M" || die "mkfs.ext4 could not make $2" "Its message stands above."
}
