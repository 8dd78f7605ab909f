# NVIDIA's libraries, out of the Python packages that it publishes: for tests and for PCs. x86-64 only: the registry's packages for
# aarch64 are for servers, and a board has these libraries from JetPack.
#
# Uses tools/lib/assets.sh. Each file's SHA-256 is pinned here and checked on every run.
# shellcheck shell=bash

cuda_runtime_version=12.9.79
cuda_runtime_sha256=256e6409e4f06f618e1fb53d4844a6b81cdded1013afa8ade40c22f99eb133b7
tensorrt_lean_version=10.16.1.11
tensorrt_lean_sha256=d766594b4da2dd74e3c29cd14d8b3f62149e286d61bde514af58d88683ff4e05

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
