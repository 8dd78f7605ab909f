//! Whole behaviour against real parts: one binary, since each further one links everything again.

mod broker;
mod bus;
mod bus_tls;
#[cfg(feature = "testcam")]
mod camera_probe;
mod config;
mod consumers;
#[cfg(feature = "testcam")]
mod decoders;
mod detect;
mod lockfile;
#[cfg(feature = "testcam")]
mod media;
mod models;
mod pattern;
mod rooms;
mod sources;
mod support;
#[cfg(feature = "testcam")]
mod testcam;
mod tracking;
mod watch;
