//! Runs GStreamer's RTSP server on a separate thread: mount points, login, TLS, and the connection of each session's
//! pipeline to its camera.
//!
//! That thread also serves and closes the clients. The server's thread pool is not used: a client that one thread closes
//! while another reads from it makes GStreamer 1.22 read from a closed connection for ever.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;

use super::viewers::CameraState;
use super::{LoginScheme, TestcamError, TestcamOptions};
use crate::base::sync::lock;

/// A camera as the server mounts it.
#[derive(Debug)]
pub(super) struct Mount {
    /// With a leading slash.
    pub(super) path: String,
    /// `h264` or `h265`.
    pub(super) codec: &'static str,
    /// Whether RTCP is sent at all.
    pub(super) sender_reports: bool,
    /// The camera.
    pub(super) camera: Arc<CameraState>,
}

/// The running server; dropping it ends all sessions.
#[derive(Debug)]
pub(super) struct Server {
    server: rtsp::RTSPServer,
    port: u16,
    main_loop: glib::MainLoop,
    listener: Option<glib::SourceId>,
    context: glib::MainContext,
    thread: Option<JoinHandle<()>>,
    _ended_clients: Arc<EndedClients>,
}

/// Clients that have ended and may still be used, in the order of their ends.
type EndedClients = Mutex<VecDeque<rtsp::RTSPClient>>;

/// The one role; the server has no other users.
const ROLE: &str = "viewer";
/// RFC 3550 asks for 5 s between reports; real cameras send their first one within a second.
const REPORT_INTERVAL: gst::ClockTime = gst::ClockTime::from_seconds(1);
/// Interval for removing sessions of silent clients.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(5);
/// How long a client that has ended is kept; the library uses it for some milliseconds.
const KEEP_ENDED: Duration = Duration::from_secs(1);
/// Longest wait for the server's thread when sessions are ended.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

impl Server {
    /// Listens and serves the mounts.
    pub(super) fn start(
        options: &TestcamOptions,
        mounts: Vec<Mount>,
    ) -> Result<Self, TestcamError> {
        let server = rtsp::RTSPServer::new();
        if let Some(pool) = server.thread_pool() {
            pool.set_max_threads(0);
        }
        server.set_address(&options.bind.to_string());
        server.set_service(&options.port.to_string());
        let points = server
            .mount_points()
            .ok_or_else(|| TestcamError::Start("the server has no mount points".to_owned()))?;
        let restricted = configure_auth(&server, options)?;
        for mount in mounts {
            points.add_factory(
                &mount.path.clone(),
                factory(mount, options.shared, restricted),
            );
        }
        let context = glib::MainContext::new();
        let ended_clients = keep_ended_clients(&server);
        let listener = server
            .attach(Some(&context))
            .map_err(|_| TestcamError::Bind {
                address: options.bind,
                port: options.port,
            })?;
        let port = u16::try_from(server.bound_port()).unwrap_or(options.port);
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let thread = run(&server, &context, &main_loop)?;
        Ok(Self {
            server,
            port,
            main_loop,
            listener: Some(listener),
            context,
            thread: Some(thread),
            _ended_clients: ended_clients,
        })
    }

    /// The port of the server.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all sessions. Clients may connect again. Waits for the end of the sessions, at most [`CLOSE_LIMIT`]: the
    /// server's thread is busy while a camera that sends nothing is described.
    pub(super) fn drop_clients(&self) {
        let server = self.server.clone();
        self.on_server_thread(move || close_clients(&server));
    }

    /// Runs `task` on the server's thread. False if it did not end within [`CLOSE_LIMIT`]; it runs later then.
    fn on_server_thread(&self, task: impl FnOnce() + Send + 'static) -> bool {
        let (done, ended) = mpsc::channel();
        self.context
            .invoke_with_priority(glib::Priority::DEFAULT, move || {
                task();
                // Nobody waits any more after the limit.
                let _ = done.send(());
            });
        ended.recv_timeout(CLOSE_LIMIT).is_ok()
    }
}

/// Keeps each client for [`KEEP_ENDED`] after its end. A thread that can't send to a client makes the server's thread close it, without a
/// reference to it (`do_close` in rtsp-client.c of GStreamer 1.22). If that thread has ended the client before, as when viewers are killed,
/// it would close what is freed.
fn keep_ended_clients(server: &rtsp::RTSPServer) -> Arc<EndedClients> {
    let kept = Arc::new(EndedClients::default());
    let list = Arc::downgrade(&kept);
    server.connect_client_connected(move |_, client| {
        let list = list.clone();
        client.connect_closed(move |client| {
            if let Some(kept) = list.upgrade() {
                lock(&kept).push_back(client.clone());
            }
            let list = list.clone();
            let release =
                glib::timeout_source_new(KEEP_ENDED, None, glib::Priority::LOW, move || {
                    // Each is kept equally long: the first one is due.
                    let first = list.upgrade().and_then(|kept| lock(&kept).pop_front());
                    drop(first);
                    glib::ControlFlow::Break
                });
            release.attach(glib::MainContext::thread_default().as_ref());
        });
    });
    kept
}

fn close_clients(server: &rtsp::RTSPServer) {
    if let Some(pool) = server.session_pool() {
        pool.filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
    }
    server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not SourceId::remove, which looks only in the default context.
        if let Some(source) = self
            .listener
            .take()
            .and_then(|listener| self.context.find_source_by_id(&listener))
        {
            source.destroy();
        }
        // The loop is ended on its own thread: before that thread runs the loop, the request would be lost.
        let (server, main_loop) = (self.server.clone(), self.main_loop.clone());
        let is_ended = self.on_server_thread(move || {
            close_clients(&server);
            main_loop.quit();
        });
        match self.thread.take() {
            // A panic was already reported by its own hook.
            Some(thread) if is_ended => drop(thread.join()),
            _ => tracing::debug!(
                "the test cameras' server still describes a camera; left to end alone"
            ),
        }
    }
}

fn run(
    server: &rtsp::RTSPServer,
    context: &glib::MainContext,
    main_loop: &glib::MainLoop,
) -> Result<JoinHandle<()>, TestcamError> {
    let pool = server.session_pool();
    let cleanup =
        glib::timeout_source_new(CLEANUP_INTERVAL, None, glib::Priority::LOW, move || {
            if let Some(pool) = &pool {
                pool.cleanup();
            }
            glib::ControlFlow::Continue
        });
    cleanup.attach(Some(context));
    let (context, main_loop) = (context.clone(), main_loop.clone());
    std::thread::Builder::new()
        .name("testcam-rtsp".to_owned())
        .spawn(move || {
            let ran = context.with_thread_default(|| main_loop.run());
            cleanup.destroy();
            if let Err(error) = ran {
                tracing::error!(%error, "the test cameras' server could not run");
            }
        })
        .map_err(|error| TestcamError::Start(error.to_string()))
}

/// Sets up login and TLS. Returns whether media need the role.
fn configure_auth(
    server: &rtsp::RTSPServer,
    options: &TestcamOptions,
) -> Result<bool, TestcamError> {
    if options.login.is_none() && options.tls.is_none() {
        return Ok(false);
    }
    let auth = rtsp::RTSPAuth::new();
    let mut token = rtsp::RTSPToken::builder()
        .field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
        .build();
    match &options.login {
        None => auth.set_default_token(Some(&mut token)),
        Some(login) => {
            let (user, password) = (
                login.credentials.username.reveal(),
                login.credentials.password.reveal(),
            );
            match login.scheme {
                LoginScheme::Basic => {
                    auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Basic);
                    auth.add_basic(&rtsp::RTSPAuth::make_basic(user, password), &token);
                }
                LoginScheme::Digest => {
                    auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
                    auth.add_digest(user, password, &token);
                }
            }
        }
    }
    if let Some(files) = &options.tls {
        let certificate = gstreamer_tls::certificate(files)?;
        auth.set_tls_certificate(Some(&certificate));
    }
    server.set_auth(Some(&auth));
    Ok(true)
}

/// Reads a certificate and its key.
mod gstreamer_tls {
    use super::super::{TestcamError, TestcamTls};

    pub(super) fn certificate(files: &TestcamTls) -> Result<gio::TlsCertificate, TestcamError> {
        gio::TlsCertificate::from_files(&files.certificate, &files.key).map_err(|error| {
            TestcamError::Certificate {
                path: files.certificate.clone(),
                message: error.to_string(),
            }
        })
    }
}

fn factory(mount: Mount, shared: bool, restricted: bool) -> rtsp::RTSPMediaFactory {
    let factory = rtsp::RTSPMediaFactory::new();
    // The camera's thread limits the waiting data, in groups of pictures; here it is not limited by bytes.
    factory.set_launch(&format!(
        "( appsrc name=source is-live=true format=time max-bytes=0 max-buffers=0 max-time=0 \
         ! rtp{}pay name=pay0 pt=96 config-interval=-1 aggregate-mode=zero-latency )",
        mount.codec
    ));
    factory.set_shared(shared);
    factory.set_clock(Some(&mount.camera.clock));
    factory.set_publish_clock_mode(rtsp::RTSPPublishClockMode::None);
    factory.set_enable_rtcp(mount.sender_reports);
    if restricted {
        factory.add_role_from_structure(
            &gst::Structure::builder(ROLE)
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
                .build(),
        );
    }
    factory.connect_media_configure(move |_, media| configure_media(media, &mount.camera));
    factory
}

fn configure_media(media: &rtsp::RTSPMedia, camera: &Arc<CameraState>) {
    let source = media
        .element()
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| bin.by_name("source"))
        .and_downcast::<gst_app::AppSrc>();
    let Some(source) = source else {
        tracing::error!("a test camera's session has no source");
        return;
    };
    let viewer = camera.add_viewer(source);
    let camera = Arc::downgrade(camera);
    let player = camera.clone();
    media.connect_new_state(move |_, state| {
        if let Some(camera) = player.upgrade() {
            camera.viewer_plays(viewer, state == gst::ffi::GST_STATE_PLAYING);
        }
    });
    media.connect_unprepared(move |_| {
        if let Some(camera) = camera.upgrade() {
            camera.remove_viewer(viewer);
        }
    });
    media.connect_prepared(report_camera_time);
}

/// Makes sender reports carry the camera's clock, which counts from 1900 already, soon and often.
fn report_camera_time(media: &rtsp::RTSPMedia) {
    let rtpbin = media
        .element()
        .parent()
        .and_downcast::<gst::Bin>()
        .and_then(|pipeline| {
            pipeline
                .iterate_all_by_element_factory_name("rtpbin")
                .next()
                .ok()?
        });
    if let Some(rtpbin) = rtpbin {
        rtpbin.set_property_from_str("ntp-time-source", "clock-time");
        // A frame's time is when it was captured, not when it was sent.
        rtpbin.set_property("rtcp-sync-send-time", false);
    }
    for index in 0..media.n_streams() {
        if let Some(session) = media.stream(index).and_then(|stream| stream.rtpsession()) {
            session.set_property("rtcp-min-interval", REPORT_INTERVAL.nseconds());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::base::testing::wait_until;

    #[test]
    fn a_client_that_has_ended_stays_for_what_still_uses_it() {
        const LIMIT: Duration = Duration::from_secs(60);
        crate::media::init().expect("GStreamer starts");
        let server = Server::start(&TestcamOptions::default(), Vec::new()).expect("it listens");
        let (ends, ended) = mpsc::channel();
        server.server.connect_client_connected(move |_, client| {
            let ends = ends.clone();
            client.connect_closed(move |client| {
                let _ = ends.send(client.downgrade());
            });
        });
        drop(TcpStream::connect(("127.0.0.1", server.port())).expect("it listens"));
        let client = ended.recv_timeout(LIMIT).expect("a client has ended");
        // Later than all that the library asks of the server's thread.
        let (answer, is_there) = mpsc::channel();
        let asked = client.clone();
        let ask = move || {
            let _ = answer.send(asked.upgrade().is_some());
        };
        server
            .context
            .invoke_with_priority(glib::Priority::LOW, ask);
        assert_eq!(is_there.recv_timeout(LIMIT), Ok(true));
        wait_until(|| client.upgrade().is_none());
    }
}
