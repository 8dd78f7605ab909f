# Trees of Debian's arm64 packages, which are only unpacked, and the emulation of their programs.
# shellcheck shell=bash

# The emulator of one arm64 program. What that program starts it does not emulate, unless the kernel knows it.
emulator() { command -v qemu-aarch64-static || command -v qemu-aarch64 || die "no qemu-aarch64 here" "Run \`tools/setup system cross\`."; }

# emulate [OPTION…] PROGRAM [ARGUMENT…]
emulate() {
    local emulator
    emulator=$(emulator)
    "$emulator" "$@"
}

# merge_usr ROOT: /lib as a link to /usr/lib, and so on. The dynamic linker asks for a library in the one directory, the package put it
# into the other, and emulation would find the host's own.
merge_usr() {
    local dir
    for dir in bin sbin lib; do
        if [ -d "$1/$dir" ] && [ ! -L "$1/$dir" ]; then
            mkdir -p "$1/usr/$dir"
            cp -a "$1/$dir/." "$1/usr/$dir/"
            rm -rf "${1:?}/$dir"
            ln -s "usr/$dir" "$1/$dir"
        fi
    done
}
