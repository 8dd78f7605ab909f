SUMMARY = "What a box needs beyond what it takes to start"

# MACHINE_EXTRA_RDEPENDS and the layers of a board decide on the contents.
PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit packagegroup

# nvros chooses one; other distros have their own rules for codecs.
NVR_SOFTWARE_DECODERS ??= ""
RDEPENDS:${PN} = " \
    ${NVR_SOFTWARE_DECODERS} \
    nvr \
    nvr-board \
    nvr-data \
    packagegroup-machine-base \
    ${@bb.utils.contains('LICENSE_FLAGS_ACCEPTED', 'weights_nvr-models', 'nvr-models', '', d)} \
    ${@bb.utils.contains('BBFILE_COLLECTIONS', 'swupdate', 'nvr-firmware', '', d)} \
"
RDEPENDS:${PN}:append:tegra = " packagegroup-nvr-tegra"
