# The kernel that the display is tested against, and what it boots into: $NVR_CACHE/kms. docs/building.md describes it.
#
# The distribution's own kernel packages, downloaded and unpacked, never installed. They come without vkms, the driver whose
# composited picture can be read back: it is compiled here from the same version's source.
# shellcheck shell=bash

kms=$cache/kms
# depmod and modprobe, which Debian keeps out of an ordinary user's path.
PATH=$PATH:/usr/sbin
# Change it when a kernel has to be unpacked and compiled anew.
kms_recipe=2
# What a guest may load, with what these depend on; what the kernel has built in is passed over.
kms_modules=(virtio_pci virtio_console virtio_net 9p 9pnet_virtio overlay virtio_gpu vkms vivid virtio_blk dm_mod ext4 crc32c_generic)

setup_kms() {
    kms_kernel
    kms_initramfs
}

# The kernel, its modules and vkms. Taken once and then kept: removing $NVR_CACHE/kms/kernel fetches the newest one.
kms_kernel() {
    [ "$(cat "$kms/kernel/recipe" 2>/dev/null)" = "$kms_recipe" ] && return
    [ "$(dpkg --print-architecture)" = amd64 ] || die "the virtual machine of the tests is made for amd64 only" "Run the other parts: \`tools/test fmt clippy deny tests docs\`."
    local work release
    choose_kernel
    step "kernel $kernel_release for the virtual machine of the tests (Debian's packages, 280 MB, unpacked into $kms/kernel)"
    work=$(scratch)
    (
        cd "$work" || exit
        apt-get download -q -o APT::Sandbox::User="$(id -un)" "${kernel_packages[@]/%/=$kernel_version}" ||
            die "apt could not download ${kernel_packages[*]}, version $kernel_version" \
                "Its message stands above. Run \`apt-get update\` (as root), then \`tools/setup kms\` again."
        for package in linux-image-*.deb linux-headers-*.deb linux-kbuild-*.deb; do
            dpkg-deb -x "$package" root && rm "$package"
        done
    )
    # Debian 13 has everything in /usr.
    release=$work/root/lib/modules/$kernel_release
    [ -d "$release" ] || release=$work/root/usr/lib/modules/$kernel_release
    mkdir -p "$work/kernel/lib/modules/$kernel_release"
    mv "$release/kernel" "$release"/modules.{builtin,builtin.modinfo,order} "$work/kernel/lib/modules/$kernel_release"
    kernel_source "$work"
    # Uncompressed it starts sooner, by QEMU's own loader of it.
    sh "$work/source/scripts/extract-vmlinux" "$work/root/boot/vmlinuz-$kernel_release" >"$work/kernel/vmlinux"
    # The script says that it failed, and succeeds.
    [ -s "$work/kernel/vmlinux" ] ||
        die "the kernel's own script could not extract vmlinuz-$kernel_release" "Report it to this project: a tool for its compression may be missing."
    if [ -z "$(find "$work/kernel/lib" -name 'vkms.ko*')" ]; then
        compile_vkms "$work"
    else
        say "this kernel carries vkms: its own is used"
    fi
    depmod -b "$work/kernel" "$kernel_release"
    echo "$kernel_release" >"$work/kernel/release"
    echo "$kms_recipe" >"$work/kernel/recipe"
    mkdir -p "$kms" && rm -rf "$kms/kernel" && mv "$work/kernel" "$kms/kernel"
    rm -rf "$work"
}

# The newest kernel of the archive that has image, headers and source of one version. Sets kernel_release, kernel_version and
# kernel_packages.
choose_kernel() {
    local source headers name
    for source in $(apt-cache pkgnames linux-source- | grep -E '^linux-source-[0-9.]+$' | sort -rV); do
        kernel_version=$(candidate "$source")
        for headers in $(apt-cache pkgnames "linux-headers-${source#linux-source-}." | grep -E -- '-amd64$' | grep -Ev -- '-(rt|cloud)-amd64$' | sort -rV); do
            kernel_release=${headers#linux-headers-}
            for name in "linux-image-$kernel_release" "linux-image-$kernel_release-unsigned"; do
                [ "$(candidate "$headers")" = "$kernel_version" ] && [ "$(candidate "$name")" = "$kernel_version" ] || continue
                kernel_packages=("$name" "$headers" "$source")
                # The headers' other halves; their compiler is build-essential's.
                mapfile -t -O 3 kernel_packages < <(apt-cache show "$headers=$kernel_version" |
                    sed -n 's/^Depends: //p' | grep -oE 'linux-(headers|kbuild)-[^ ,]+')
                return
            done
        done
    done
    die "apt knows no kernel whose image, headers and source have one version" \
        "Check that apt's sources hold the security suite, run \`apt-get update\` (as root), then \`tools/setup kms\` again."
}

candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# kernel_source WORK: of the source only what is used.
kernel_source() {
    mkdir "$1/source"
    dpkg-deb --fsys-tarfile "$1"/linux-source-*.deb | tar -xO --wildcards '*/linux-source-*.tar.xz' |
        tar -xJ -C "$1/source" --strip-components 1 --wildcards '*/drivers/gpu/drm/vkms' '*/scripts/extract-vmlinux' ||
        die "no drivers/gpu/drm/vkms in $(basename "$1"/linux-source-*.deb)" "Report it to this project, with your distribution's name."
    rm "$1"/linux-source-*.deb
}

# patch_vkms WORK PATCH
patch_vkms() {
    patch --quiet --directory "$1/source" --strip 1 <"$repo/tests/kms/$2" ||
        die "tests/kms/$2 does not fit vkms of Linux $kernel_release" \
            "Report it to this project: the patch has to be adapted to this kernel."
}

# compile_vkms WORK
compile_vkms() {
    local log=$1/vkms.log vkms=$1/source/drivers/gpu/drm/vkms extra=$1/kernel/lib/modules/$kernel_release/extra
    say "compiling vkms, which Debian's kernels lack"
    # Kernels without this refuse to write back what a connector shows (EINVAL): the encoders are not said to be clones.
    grep -q possible_clones "$vkms"/*.c || patch_vkms "$1" vkms-writeback.patch
    # Kernels with this stand still now and then, when a connector is moved: see the patch.
    ! grep -q hrtimer_cancel "$vkms"/*.c || patch_vkms "$1" vkms-deadlock.patch
    # The headers name each other by where they would be installed.
    sed -i "s#^include /usr/src#include $1/root/usr/src#" "$1/root/usr/src/linux-headers-$kernel_release/Makefile"
    make -C "$1/root/usr/src/linux-headers-$kernel_release" M="$vkms" CONFIG_DRM_VKMS=m CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$log" 2>&1 || {
        tail -20 "$log" >&2
        die "vkms of Linux $kernel_release could not be compiled" "The compiler's last lines stand above; the compiler of the kernel's headers is needed (\`apt-cache show linux-headers-$kernel_release\` names it)."
    }
    mkdir "$extra" && cp "$vkms/vkms.ko" "$extra"
}

# What the kernel boots into: busybox, the modules, and the two programs of tests/kms.
kms_initramfs() {
    local release stamp work module file
    release=$(cat "$kms/kernel/release")
    stamp="$release $(dpkg-query -W -f '${Version}' busybox-static) ${kms_modules[*]} $(cat "$repo/tools/lib/kms.sh" "$repo"/tests/kms/init \
        "$repo"/tests/kms/writeback/Cargo.toml "$repo"/tests/kms/writeback/src/*.rs | sha256sum)"
    [ "$(cat "$kms/initramfs.made-of" 2>/dev/null)" = "$stamp" ] && return
    step "initramfs of the virtual machine ($kms/initramfs.gz)"
    work=$(scratch)
    mkdir -p "$work"/root/{bin,dev,proc,sys,lower,upper,host} "$work/root/lib/modules/$release"
    cp /bin/busybox "$work/root/bin/"
    install -m 755 "$repo/tests/kms/init" "$work/root/init"
    # Static: the guest has no libraries until the host's are mounted.
    local triple
    triple=$(rustc -vV | sed -n 's/^host: //p')
    RUSTFLAGS='-C target-feature=+crt-static' CARGO_ENCODED_RUSTFLAGS='' cargo build --quiet --locked --release --package kms-writeback \
        --manifest-path "$repo/Cargo.toml" --target "$triple" --target-dir "$kms/build" ||
        die "tests/kms/writeback could not be compiled" "The compiler's message stands above."
    cp "$kms/build/$triple/release/kms-writeback" "$work/root/bin/"
    for module in "${kms_modules[@]}"; do
        modprobe -d "$kms/kernel" -S "$release" --show-depends "$module" >"$work/depends" ||
            die "the kernel $release has no module $module" "Report it to this project: the list in tools/lib/kms.sh has to be adapted."
        sed -n "s#^insmod $kms/kernel/lib/modules/$release/\([^ ]*\).*#\1#p" "$work/depends" | while read -r file; do
            mkdir -p "$(dirname "$work/root/lib/modules/$release/$file")"
            cp "$kms/kernel/lib/modules/$release/$file" "$work/root/lib/modules/$release/$file"
        done
    done
    # busybox reads neither compressed modules quickly nor the binary lists.
    find "$work/root/lib" -name '*.xz' -exec xz -d {} +
    find "$work/root/lib" -name '*.ko' -exec strip --strip-debug {} +
    cp "$kms/kernel/lib/modules/$release"/modules.{builtin,order} "$work/root/lib/modules/$release"
    depmod -b "$work/root" "$release" 2>/dev/null
    (cd "$work/root" && find . | cpio --quiet --create --format newc --owner 0:0 | gzip -1) >"$work/initramfs.gz"
    mv "$work/initramfs.gz" "$kms/initramfs.gz"
    echo "$stamp" >"$kms/initramfs.made-of"
    rm -rf "$work"
}
