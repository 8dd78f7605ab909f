//! Tests in a separate process: the test binary runs itself for one ignored test.

use std::ffi::OsStr;
use std::process::Command;

/// Environment variable that is set for a test started by [`alone`].
const CALLED: &str = "NVR_TEST_ALONE";

/// Runs the ignored test `name` (with its module path) in a separate process, and returns its output.
pub(crate) fn alone<'a>(
    name: &str,
    environment: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
) -> String {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(CALLED, "1")
        .envs(environment)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
    told
}

/// Whether the present test was started by [`alone`]. Otherwise it must do nothing, because `--include-ignored` runs all tests in
/// one process.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(CALLED).is_some()
}
