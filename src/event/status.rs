//! The retained documents: presences of processes and statuses of sources.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::detection::{not_negative, unix_time};
use super::{DecodeError, json};
use crate::base::{CaptureClock, SessionId, SourceId, unix_now};

/// Maximum length of a kept message in bytes.
const TEXT_BYTES: usize = 1024;
/// Maximum length of a kept code or name in bytes.
const WORD_BYTES: usize = 64;

/// The presence of a process. `offline` is its will: it is set at the connection and published by the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// Online, stopped or offline.
    pub state: PresenceState,
    /// Id of this run of the process. It distinguishes a late will of an old run from the present run.
    pub session: SessionId,
    /// Online and offline: start of the run, because a will is set in advance. Stopped: end of the run.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The program's version.
    #[serde(default)]
    pub version: String,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PresenceState {
    /// It runs and is connected.
    Online,
    /// It has ended in an orderly way.
    Stopped,
    /// The broker lost the connection: a crash, a cut cable, a power failure.
    Offline,
}

impl Presence {
    /// The present presence of the run `session` of this program.
    pub fn now(state: PresenceState, session: &SessionId) -> Self {
        Self {
            state,
            session: session.clone(),
            since: unix_time(unix_now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("invariant: a presence has string keys and no failing field")
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// When the payload is over 1 MiB or not of the schema.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut presence: Self = json::decode(payload)?;
        json::name("session", &presence.session.0)?;
        json::cut(&mut presence.version, WORD_BYTES);
        Ok(presence)
    }
}

/// The status of a source. Valid only while the processor `instance_id` is online with this `session`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// Id of the source.
    pub source_id: SourceId,
    /// Instance id of the processor.
    pub instance_id: Arc<str>,
    /// Session of the processor.
    pub session: SessionId,
    /// The state of the source.
    pub state: SourceState,
    /// Time of the last change of the state.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The reason of a fault.
    #[serde(default)]
    pub reason: Option<SourceReason>,
    /// Address of the source, without credentials.
    pub uri: String,
    /// Metrics of its stream.
    #[serde(flatten)]
    pub metrics: SourceMetrics,
}

/// Properties and counters of a source's stream; null while unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceMetrics {
    /// `h264`, `h265`, `mjpeg`, `raw`.
    #[serde(default)]
    pub codec: Option<String>,
    /// Picture width in pixels.
    #[serde(default)]
    pub width: Option<u32>,
    /// Picture height in pixels.
    #[serde(default)]
    pub height: Option<u32>,
    /// Decoded frames per second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps_in: Option<f32>,
    /// Inferred frames per second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps_inferred: Option<f32>,
    /// The decoder in use, such as `avdec_h264`.
    #[serde(default)]
    pub decoder: Option<String>,
    /// The clock of capture times.
    #[serde(default, deserialize_with = "json::known_or_none")]
    pub clock: Option<CaptureClock>,
    /// Number of decoded frames that a newer one replaced before they were inferred.
    #[serde(default)]
    pub dropped: u64,
    /// Number of sessions opened after the first.
    #[serde(default)]
    pub reconnects: u64,
}

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// No frame yet, or waiting for the next attempt.
    Connecting,
    /// Frames arrive.
    Live,
    /// It was live, and frames no longer arrive.
    Stalled,
    /// The operator has paused it.
    Paused,
    /// It can't be reached or decoded; the processor retries.
    Failed,
}

impl SourceState {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// The reason of a source's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceReason {
    /// The error code: `unreachable`, `unauthorized`, `no-decoder` and others.
    pub code: String,
    /// The message for users, with the remedy.
    pub message: String,
}

impl SourceStatus {
    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a status has string keys and no failing field")
    }

    /// Cuts all texts, because the status is kept in memory.
    fn cut(&mut self) {
        json::cut(&mut self.uri, TEXT_BYTES);
        if let Some(reason) = &mut self.reason {
            json::cut(&mut reason.code, WORD_BYTES);
            json::cut(&mut reason.message, TEXT_BYTES);
        }
        let words = [&mut self.metrics.codec, &mut self.metrics.decoder];
        words
            .into_iter()
            .flatten()
            .for_each(|word| json::cut(word, WORD_BYTES));
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, violates the schema, or has an invalid rate, instance id or session. Long texts are cut.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut status: Self = json::decode(payload)?;
        json::name("instance_id", &status.instance_id)?;
        json::name("session", &status.session.0)?;
        status.cut();
        for (field, value) in [
            ("fps_in", status.metrics.fps_in),
            ("fps_inferred", status.metrics.fps_inferred),
        ] {
            if let Some(value) = value {
                not_negative(field, value)?;
            }
        }
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status() -> SourceStatus {
        SourceStatus {
            source_id: SourceId(3),
            instance_id: "dock-box-1".into(),
            session: SessionId("00c0ffee00c0ffee".to_owned()),
            state: SourceState::Failed,
            since: "2025-10-25T10:30:00.5Z".parse().expect("a time"),
            reason: Some(SourceReason {
                code: "unauthorized".to_owned(),
                message: "camera 3 answers 401".to_owned(),
            }),
            uri: "rtsp://10.0.0.20:554/1".to_owned(),
            metrics: SourceMetrics {
                codec: Some("h264".to_owned()),
                width: Some(1280),
                height: Some(720),
                fps_in: Some(24.987),
                clock: Some(CaptureClock::Ntp),
                dropped: 15,
                reconnects: 2,
                ..SourceMetrics::default()
            },
        }
    }

    #[test]
    fn a_status_has_all_its_fields_at_its_first_level() {
        assert_eq!(
            String::from_utf8(status().to_json()).expect("JSON is text"),
            concat!(
                r#"{"source_id":3,"instance_id":"dock-box-1","session":"00c0ffee00c0ffee","state":"failed","#,
                r#""since":"2025-10-25T10:30:00.500Z","reason":{"code":"unauthorized","message":"camera 3 answers 401"},"#,
                r#""uri":"rtsp://10.0.0.20:554/1","codec":"h264","width":1280,"height":720,"fps_in":24.99,"#,
                r#""fps_inferred":null,"decoder":null,"clock":"ntp","dropped":15,"reconnects":2}"#
            )
        );
        let read = SourceStatus::from_json(&status().to_json()).expect("own JSON is good");
        assert_eq!(read.to_json(), status().to_json());
    }

    #[test]
    fn a_status_of_a_newer_writer_and_one_that_knows_little_are_read() {
        let text = br#"{"source_id":3,"instance_id":"a","session":"s","state":"live","since":"2025-10-25T12:30:00+02:00",
            "uri":"rtsp://a","clock":"ptp","shutter":"1/50"}"#;
        let read = SourceStatus::from_json(text).expect("a reader is lenient");
        assert_eq!(read.metrics, SourceMetrics::default());
        assert_eq!(read.since.to_string(), "2025-10-25T10:30:00Z");
    }

    #[test]
    fn a_negative_rate_is_refused() {
        let text = String::from_utf8(status().to_json()).expect("JSON is text");
        let error = SourceStatus::from_json(text.replace("24.99", "-1").as_bytes());
        assert_eq!(
            error.expect_err("no rate is negative").to_string(),
            "`fps_in` is -1; it must not be negative"
        );
    }

    #[test]
    fn texts_of_strangers_are_cut_and_names_that_are_none_are_refused() {
        let long = "ä".repeat(20_000);
        let mut written = status();
        written.uri = long.clone();
        written.metrics.codec = Some(long.clone());
        written.reason = Some(SourceReason {
            code: long.clone(),
            message: long.clone(),
        });
        let read = SourceStatus::from_json(&written.to_json()).expect("a status");
        assert_eq!(read.uri, "ä".repeat(TEXT_BYTES / 2));
        let reason = read.reason.expect("it has one");
        assert_eq!((reason.code.len(), reason.message.len()), (64, 1024));
        assert_eq!(read.metrics.codec.map(|codec| codec.len()), Some(64));
        for name in ["", "a/b", "+", "a#", long.as_str()] {
            let written = SourceStatus {
                instance_id: name.into(),
                ..status()
            };
            let error = SourceStatus::from_json(&written.to_json()).expect_err("no name");
            assert!(
                error.to_string().starts_with("`instance_id` of "),
                "{error}"
            );
            let presence = Presence::now(PresenceState::Online, &SessionId(name.to_owned()));
            Presence::from_json(&presence.to_json()).expect_err("no session");
        }
    }

    #[test]
    fn an_error_quotes_only_a_part_of_what_a_stranger_wrote() {
        let text = String::from_utf8(status().to_json()).expect("JSON is text");
        let text = text.replace("\"failed\"", &format!("\"{}\"", "x".repeat(100_000)));
        let error = SourceStatus::from_json(text.as_bytes()).expect_err("no state");
        let told = error.to_string();
        assert!(told.len() < 300, "{} bytes", told.len());
        assert!(told.contains("at `state`: unknown variant `xxx"), "{told}");
        assert!(told.contains("at line 1 column"), "{told}");
    }

    #[test]
    fn presence_reads_back_and_names_its_session() {
        let presence = Presence::now(PresenceState::Online, &SessionId("ab".to_owned()));
        let read = Presence::from_json(&presence.to_json()).expect("own JSON is good");
        assert_eq!(read, presence);
        let text = String::from_utf8(presence.to_json()).expect("JSON is text");
        assert!(
            text.starts_with(r#"{"state":"online","session":"ab","since":""#),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Presence::from_json(&payload);
            let _ = SourceStatus::from_json(&payload);
        }
    }
}
