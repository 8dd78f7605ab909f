# The Python environment of yocto/scripts/check: a linter of recipes, and kas.
# shellcheck shell=bash

yocto_python=${cache:?}/yocto/python

yocto_environment() {
    local wanted=$repo/yocto/scripts/requirements.txt stamp=$yocto_python/.requirements
    cmp -s "$wanted" "$stamp" && return
    step "Python environment of the Yocto layer's checks in $yocto_python"
    rm -rf "$yocto_python"
    mkdir -p "$(dirname "$yocto_python")"
    python3 -m venv "$yocto_python" || die "python3 can't make a virtual environment" "Install python3-venv, then \`tools/setup yocto\` again."
    "$yocto_python/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" ||
        die "pip could not install the Python packages of yocto/scripts/requirements.txt" \
            "pip's message stands above and names the package. Check the network, then \`tools/setup yocto\` again."
    cp "$wanted" "$stamp"
}
