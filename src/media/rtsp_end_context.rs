//! The facts about an RTSP session at its end, from which the reason is found.

use std::time::Duration;

use url::Url;

use super::rtp_filter::Arrived;
use super::rtsp_dialogue::Dialogue;
use super::rtsp_tls::CertificateCheck;
use super::session_state::Failure;
use crate::config::{Location, Transport};

/// The facts about a session at its end.
pub(super) struct EndContext<'a> {
    /// `camera 3`.
    pub(super) name: &'a str,
    pub(super) url: &'a Url,
    pub(super) with_login: bool,
    pub(super) transport: Transport,
    pub(super) answer_limit: Duration,
    pub(super) connect_limit: Duration,
    pub(super) stall_limit: Duration,
    pub(super) start_limit: Duration,
    pub(super) decoder: Option<&'a str>,
    pub(super) tls: &'a CertificateCheck,
    /// Why none of the offered streams was taken.
    pub(super) stream_refused: Option<Failure>,
    /// The requests and responses.
    pub(super) dialogue: &'a Dialogue,
    /// The packets that arrived, by payload type.
    pub(super) arrived: Vec<Arrived>,
    /// The time since PLAY was answered.
    pub(super) played_for: Option<Duration>,
}

impl EndContext<'_> {
    /// The path as it may be shown: some makers put the login there.
    pub(super) fn shown_path(&self) -> String {
        let shown = Location::Rtsp(self.url.clone()).to_string();
        Url::parse(&shown).map_or(shown, |shown| shown.path().to_owned())
    }
}
