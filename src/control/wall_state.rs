//! The state of a wall: everything that is known of its cameras and monitors, as plain data. A wall answers it at its
//! control socket and its page serves it as `/state.json`. No login is in here: addresses come without them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::SourceId;
use crate::config::Sync;

/// Everything but pixels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WallState {
    /// The process.
    pub wall: Identity,
    /// Its broker.
    pub broker: Broker,
    /// Monitors, in the order of the configuration.
    pub heads: Vec<Head>,
    /// One a camera, in the order of their ids.
    pub tiles: Vec<Tile>,
    /// Stages without progress beyond their limit; none of a wall that is well.
    pub stuck: Vec<String>,
}

/// Which wall this is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Its id in topics and logs.
    pub instance_id: String,
    /// What people call it, where they do.
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
    /// Whether it can be spoken to now.
    pub connected: bool,
    /// `mqtt://broker:1883`, without login.
    pub address: String,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Why not, in words.
    pub reason: Option<String>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Events of detections that were read.
    pub events: u64,
    /// Payloads that were refused: malformed, too large, of no known version.
    pub events_refused: u64,
    /// Messages that came faster than they were read, and were dropped.
    pub messages_dropped: u64,
}

/// A monitor, or a scene without one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The connector's name, or `head N`.
    pub name: String,
    /// For people: `HDMI-A-1, 1920x1080@60`, `no monitor`, `headless`.
    pub output: String,
    /// Columns of a scene.
    pub width: u32,
    /// Rows of a scene.
    pub height: u32,
    /// `grid`, `focus`, or the name of a free one.
    pub layout: String,
    /// Which page is shown, from 1 on.
    pub page: u32,
    /// How many there are; they take turns.
    pub pages: u32,
    /// Whether somebody could see it: a monitor is plugged in and switched on.
    pub visible: bool,
    /// Scenes composed since the start.
    pub scenes: u64,
}

/// A camera's tile.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tile {
    /// Which camera.
    pub source_id: SourceId,
    /// What people call it.
    pub name: String,
    /// Where its pictures come from, without login.
    pub uri: String,
    /// How its pictures are.
    pub video: Video,
    /// How its detections are.
    pub analysis: Analysis,
    /// What the tile itself says: `STALE 12 s`; empty where all is well.
    pub text: String,
    /// Frames decoded a second.
    pub fps: Option<f32>,
    /// From capture to the event's arrival here, in milliseconds; of the newest event, while pictures and events come.
    pub latency_ms: Option<f32>,
    /// How boxes and frames find each other.
    pub sync: SyncMetrics,
    /// Frames shown.
    pub frames: u64,
    /// Frames that a newer one replaced before they were shown, while their tile was on the screen.
    pub drops: u64,
    /// Sessions that ended and were tried again.
    pub reconnects: u64,
}

/// How a camera's pictures are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// In a word.
    pub state: VideoState,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Age of the newest frame in seconds; none before the first.
    pub age_s: Option<f64>,
    /// Why it is not live, for programs: `unreachable`, `unauthorized`, `no-decoder`.
    pub code: Option<String>,
    /// The same for people, with the remedy.
    pub message: Option<String>,
}

/// How a camera's detections are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// In a word.
    pub state: AnalysisState,
    /// The processor that looks at it, or did last.
    pub instance_id: Option<String>,
}

/// How boxes and frames find each other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncMetrics {
    /// `aligned` or `latest`, as it is at present; `auto` while that is not known.
    pub mode: Sync,
    /// Of recent events, the share that is drawn on the very frame that they were found in, as NTP time tells it, 0–1.
    /// With [`Sync::Latest`] of recent frames with boxes, the share whose own they are.
    pub matched_share: Option<f32>,
    /// Distance in time between boxes and the frame that they are drawn on, the median, in milliseconds; none where only
    /// clocks of arrival put them together.
    pub skew_p50_ms: Option<f32>,
    /// The same, 95th percentile.
    pub skew_p95_ms: Option<f32>,
    /// How long video is held back, in milliseconds.
    pub delay_ms: f32,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in `/state.json` and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// How a camera's pictures are, in a word.
    VideoState {
        /// New frames come.
        Live = "live",
        /// They stopped; the last one is shown.
        Stale = "stale",
        /// None yet, and nothing is known to be wrong.
        #[default]
        Connecting = "connecting",
        /// None, and why is known.
        NoCamera = "no-camera",
    }
}

words! {
    /// How a camera's detections are, in a word.
    AnalysisState {
        /// A processor looks at it.
        Ok = "ok",
        /// One does, and its events come later than video can be held back for them.
        Late = "late",
        /// Not looked at, by an operator's wish.
        Paused = "paused",
        /// No processor that is online looks at it.
        NoProcessor = "no-processor",
        /// Without the broker nothing is known.
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
