SUMMARY = "Units and settings of a box: the files of board/, as board/install places them"
SECTION = "base"

inherit nvr_source useradd

# board/MACHINE belongs to one machine.
PACKAGE_ARCH = "${MACHINE_ARCH}"
INHIBIT_DEFAULT_DEPS = "1"

# The script is the one place that says which file goes where; the .deb calls it too.
do_install() {
    ${S}/board/install --destdir ${D} --for image --machine ${NVR_BOARD}
}
do_configure[noexec] = "1"
do_compile[noexec] = "1"

# The user of sysusers.d, made with the image and not at the first start: /etc is read-only. The number is fixed, because files on the data
# partition outlive the image.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system --gid 950 nvr; --system --gid 951 render"
USERADD_PARAM:${PN} = "--system --uid 950 --gid nvr --groups video,render --home-dir ${localstatedir}/lib/nvr/processor --no-create-home --shell ${sbindir}/nologin --comment 'nvr processor' nvr"

# One package per concern, so that an image can leave one out with BAD_RECOMMENDATIONS.
PACKAGES = "${PN}-watchdog ${PN}-journald ${PN}-network ${PN}-timesync ${PN}-console ${PN}-doc ${PN}"
FILES:${PN}-watchdog = "${nonarch_libdir}/systemd/system.conf.d"
FILES:${PN}-journald = "${nonarch_libdir}/systemd/journald.conf.d"
FILES:${PN}-network = "${nonarch_libdir}/systemd/network"
FILES:${PN}-timesync = "${nonarch_libdir}/systemd/timesyncd.conf.d"
FILES:${PN}-console = "${nonarch_libdir}/systemd/logind.conf.d"
FILES:${PN}-doc = "${docdir}"
FILES:${PN} = "${nonarch_libdir} ${datadir}/nvr ${libexecdir}/nvr"

RDEPENDS:${PN} = "nvr"
RRECOMMENDS:${PN} = "${PN}-console ${PN}-journald ${PN}-network ${PN}-timesync ${PN}-watchdog"
