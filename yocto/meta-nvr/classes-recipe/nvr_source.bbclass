# The source is the repository around this layer, as it is committed: program, board/ and layer always belong together.
#
# Not in SRC_URI as git://: BitBake then asks its fetchers for a revision at each parse, and with the 450 crates of the program that takes
# many minutes.

LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

PV = "${@nvros.version(d)}"
NVR_REVISION = "${@nvros.revision(d)}"

S = "${UNPACKDIR}/nvr"

nvr_unpack() {
    rm -rf ${S}
    mkdir -p ${S}
    # What the shell would expand belongs to the signature of the task: another commit unpacks anew.
    bbnote "revision ${NVR_REVISION}"
    git -c safe.directory='*' -C ${NVR_SOURCE} archive --format=tar ${NVR_REVISION} | tar -x -C ${S}
    [ -f ${S}/Cargo.toml ] || bbfatal "git archive of ${NVR_SOURCE} gave no source"
}
# Not one of postfuncs: the check that S exists is one itself.
python do_unpack:append() {
    bb.build.exec_func("nvr_unpack", d)
}
do_unpack[vardeps] += "NVR_REVISION"
