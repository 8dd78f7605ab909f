//! The settings of the demonstration of a fleet.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Backend;

/// Settings of the demonstration.
#[derive(Debug, Clone)]
pub struct FleetDemoOptions {
    /// Number of cameras before one is added.
    pub cameras: u32,
    /// Videos that the cameras show; without any, the test pattern.
    pub files: Vec<PathBuf>,
    /// Port of the broker; if it is in use, a free one is chosen.
    pub mqtt_port: u16,
    /// Port of the cameras; if it is in use, a free one is chosen.
    pub rtsp_port: u16,
    /// Address of the wall's page; if the port is in use, a free one is chosen.
    pub http: SocketAddr,
    /// Run time; absent: until interrupted. The steps are carried out in any case.
    pub duration: Option<Duration>,
    /// File to which the wall's picture is written at the end, as PNG or JPEG.
    pub snapshot: Option<PathBuf>,
    /// Model of the processor; absent: its default.
    pub model: Option<String>,
    /// Backend of the processor; absent: its default.
    pub backend: Option<Backend>,
}
