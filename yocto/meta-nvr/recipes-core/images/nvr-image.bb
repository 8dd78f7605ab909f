SUMMARY = "The system of a box: a power-on gives a picture, without a keyboard"
LICENSE = "MIT"

inherit core-image

# Nobody can log in: root has no password and there is no server for it. nvr-image-dev is for the bench.
IMAGE_FEATURES += "read-only-rootfs"
IMAGE_INSTALL = "packagegroup-core-boot packagegroup-nvr"
IMAGE_LINGUAS = ""
IMAGE_FSTYPES:append:qemuarm64 = " wic.zst"
IMAGE_FSTYPES:append:tegra = " ext4.zst"

# A root partition holds the root file system and nothing grows on it.
IMAGE_OVERHEAD_FACTOR = "1.1"

# The first program mounts the data partition. Not by the kernel's init=: the initramfs of the Jetsons starts /sbin/init.
nvr_start_preinit() {
    ln -sf nvr-preinit ${IMAGE_ROOTFS}${base_sbindir}/init
}
ROOTFS_POSTPROCESS_COMMAND += "nvr_start_preinit"

