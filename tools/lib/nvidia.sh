# NVIDIA's libraries, out of the Python packages that it publishes: for tests, and for PCs with one of its cards. x86-64 only: the
# registry's packages for aarch64 are for servers, and a board has these libraries from JetPack.
#
# Uses tools/lib/assets.sh. Each file's SHA-256 is pinned here and checked on every run.
# shellcheck shell=bash

cuda_runtime_version=12.9.79
cuda_runtime_sha256=256e6409e4f06f618e1fb53d4844a6b81cdded1013afa8ade40c22f99eb133b7
# Of CUDA 12: that of 13 refuses the architecture compute_52, which GStreamer 1.22 asks for.
nvrtc_version=12.9.86
nvrtc_sha256=7c67c6b51ea0e0279634cebd676ff7efda1674806444520c84430ad5c35fe625
nvrtc_builtins_sha256=6507cf33450cfb22970c2c1e7aa8e7c0a33e39d864720277b05f61a92791e2e8
tensorrt_lean_version=10.16.1.11
tensorrt_lean_sha256=d766594b4da2dd74e3c29cd14d8b3f62149e286d61bde514af58d88683ff4e05
tensorrt_rtx_version=1.4.0.76
tensorrt_rtx_sha256=7a1c5a93a04f28d9b8ad0cc3d73184c69ff244c9d59d8958b66ca9144ab33b27
tensorrt_rtx_parser_sha256=51c35ecc40e1240ae0cbe855df7ef2dedfd9a65299c0a39b09f5b5ca573fbbc0

# For tests of what the libraries say where there is no GPU: the smallest TensorRT that a registry has, and CUDA's runtime.
nvidia_libraries() {
    [ "$(uname -m)" = x86_64 ] || return 0
    cuda_runtime "$cache/tensorrt"
    tensorrt_lean "$cache/tensorrt"
}

# For tests that build an engine: the builder of TensorRT for RTX needs no GPU.
tensorrt_rtx() {
    [ "$(uname -m)" = x86_64 ] || return 0
    tensorrt_for_rtx "$cache/tensorrt"
}

# For a PC with an NVIDIA card: all of them in one folder.
setup_nvidia() {
    local to=$cache/nvidia/lib
    [ "$(uname -m)" = x86_64 ] ||
        die "tools/setup nvidia is for x86-64 only, and this is $(uname -m)" "A Jetson has NVIDIA's libraries from JetPack."
    python_environment
    cuda_runtime "$to"
    nvrtc "$to"
    tensorrt_lean "$to"
    tensorrt_for_rtx "$to"
    # GStreamer asks for the name without a version.
    ln -sf libnvrtc.so.12 "$to/libnvrtc.so"
    say "NVIDIA's libraries are in $to:"
    (cd "$to" && printf '    %s\n' *)
    say "They need NVIDIA's driver, which the distribution or NVIDIA has. nvr uses them if these variables are set; the second one is for"
    say "GStreamer, which scales pictures on the card with it:"
    say ""
    say "export NVR_TENSORRT_LIB_DIR=$to"
    say "export GST_CUDA_NVRTC_LIBNAME=$to/libnvrtc.so.12"
}

cuda_runtime() {
    package_members "$1" "nvidia-cuda-runtime-cu12==$cuda_runtime_version" 'the runtime of CUDA, 4 MB' \
        nvidia/cuda_runtime/lib/libcudart.so.12 "$cuda_runtime_sha256"
}

nvrtc() {
    package_members "$1" "nvidia-cuda-nvrtc-cu12==$nvrtc_version" 'the compiler of CUDA, 90 MB' \
        nvidia/cuda_nvrtc/lib/libnvrtc.so.12 "$nvrtc_sha256" \
        nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9 "$nvrtc_builtins_sha256"
}

tensorrt_lean() {
    package_members "$1" "tensorrt-lean-cu12-libs==$tensorrt_lean_version" 'the lean runtime of TensorRT, 46 MB' \
        tensorrt_lean_libs/libnvinfer_lean.so.10 "$tensorrt_lean_sha256"
}

tensorrt_for_rtx() {
    package_members "$1" "tensorrt-rtx-cu12-libs==$tensorrt_rtx_version" 'TensorRT for RTX, 84 MB' \
        tensorrt_rtx_libs/libtensorrt_rtx.so.1 "$tensorrt_rtx_sha256" \
        tensorrt_rtx_libs/libtensorrt_onnxparser_rtx.so.1 "$tensorrt_rtx_parser_sha256"
}
