SUMMARY = "YOLO12n at 640 x 640, the detector that works at once"
DESCRIPTION = "The weights of the crate easy-yolo, with the manifest of models/. Another model reaches a box by a document of its fleet."
SECTION = "multimedia"

# The package says MIT or Apache-2.0, the file's own metadata AGPL-3.0: the stricter one counts until somebody has decided otherwise, so that
# the weights are in an image only where LICENSE_FLAGS_ACCEPTED names them. docs/licences.md.
LICENSE = "AGPL-3.0-only"
LICENSE_FLAGS = "weights"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/AGPL-3.0-only;md5=73f1eb20517c55bf9493b7dd6e480788"

DEPENDS = "unzip-native"

SRC_URI = "crate://crates.io/easy-yolo/${PV}"
SRC_URI[easy-yolo-0.1.3.sha256sum] = "a72f1736040714256f140dfcefc49f4e72db4b6169e393ecb20c7e4ec88c47d7"

S = "${UNPACKDIR}/cargo_home/bitbake/easy-yolo-${PV}"

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"
NVR_MODEL = "yolo12n-640"

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[file-checksums] += "${NVR_SOURCE}/models/${NVR_MODEL}/model.toml:True"
do_install() {
    install -d ${D}${datadir}/nvr/models/${NVR_MODEL}
    install -m 0644 ${NVR_SOURCE}/models/${NVR_MODEL}/model.toml ${D}${datadir}/nvr/models/${NVR_MODEL}/
    unzip -p ${S}/yolov12n.onnx.zip yolov12n.onnx > ${D}${datadir}/nvr/models/${NVR_MODEL}/model.onnx
    wanted=$(sed -n 's/^sha256 = "\(.*\)"/\1/p' ${NVR_SOURCE}/models/${NVR_MODEL}/model.toml)
    found=$(sha256sum ${D}${datadir}/nvr/models/${NVR_MODEL}/model.onnx | cut -d' ' -f1)
    [ "$found" = "$wanted" ] || bbfatal "yolov12n.onnx has SHA-256 $found, its manifest says $wanted"
}

FILES:${PN} = "${datadir}/nvr/models"
