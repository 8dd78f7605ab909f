//! The options of test cameras, and the reasons why they can't run.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Credentials, TestPattern};

/// The test cameras to start.
#[derive(Debug, Clone, PartialEq)]
pub struct TestcamOptions {
    /// Where the server listens; 127.0.0.1 by default.
    pub bind: IpAddr,
    /// Its port; 0, the default, takes a free one, see [`super::Testcam::port`].
    pub port: u16,
    /// The path of a camera; `{id}` is its index. Default: `live{id}.stream`.
    pub path: String,
    /// The cameras, by index.
    pub cameras: Vec<CameraOptions>,
    /// The login, if one is needed.
    pub login: Option<TestcamLogin>,
    /// Certificate and key for RTSPS; none for RTSP.
    pub tls: Option<TestcamTls>,
    /// Whether viewers of one camera share a pipeline and its RTP stream; true by default. Otherwise each viewer has
    /// its own sequence numbers and RTP times, with the same pictures and NTP times.
    pub shared: bool,
}

/// One test camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraOptions {
    /// What it shows.
    pub feed: Feed,
    /// The position in the feed at the start.
    pub offset: Duration,
    /// The error of its clock in milliseconds; positive if it is fast.
    pub clock_offset_ms: i64,
    /// Whether it sends RTCP sender reports.
    pub sender_reports: bool,
    /// Whether it starts without sending, see [`super::Testcam::silence`].
    pub silent: bool,
}

/// What a test camera shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// A file with H.264 or H.265 video, from its first key frame, in a loop.
    File(PathBuf),
    /// The moving pattern as H.264, encoded only while there are viewers.
    Pattern(TestPattern),
}

/// A login that the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestcamLogin {
    /// User and password.
    pub credentials: Credentials,
    /// How they are sent.
    pub scheme: LoginScheme,
}

/// How RTSP sends a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginScheme {
    /// In plain text.
    Basic,
    /// Hashed with a nonce (MD5).
    Digest,
}

/// Files of an RTSPS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestcamTls {
    /// Certificate in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why test cameras can't run.
#[derive(Debug, thiserror::Error)]
pub enum TestcamError {
    /// A file can't be shown.
    #[error("the test camera can't show {path}: {message}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A pattern can't be shown.
    #[error("the test camera can't show its pattern: {0}")]
    Pattern(String),
    /// The port is taken, or this process may not use it.
    #[error(
        "the test cameras can't listen on {address}:{port}; is another server there? choose another port, or 0 for a free one"
    )]
    Bind {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// The certificate or its key is not usable.
    #[error("the test cameras can't use the certificate {path} with its key: {message}")]
    Certificate {
        /// The certificate.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// GStreamer or the system refused.
    #[error("the test cameras can't start: {0}")]
    Start(String),
}

impl Default for TestcamOptions {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            path: "live{id}.stream".to_owned(),
            cameras: Vec::new(),
            login: None,
            tls: None,
            shared: true,
        }
    }
}

impl CameraOptions {
    /// A camera that shows `feed` from its start, with a correct clock.
    pub fn new(feed: Feed) -> Self {
        Self {
            feed,
            offset: Duration::ZERO,
            clock_offset_ms: 0,
            sender_reports: true,
            silent: false,
        }
    }
}
