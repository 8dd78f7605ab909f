//! Helpers of several test modules.

pub(crate) mod alone;
pub(crate) mod broker;
pub(crate) mod browser;
pub(crate) mod cameras;
pub(crate) mod continuity;
#[cfg(feature = "testcam")]
pub(crate) mod device;
pub(crate) mod doubles;
pub(crate) mod file_server;
pub(crate) mod footage;
pub(crate) mod namespaces;
pub(crate) mod onnx;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
#[cfg(feature = "testcam")]
pub(crate) mod quirky_camera;
pub(crate) mod rewrapped;
pub(crate) mod scratch;
pub(crate) mod site;
#[cfg(feature = "testcam")]
pub(crate) mod stage;
pub(crate) mod tensorrt;
#[cfg(feature = "testcam")]
pub(crate) mod tiles;
pub(crate) mod tiny;
#[cfg(feature = "testcam")]
pub(crate) mod viewer;
#[cfg(feature = "testcam")]
pub(crate) mod vm;
pub(crate) mod wait;
#[cfg(feature = "testcam")]
pub(crate) mod wall;
#[cfg(feature = "testcam")]
pub(crate) mod words;

/// Runs one ignored test of this binary in a separate process, where no other test opens files, starts threads or registers
/// elements.
#[cfg(feature = "testcam")]
pub(crate) fn run_alone(test: &str) {
    alone::alone(test, []);
}
