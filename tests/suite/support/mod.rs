//! What several test modules need.

pub(crate) mod alone;
pub(crate) mod broker;
pub(crate) mod cameras;
pub(crate) mod footage;
pub(crate) mod onnx;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod wait;

/// Runs one ignored test of this binary in a process of its own, where nothing else opens files, starts threads or
/// registers elements.
#[cfg(feature = "testcam")]
pub(crate) fn run_alone(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .expect("this binary runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
