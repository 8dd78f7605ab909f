//! Cameras for trying and testing: an RTSP server that plays files in a loop in real time, or the live test pattern.
//!
//! Files are never encoded again: their access units lie in memory and are sent when they are due, so that a camera costs
//! next to nothing. One thread a camera sends, one runs the server; without viewers all of them sleep. A viewer that does not
//! keep up loses whole groups of pictures. Everything that real cameras do to a client can be provoked: wrong logins, TLS,
//! silence within a session, a wrong clock, no sender reports, dropped connections.

mod camera;
mod clip;
mod encoder;
mod reel;
mod server;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::{Credentials, TestPattern};
use camera::Camera;
use clip::Clip;
use reel::Reel;
use server::{Mount, Server};

/// What the test cameras are.
#[derive(Debug, Clone, PartialEq)]
pub struct TestcamOptions {
    /// Where the server listens; 127.0.0.1 by default.
    pub bind: IpAddr,
    /// Its port; 0, the default, takes a free one, see [`Testcam::port`].
    pub port: u16,
    /// Path of a camera, `{id}` being its index; `live{id}.stream` by default.
    pub path: String,
    /// The cameras, by index.
    pub cameras: Vec<CameraOptions>,
    /// Login, where one is asked for.
    pub login: Option<TestcamLogin>,
    /// RTSPS instead of RTSP.
    pub tls: Option<TestcamTls>,
    /// Whether viewers of one camera share a pipeline, and its RTP stream with it; true by default. Without, each has its own:
    /// other sequence numbers and RTP times, the same pictures with the same NTP times.
    pub shared: bool,
}

/// One test camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraOptions {
    /// What it shows.
    pub feed: Feed,
    /// How far into its feed it is at start.
    pub offset: Duration,
    /// How wrong its clock is, in milliseconds; positive is fast.
    pub clock_offset_ms: i64,
    /// Whether it sends RTCP sender reports.
    pub sender_reports: bool,
    /// Whether it begins silent, see [`Testcam::silence`].
    pub silent: bool,
}

/// What a test camera shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// A file with H.264 or H.265 video, from its first key frame, in a loop.
    File(PathBuf),
    /// The moving pattern as H.264, encoded while someone watches.
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
    /// In the clear.
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
    /// The port is taken, or not ours to take.
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
    /// GStreamer, or the system, refused.
    #[error("the test cameras can't start: {0}")]
    Start(String),
}

/// Running test cameras; dropping them ends every session and thread.
#[derive(Debug)]
pub struct Testcam {
    // The server goes first: its sessions hold the cameras' clocks and sources.
    server: Server,
    cameras: Vec<Camera>,
    scheme: &'static str,
    bind: IpAddr,
    path: String,
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
    /// A camera that shows `feed` from its start, with a right clock.
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

impl Testcam {
    /// Reads the files and starts the server. Blocks while files are read; a file that several cameras show is read once.
    ///
    /// # Errors
    /// A file without H.264 or H.265, a pattern that can't be encoded here, a port that is taken, an unusable certificate.
    pub fn start(options: &TestcamOptions) -> Result<Self, TestcamError> {
        super::init().map_err(|error| TestcamError::Start(error.to_string()))?;
        if options.cameras.len() > 1 && !options.path.contains("{id}") {
            let message = format!(
                "the path {} lacks {{id}}: all cameras would have it",
                options.path
            );
            return Err(TestcamError::Start(message));
        }
        let mut clips: HashMap<&PathBuf, Arc<Clip>> = HashMap::new();
        let mut cameras = Vec::with_capacity(options.cameras.len());
        let mut mounts = Vec::with_capacity(options.cameras.len());
        for (id, camera_options) in (0u32..).zip(&options.cameras) {
            let (reel, codec) = match &camera_options.feed {
                Feed::File(path) => {
                    let clip = match clips.get(path) {
                        Some(clip) => clip.clone(),
                        None => Arc::new(Clip::load(path)?),
                    };
                    clips.insert(path, clip.clone());
                    let codec = clip.codec();
                    (Reel::Clip(clip), codec)
                }
                Feed::Pattern(pattern) => {
                    encoder::check(pattern)
                        .map_err(|error| TestcamError::Pattern(error.to_string()))?;
                    (Reel::Pattern(*pattern), "h264")
                }
            };
            let camera = Camera::start(id, reel, camera_options)?;
            mounts.push(Mount {
                path: format!("/{}", path_of(&options.path, id as usize)),
                codec,
                sender_reports: camera_options.sender_reports,
                camera: camera.shared().clone(),
            });
            cameras.push(camera);
        }
        Ok(Self {
            server: Server::start(options, mounts)?,
            cameras,
            scheme: if options.tls.is_some() {
                "rtsps"
            } else {
                "rtsp"
            },
            bind: options.bind,
            path: options.path.clone(),
        })
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// How many cameras there are.
    pub fn cameras(&self) -> usize {
        self.cameras.len()
    }

    /// The address of camera `id`, without login; as seen from this machine where the server listens on all interfaces.
    pub fn url(&self, id: usize) -> Url {
        let host = match self.bind {
            IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        let host = match host {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let path = path_of(&self.path, id);
        let text = format!("{}://{host}:{}/{path}", self.scheme, self.port());
        text.parse()
            .expect("invariant: scheme, host and port make a URL, whatever the path")
    }

    /// Stops or resumes the access units of camera `id`; its sessions stay. An `id` that is no camera's is ignored.
    pub fn silence(&self, id: usize, silent: bool) {
        if let Some(camera) = self.cameras.get(id) {
            camera.shared().silence(silent);
        }
    }

    /// How many pipelines camera `id` feeds: one a viewer, or one for all where they share.
    pub fn viewers(&self, id: usize) -> usize {
        self.cameras
            .get(id)
            .map_or(0, |camera| camera.shared().viewers())
    }

    /// Ends all sessions as a power failure would; clients may come again.
    pub fn drop_clients(&self) {
        self.while_quiet(|| self.server.drop_clients());
    }

    /// Does `work` while no camera sends: GStreamer's server (1.22) ends the process, by an assertion on `data_seq`, where it
    /// sends to a client that is being removed.
    fn while_quiet(&self, work: impl FnOnce()) {
        let cameras = self.cameras.iter().map(Camera::shared);
        let sending: Vec<_> = cameras.filter(|camera| !camera.is_silent()).collect();
        for camera in &sending {
            camera.silence(true);
        }
        work();
        for camera in sending {
            camera.silence(false);
        }
    }

    /// Ends every session and thread; so does dropping.
    pub fn stop(self) {}
}

impl Drop for Testcam {
    fn drop(&mut self) {
        // The server, which goes first, must send to nobody whom it removes; see `while_quiet`.
        for camera in &self.cameras {
            camera.shared().silence(true);
        }
    }
}

fn path_of(template: &str, id: usize) -> String {
    template
        .trim_start_matches('/')
        .replace("{id}", &id.to_string())
}
