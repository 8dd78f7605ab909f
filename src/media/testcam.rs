//! Test cameras: an RTSP server that plays files in a loop in real time, or shows the live test pattern.
//!
//! Files are not encoded again: their access units are kept in memory and sent when they are due, so that a camera
//! costs very little. One thread per camera sends, one thread runs the server; without viewers all of them sleep. A
//! viewer that is too slow loses whole groups of pictures. The faults of real cameras can be provoked: wrong logins,
//! TLS, silence within a session, a wrong clock, no sender reports, dropped connections.

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
    // The server is dropped first: its sessions hold the clocks and sources of the cameras.
    server: Server,
    cameras: Vec<Camera>,
    scheme: &'static str,
    bind: IpAddr,
    path: String,
}

impl Testcam {
    /// Reads the files and starts the server. Blocks while files are read; a file that several cameras show is read
    /// once.
    ///
    /// # Errors
    /// If a file has no H.264 or H.265 video, a pattern can't be encoded here, the port is taken, or the certificate is
    /// unusable.
    pub fn start(options: &TestcamOptions) -> Result<Self, TestcamError> {
        super::init().map_err(|error| TestcamError::Start(error.to_string()))?;
        if options.cameras.len() > 1 && !options.path.contains("{id}") {
            let message = format!(
                "the path {} has no {{id}}: all cameras would have the same path",
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

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The number of cameras.
    pub fn cameras(&self) -> usize {
        self.cameras.len()
    }

    /// The address of camera `id`, without login. If the server listens on all interfaces, it is the address on this
    /// machine.
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

    /// Stops or resumes the access units of camera `id`; its sessions stay. An unknown `id` is ignored.
    pub fn silence(&self, id: usize, silent: bool) {
        if let Some(camera) = self.cameras.get(id) {
            camera.state().silence(silent);
        }
    }

    /// The number of pipelines of camera `id`: one per viewer, or one for all if they share it.
    pub fn viewers(&self, id: usize) -> usize {
        self.cameras
            .get(id)
            .map_or(0, |camera| camera.state().viewers())
    }

    /// Ends all sessions, as a power failure would. Clients may connect again.
    pub fn drop_clients(&self) {
        self.while_silent(|| self.server.drop_clients());
    }

    /// Does `work` while no camera sends: GStreamer's server (1.22) aborts the process, by an assertion on `data_seq`,
    /// if it sends to a client that is being removed.
    fn while_silent(&self, work: impl FnOnce()) {
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

    /// Ends every session and thread, as dropping does.
    pub fn stop(self) {}
}

impl Drop for Testcam {
    fn drop(&mut self) {
        // The server is dropped first and must not send to a client that it removes; see `while_silent`.
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
