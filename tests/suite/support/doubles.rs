//! Test doubles of hardware elements: a GStreamer plug-in, built from `tests/gstreamer`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::scratch::fresh;

/// Builds the plug-in `source` of `tests/gstreamer` as `plugin`.
pub(crate) fn build(source: &str, plugin: &Path) {
    let libraries = ["gstreamer-1.0", "gstreamer-base-1.0", "gstreamer-video-1.0"];
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs"])
        .args(libraries)
        .output()
        .expect("pkg-config, which built this program");
    assert!(flags.status.success(), "GStreamer's headers are installed");
    let flags = String::from_utf8(flags.stdout).expect("text");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gstreamer");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .arg(plugin)
        .arg(sources.join(source))
        .args(flags.split_whitespace())
        .output()
        .expect("a C compiler, which links this program too");
    let told = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{told}");
}

/// The folder of the plug-in and of a separate registry: each process with another list of doubles updates it.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = fresh();
        std::fs::create_dir(&dir).expect("a folder");
        build("doubles.c", &dir.join("libgstnvrdoubles.so"));
        dir
    })
}

/// The environment in which a process has the elements of `list` (described in the plug-in).
pub(crate) fn environment(list: &str) -> Vec<(&'static str, OsString)> {
    let dir: PathBuf = built().to_owned();
    vec![
        ("GST_REGISTRY", dir.join("registry.bin").into()),
        ("GST_PLUGIN_PATH", dir.into()),
        ("NVR_DOUBLES", list.into()),
    ]
}
