SUMMARY = "Distributed network video recorder and video wall"
DESCRIPTION = "RTSP cameras to detections on MQTT, and cameras with their detections on monitors"
SECTION = "multimedia"

# The crate v4l makes its bindings with libclang while it is built.
DEPENDS = "clang-native glib-2.0 gstreamer1.0 gstreamer1.0-plugins-base"

require nvr-crates.inc

inherit nvr_source cargo pkgconfig

export LIBCLANG_PATH = "${STAGING_LIBDIR_NATIVE}"
export BINDGEN_EXTRA_CLANG_ARGS = "--target=${TARGET_SYS} --sysroot=${STAGING_DIR_TARGET}"

# For the least size, as Cross.toml has it.
export CARGO_PROFILE_RELEASE_LTO = "fat"
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS = "4"
export CARGO_PROFILE_RELEASE_OPT_LEVEL = "z"
# As .cargo/config.toml has it, which Cargo does not find from the directory that it runs in here.
export LIBSQLITE3_FLAGS = "-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_STAT4 -USQLITE_ENABLE_LOAD_EXTENSION -DSQLITE_OMIT_LOAD_EXTENSION"

# As every board has it: without the RTSP server of the test cameras.
CARGO_BUILD_FLAGS:append = " --no-default-features --package nvr --bins"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/nvr ${D}${bindir}/nvr
}

# rtspsrc and what it is made of, the parsers, cameras on USB, and pictures of any format to NV12. glib-networking is the TLS of RTSPS.
RDEPENDS:${PN} += " \
    ca-certificates \
    glib-networking \
    gstreamer1.0 \
    gstreamer1.0-plugins-base-app \
    gstreamer1.0-plugins-base-playback \
    gstreamer1.0-plugins-base-typefindfunctions \
    gstreamer1.0-plugins-base-videoconvertscale \
    gstreamer1.0-plugins-bad-jpegformat \
    gstreamer1.0-plugins-bad-videoparsersbad \
    gstreamer1.0-plugins-good-isomp4 \
    gstreamer1.0-plugins-good-jpeg \
    gstreamer1.0-plugins-good-rtp \
    gstreamer1.0-plugins-good-rtpmanager \
    gstreamer1.0-plugins-good-rtsp \
    gstreamer1.0-plugins-good-udp \
    gstreamer1.0-plugins-good-video4linux2 \
    tzdata \
"
