//! The state of a wall, its cameras and monitors, as plain data. The control socket returns it, and the page serves it as
//! `/state.json`. Addresses contain no logins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::SourceId;
use crate::config::Sync;

/// The state of a wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WallState {
    /// The identity of the process.
    pub wall: Identity,
    /// Its broker.
    pub broker: Broker,
    /// Monitors, in the order of the configuration.
    pub heads: Vec<Head>,
    /// One per camera, in the order of their ids.
    pub tiles: Vec<Tile>,
    /// Alarm classes that no model of the processors of these cameras has; empty while a processor does not tell its classes.
    pub alarm_classes_missing: Vec<String>,
    /// Stages without progress for longer than their limit.
    pub stuck: Vec<String>,
}

/// The identity of a wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Its id in topics and logs.
    pub instance_id: String,
    /// Its display name, if configured.
    pub name: Option<String>,
    /// The program's version.
    pub version: String,
    /// Seconds since the start of the process.
    pub uptime_s: f64,
}

/// The broker that detections come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    /// Whether it is connected.
    pub connected: bool,
    /// `mqtt://broker:1883`, without login.
    pub address: String,
    /// Time of the last change of `connected`.
    pub since: Option<Timestamp>,
    /// Why it is not connected.
    pub reason: Option<String>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Number of detection events that were read.
    pub events: u64,
    /// Payloads that were refused: malformed, too large, or of an unknown version.
    pub events_refused: u64,
    /// The part of these that the link skipped unread: larger than 1 MiB, or not valid MQTT.
    pub messages_refused: u64,
    /// Messages that were dropped because they arrived faster than they were read.
    pub messages_dropped: u64,
}

/// A monitor, or a scene without one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The connector's name, or `head N`.
    pub name: String,
    /// A description: `HDMI-A-1, 1920x1080@60`, `no monitor`, `headless`.
    pub output: String,
    /// Width of a scene in pixels.
    pub width: u32,
    /// Height of a scene in pixels.
    pub height: u32,
    /// `grid`, `focus`, or the name of a layout of rectangles.
    pub layout: String,
    /// The shown page, from 1 on.
    pub page: u32,
    /// Number of pages; they are shown in turn.
    pub pages: u32,
    /// Whether a monitor is plugged in and switched on.
    pub visible: bool,
    /// Scenes composed since the start.
    pub scenes: u64,
}

/// A camera's tile.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tile {
    /// The camera.
    pub source_id: SourceId,
    /// The display name of the camera.
    pub name: String,
    /// The camera's address without login.
    pub uri: String,
    /// The state of its video.
    pub video: Video,
    /// The state of its analysis.
    pub analysis: Analysis,
    /// The state text on the tile, such as `STALE 12 s`; empty if all is well.
    pub text: String,
    /// Decoded frames per second.
    pub fps: Option<f32>,
    /// Time from capture to the arrival of the newest event at the wall, in milliseconds; present while pictures and events
    /// arrive.
    pub latency_ms: Option<f32>,
    /// The alignment of boxes and frames.
    pub sync: SyncMetrics,
    /// Number of frames decoded.
    pub decoded: u64,
    /// Number of frames shown.
    pub frames: u64,
    /// Number of frames that a newer one replaced before they were shown, while the tile was visible.
    pub drops: u64,
    /// Number of sessions opened after the first.
    pub reconnects: u64,
}

/// The state of a camera's video.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// The state.
    pub state: VideoState,
    /// Time of the last change of the state.
    pub since: Option<Timestamp>,
    /// Age of the newest frame in seconds; absent before the first one.
    pub age_s: Option<f64>,
    /// The error code if it is not live: `unreachable`, `unauthorized`, `no-decoder`.
    pub code: Option<String>,
    /// The error message with the remedy.
    pub message: Option<String>,
}

/// The state of a camera's analysis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// The state.
    pub state: AnalysisState,
    /// The processor that analyses the camera, or did last.
    pub instance_id: Option<String>,
}

/// Metrics of the alignment of boxes and frames.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncMetrics {
    /// The present mode, `aligned` or `latest`; `auto` while it is not known.
    pub mode: Sync,
    /// The share of recent events that are drawn on exactly their frame by NTP time, 0–1. With [`Sync::Latest`], the share of
    /// recent frames with boxes that show their own boxes.
    pub matched_share: Option<f32>,
    /// Median time difference between boxes and the frame on which they are drawn, in milliseconds; absent if they are aligned
    /// by arrival times only.
    pub skew_p50_ms: Option<f32>,
    /// The 95th percentile of the same.
    pub skew_p95_ms: Option<f32>,
    /// The delay of the video in milliseconds.
    pub delay_ms: f32,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value in `/state.json` and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// The state of a camera's video.
    VideoState {
        /// New frames arrive.
        Live = "live",
        /// No new frames; the last one is shown.
        Stale = "stale",
        /// No frame yet, and no error.
        #[default]
        Connecting = "connecting",
        /// No frame, because of an error.
        NoCamera = "no-camera",
    }
}

words! {
    /// The state of a camera's analysis.
    AnalysisState {
        /// A processor analyses it.
        Ok = "ok",
        /// A processor analyses it, but its events arrive later than the longest delay of the video.
        Late = "late",
        /// The operator has paused it.
        Paused = "paused",
        /// No online processor analyses it.
        NoProcessor = "no-processor",
        /// The broker is not connected, so nothing is known.
        #[default]
        NoBroker = "no-broker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_written_as_documented() {
        let tile = Tile {
            source_id: SourceId(3),
            video: Video {
                state: VideoState::NoCamera,
                since: "2025-10-25T10:30:00.5Z".parse().ok(),
                code: Some("unreachable".to_owned()),
                ..Video::default()
            },
            ..Tile::default()
        };
        let json = serde_json::to_value(&tile).expect("plain data");
        assert_eq!(json["source_id"], 3);
        assert_eq!(
            json["video"],
            serde_json::json!({
                "state": "no-camera", "since": "2025-10-25T10:30:00.5Z", "age_s": null,
                "code": "unreachable", "message": null,
            })
        );
        assert_eq!(json["analysis"]["state"], "no-broker");
        assert_eq!(json["sync"]["mode"], "auto");
    }

    #[test]
    fn words_are_the_same_in_json_and_in_metrics() {
        for state in VideoState::ALL {
            assert_eq!(
                serde_json::to_value(state).ok(),
                Some(state.as_str().into())
            );
        }
        for state in AnalysisState::ALL {
            assert_eq!(
                serde_json::to_value(state).ok(),
                Some(state.as_str().into())
            );
        }
    }
}
