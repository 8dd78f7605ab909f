SUMMARY = "Mounts the data partition before systemd starts"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "file://nvr-preinit"

S = "${UNPACKDIR}"

inherit allarch

do_configure[noexec] = "1"
do_compile[noexec] = "1"

# The image makes /usr/sbin/init a link to it: an initramfs starts that path and none other.
do_install() {
    install -D -m 0755 ${S}/nvr-preinit ${D}${sbindir}/nvr-preinit
    install -d ${D}/data ${D}${sysconfdir}/nvr
}

FILES:${PN} = "${sbindir}/nvr-preinit /data ${sysconfdir}/nvr"

RDEPENDS:${PN} = "e2fsprogs-e2fsck e2fsprogs-mke2fs util-linux-blkid util-linux-mount util-linux-mountpoint"
# A module on some kernels.
RRECOMMENDS:${PN} = "kernel-module-overlay"
