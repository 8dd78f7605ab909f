//! The folder of this test process. All files of tests and of programs under test are below it, and are removed with it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// The folder and the process that removes it.
struct Scratch {
    path: PathBuf,
    /// Runs until the end of its standard input, which is the end of this process in any case.
    _remover: Mutex<Child>,
}

/// The folder of this test process; private to its user.
pub(crate) fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    &SCRATCH.get_or_init(Scratch::new).path
}

/// A new path at each call; nothing exists there.
pub(crate) fn fresh() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    scratch().join(COUNT.fetch_add(1, Ordering::Relaxed).to_string())
}

impl Scratch {
    fn new() -> Self {
        // Paths of sockets have 107 bytes: the temporary folder's is shorter than that of the build.
        let path = tempfile::Builder::new()
            .prefix("nvr-suite-")
            .tempdir()
            .expect("a folder")
            .keep();
        // The terminal's interrupt ends the tests, and not who tidies up after them.
        let script = "trap '' INT TERM HUP; echo ready; cat >/dev/null; rm -rf -- \"$1\"";
        let mut remover = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let ready = remover.stdout.as_mut().expect("it is piped");
        ready.read_exact(&mut [0; 6]).expect("it is ready");
        Self {
            path,
            _remover: Mutex::new(remover),
        }
    }
}
