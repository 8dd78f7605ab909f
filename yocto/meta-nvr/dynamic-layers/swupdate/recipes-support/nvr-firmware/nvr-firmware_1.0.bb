SUMMARY = "Updates of the whole system: two root file systems, one of them on trial"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = " \
    file://10-after-firmware.conf \
    file://10-nvr-args \
    file://firmware \
    file://firmware.toml \
    file://nvr-firmware-guard.timer \
    file://nvr-firmware-start.service \
    file://nvr-firmware@.service \
    file://swupdate.cfg.in \
"

S = "${UNPACKDIR}"
B = "${WORKDIR}/build"

inherit l4t_version systemd

COMPATIBLE_MACHINE = "(tegra)"
PACKAGE_ARCH = "${MACHINE_ARCH}"

# A certificate, as a file on the machine that builds: bundles need its signature then. Without one the fleet's signed documents, which have
# the bundle's hash, are what protects a box.
NVR_SWUPDATE_CERTIFICATE ?= ""
PUBLIC_KEY_LINE = "${@'public-key-file = "${datadir}/nvr/swupdate.pem";' if d.getVar('NVR_SWUPDATE_CERTIFICATE') else ''}"

do_configure[noexec] = "1"
do_compile() {
    sed 's|@PUBLIC_KEY@|${PUBLIC_KEY_LINE}|' ${S}/swupdate.cfg.in > ${B}/swupdate.cfg.in
    sed 's|@MACHINE@|${MACHINE}|' ${S}/10-nvr-args > ${B}/10-nvr-args
    # Read by the other slot, which has this one to write.
    echo "nvr-firmware ${L4T_VERSION}" > ${B}/sw-versions
}

do_install() {
    install -D -m 0755 ${S}/firmware ${D}${libexecdir}/nvr/firmware
    install -D -m 0644 ${S}/firmware.toml ${D}${sysconfdir}/nvr/firmware.toml
    if [ -n "${NVR_SWUPDATE_CERTIFICATE}" ]; then
        install -m 0644 ${NVR_SWUPDATE_CERTIFICATE} ${D}${datadir}/nvr/swupdate.pem
    fi
    install -D -m 0644 -t ${D}${systemd_system_unitdir} ${S}/nvr-firmware-start.service ${S}/nvr-firmware@.service ${S}/nvr-firmware-guard.timer
    install -D -m 0644 -t ${D}${systemd_system_unitdir}/swupdate.service.d ${S}/10-after-firmware.conf
    install -D -m 0644 -t ${D}${libdir}/swupdate/conf.d ${B}/10-nvr-args
}

SYSTEMD_SERVICE:${PN} = "nvr-firmware-start.service nvr-firmware-guard.timer"

FILES:${PN} += "${datadir}/nvr ${libexecdir}/nvr ${libdir}/swupdate ${systemd_system_unitdir}"
CONFFILES:${PN} = "${sysconfdir}/nvr/firmware.toml"

RDEPENDS:${PN} = "setup-nv-boot-control swupdate swupdate-client tegra-redundant-boot"
