//! Cameras for trying and testing: an RTSP server that plays files in a loop in real time, or the live test pattern.
//!
//! Files are never encoded again: their access units lie in memory and are sent when they are due, so that a camera costs
//! next to nothing. One thread a camera sends, one runs the server; without viewers all of them sleep. A viewer that does not
//! keep up loses whole groups of pictures. Everything that real cameras do to a client can be provoked: wrong logins, TLS,
//! silence within a session, a wrong clock, no sender reports, dropped connections.

mod camera;
mod clip;
mod encoder;
mod options;
mod playback;
mod server;
mod viewers;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use camera::Camera;
use clip::Clip;
use playback::Playback;
use server::{Mount, Server};

pub use options::{
    CameraOptions, Feed, LoginScheme, TestcamError, TestcamLogin, TestcamOptions, TestcamTls,
};

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
            let (playback, codec) = match &camera_options.feed {
                Feed::File(path) => {
                    let clip = match clips.get(path) {
                        Some(clip) => clip.clone(),
                        None => Arc::new(Clip::load(path)?),
                    };
                    clips.insert(path, clip.clone());
                    let codec = clip.codec();
                    (Playback::Clip(clip), codec)
                }
                Feed::Pattern(pattern) => {
                    encoder::check(pattern)
                        .map_err(|error| TestcamError::Pattern(error.to_string()))?;
                    (Playback::Pattern(*pattern), "h264")
                }
            };
            let camera = Camera::start(id, playback, camera_options)?;
            mounts.push(Mount {
                path: format!("/{}", path_of(&options.path, id as usize)),
                codec,
                sender_reports: camera_options.sender_reports,
                camera: camera.state().clone(),
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
            camera.state().silence(silent);
        }
    }

    /// How many pipelines camera `id` feeds: one a viewer, or one for all where they share.
    pub fn viewers(&self, id: usize) -> usize {
        self.cameras
            .get(id)
            .map_or(0, |camera| camera.state().viewers())
    }

    /// Ends all sessions as a power failure would; clients may come again.
    pub fn drop_clients(&self) {
        self.while_quiet(|| self.server.drop_clients());
    }

    /// Does `work` while no camera sends: GStreamer's server (1.22) ends the process, by an assertion on `data_seq`, where it
    /// sends to a client that is being removed.
    fn while_quiet(&self, work: impl FnOnce()) {
        let cameras = self.cameras.iter().map(Camera::state);
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
            camera.state().silence(true);
        }
    }
}

fn path_of(template: &str, id: usize) -> String {
    template
        .trim_start_matches('/')
        .replace("{id}", &id.to_string())
}
