SUMMARY = "nvr-image as a bundle that boxes install: a .swu file"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

inherit swupdate l4t_version

COMPATIBLE_MACHINE = "(tegra)"

SRC_URI = "file://sw-description"

# nvr-image-dev for the bench.
NVR_UPDATE_IMAGE ?= "nvr-image"
NVR_ROOTFS = "${NVR_UPDATE_IMAGE}-${MACHINE}.rootfs.ext4.zst"
# nooelint: oelint.vars.mispell
IMAGE_DEPENDS = "${NVR_UPDATE_IMAGE}"
SWUPDATE_IMAGES = "${NVR_ROOTFS} tegra-bl.cap"
do_swuimage[depends] += "tegra-uefi-capsules:do_deploy"

# local.conf: SWUPDATE_SIGNING = "CMS", SWUPDATE_CMS_KEY and SWUPDATE_CMS_CERT, with the same certificate in NVR_SWUPDATE_CERTIFICATE.
NVR_FIRMWARE_VERSION = "${L4T_VERSION}"
