# NVIDIA's libraries, out of the Python packages that it publishes: for tests and for PCs. x86-64 only: the registry's packages for
# aarch64 are for servers, and a board has these libraries from JetPack.
#
# Uses tools/lib/assets.sh. Each file's SHA-256 is pinned here and checked on every run.
# shellcheck shell=bash

cuda_runtime_version=12.9.79
cuda_runtime_sha256=256e6409e4f06f618e1fb53d4844a6b81cdded1013afa8ade40c22f99eb133b7
tensorrt_lean_version=10.16.1.11
tensorrt_lean_sha256=d766594b4da2dd74e3c29cd14d8b3f62149e286d61bde514af58d88683ff4e05
tensorrt_rtx_version=1.4.0.76
tensorrt_rtx_sha256=7a1c5a93a04f28d9b8ad0cc3d73184c69ff244c9d59d8958b66ca9144ab33b27
tensorrt_rtx_parser_sha256=51c35ecc40e1240ae0cbe855df7ef2dedfd9a65299c0a39b09f5b5ca573fbbc0

# NVIDIA's own libraries, for tests of what they say where there is no GPU: the smallest TensorRT that a registry has, and CUDA's
# runtime. Only for x86-64: the registry's packages for aarch64 are for servers.
nvidia_libraries() {
    local to=$cache/tensorrt work
    [ "$(uname -m)" = x86_64 ] || return 0
    if is_file_with "$cuda_runtime_sha256" "$to/libcudart.so.12" && is_file_with "$tensorrt_lean_sha256" "$to/libnvinfer_lean.so.10"; then
        return
    fi
    step "TensorRT's lean runtime $tensorrt_lean_version and CUDA's $cuda_runtime_version (out of Python packages of NVIDIA's, 50 MB)"
    work=$(scratch)
    download_wheel "nvidia-cuda-runtime-cu12==$cuda_runtime_version" "$work" --platform manylinux2014_x86_64
    download_wheel "tensorrt-lean-cu12-libs==$tensorrt_lean_version" "$work" --platform manylinux_2_28_x86_64
    from_zip "$work"/nvidia_cuda_runtime_cu12-*.whl nvidia/cuda_runtime/lib/libcudart.so.12 "$work/libcudart.so.12"
    from_zip "$work"/tensorrt_lean_cu12_libs-*.whl tensorrt_lean_libs/libnvinfer_lean.so.10 "$work/libnvinfer_lean.so.10"
    expect "$cuda_runtime_sha256" "$work/libcudart.so.12" "Python package nvidia-cuda-runtime-cu12 $cuda_runtime_version"
    expect "$tensorrt_lean_sha256" "$work/libnvinfer_lean.so.10" "Python package tensorrt-lean-cu12-libs $tensorrt_lean_version"
    mkdir -p "$to" && mv "$work/libcudart.so.12" "$work/libnvinfer_lean.so.10" "$to/"
    rm -rf "$work"
}

# TensorRT for RTX, whose builder needs no GPU, and its parser of ONNX files: beside the libraries above.
tensorrt_rtx() {
    local to=$cache/tensorrt package=tensorrt-rtx-cu12-libs work
    [ "$(uname -m)" = x86_64 ] || return 0
    if is_file_with "$tensorrt_rtx_sha256" "$to/libtensorrt_rtx.so.1" &&
        is_file_with "$tensorrt_rtx_parser_sha256" "$to/libtensorrt_onnxparser_rtx.so.1"; then
        return
    fi
    step "TensorRT for RTX $tensorrt_rtx_version (out of NVIDIA's Python package $package, 84 MB)"
    work=$(scratch)
    download_wheel "$package==$tensorrt_rtx_version" "$work" --platform manylinux_2_28_x86_64
    from_zip "$work"/tensorrt_rtx_cu12_libs-*.whl tensorrt_rtx_libs/libtensorrt_rtx.so.1 "$work/libtensorrt_rtx.so.1"
    from_zip "$work"/tensorrt_rtx_cu12_libs-*.whl tensorrt_rtx_libs/libtensorrt_onnxparser_rtx.so.1 "$work/libtensorrt_onnxparser_rtx.so.1"
    expect "$tensorrt_rtx_sha256" "$work/libtensorrt_rtx.so.1" "Python package $package $tensorrt_rtx_version"
    expect "$tensorrt_rtx_parser_sha256" "$work/libtensorrt_onnxparser_rtx.so.1" "Python package $package $tensorrt_rtx_version"
    mkdir -p "$to" && mv "$work/libtensorrt_rtx.so.1" "$work/libtensorrt_onnxparser_rtx.so.1" "$to/"
    rm -rf "$work"
}
