"""What the layer takes from the repository around it: the program's version, and the kernel arguments of board/."""

import functools
import glob
import os
import re
import subprocess
import tempfile

import bb

BBIMPORTS = []


def version(d):
    """The version in Cargo.toml, so that nobody has to write it a second time."""
    path = os.path.join(d.getVar("NVR_SOURCE"), "Cargo.toml")
    with open(path, encoding="utf-8") as file:
        package = file.read().split("[package]", 1)[1]
    return re.search(r'^version = "([^"]+)"', package, re.M).group(1)


def kernel_args(d):
    """The kernel arguments that board/install places for NVR_BOARD: one per line, comments left out."""
    return _kernel_args(d.getVar("NVR_SOURCE"), d.getVar("NVR_BOARD"))


@functools.lru_cache
def _kernel_args(source, board):
    args = []
    with tempfile.TemporaryDirectory() as tree:
        install = [os.path.join(source, "board/install"), "--destdir", tree, "--for", "image", "--machine", board]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            bb.fatal("NVR_BOARD = %s: %s" % (board, done.stderr.strip()))
        for path in sorted(glob.glob(os.path.join(tree, "usr/share/nvr/kernel-args.d/*.conf"))):
            with open(path, encoding="utf-8") as file:
                args += [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return " ".join(args)


def revision(d):
    """The commit that is checked out around the layer."""
    # The repository may belong to somebody else than the builder, in a container for one.
    command = ["git", "-c", "safe.directory=*", "-C", d.getVar("NVR_SOURCE"), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        bb.fatal("%s is not a git checkout, which the recipes build from: %s" % (d.getVar("NVR_SOURCE"), found.stderr.strip()))
    return found.stdout.strip()
