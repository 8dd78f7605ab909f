# Only what a box needs: its agent hands over a file by the control socket. No web server, which the default configuration opens on every
# address, no polling, no installing from a stick.
FILESEXTRAPATHS:prepend:nvros := "${THISDIR}/${BPN}:"

SRC_URI:append:nvros = " file://nvr.cfg"
# With a certificate in NVR_SWUPDATE_CERTIFICATE, bundles without its signature are refused.
SRC_URI:append:nvros = "${@' file://signed.cfg' if d.getVar('NVR_SWUPDATE_CERTIFICATE') else ''}"

# nvr-firmware makes it at each start, for the slot that runs.
do_install:append:nvros() {
    rm -f ${D}${sysconfdir}/swupdate.cfg
}
