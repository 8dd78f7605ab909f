SUMMARY = "What a box on a Jetson needs from NVIDIA"

PACKAGE_ARCH = "${MACHINE_ARCH}"
inherit packagegroup

COMPATIBLE_MACHINE = "(tegra)"

# Decoding and scaling in hardware; cameras on CSI; TensorRT, which builds its engines on the box: hence trtexec and the parser of ONNX
# (tensorrt-plugins). nvidia-drm-loadconf: without modeset=1 the display is not the kernel's, and a wall finds no connector.
RDEPENDS:${PN} = " \
    cuda-cudart \
    gstreamer1.0-plugins-nvarguscamerasrc \
    gstreamer1.0-plugins-nvjpeg \
    gstreamer1.0-plugins-nvvidconv \
    gstreamer1.0-plugins-nvvideo4linux2 \
    nvidia-drm-loadconf \
    tegra-argus-daemon \
    tegra-nvfancontrol \
    tegra-nvpmodel \
    tegra-redundant-boot \
    tegra-tools-jetson-clocks \
    tensorrt-core \
    tensorrt-plugins-prebuilt \
    tensorrt-trtexec-prebuilt \
"
