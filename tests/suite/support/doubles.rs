//! Doubles of hardware elements: a plug-in of GStreamer, built from `tests/gstreamer`, that any process under test may load.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::scratch::fresh;

/// The plug-in's folder, and a registry beside it that nobody else writes: which doubles there are is asked anew by every process
/// whose list is another one.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = fresh();
        std::fs::create_dir(&dir).expect("a folder");
        let libraries = ["gstreamer-1.0", "gstreamer-base-1.0", "gstreamer-video-1.0"];
        let flags = Command::new("pkg-config")
            .args(["--cflags", "--libs"])
            .args(libraries)
            .output()
            .expect("pkg-config, which built this program");
        assert!(flags.status.success(), "GStreamer's headers are installed");
        let flags = String::from_utf8(flags.stdout).expect("text");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gstreamer/doubles.c");
        let compiled = Command::new("cc")
            .args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
            .arg(dir.join("libgstnvrdoubles.so"))
            .arg(source)
            .args(flags.split_whitespace())
            .output()
            .expect("a C compiler, which links this program too");
        let told = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{told}");
        dir
    })
}

/// What makes the elements of `list` (see the plug-in's own words) part of a process.
pub(crate) fn environment(list: &str) -> Vec<(&'static str, OsString)> {
    let dir: PathBuf = built().to_owned();
    vec![
        ("GST_REGISTRY", dir.join("registry.bin").into()),
        ("GST_PLUGIN_PATH", dir.into()),
        ("NVR_DOUBLES", list.into()),
    ]
}
