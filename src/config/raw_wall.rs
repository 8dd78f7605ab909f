//! The wall's part of the file as it is written: every key, its default, and nothing checked yet.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::Span;
use super::{
    Fit, OutputChoice, RangeChoice, ReferenceChoice, Rotation, SecretRef, StreamChoice, Sync,
};

/// What a wall shows, where, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Wall")]
pub struct RawWall {
    /// What people call this wall; shown in a corner. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the time of day is shown in a corner. Default: false.
    pub clock: bool,
    /// Where the scene goes: kms (monitors), headless (snapshots and the page alone), or auto (monitors where there is a
    /// DRM device with one). Default: auto.
    pub output: OutputChoice,
    /// The DRM card, by its node (`/dev/dri/card1`) or its driver's name (`vkms`). Default: the one with a connected
    /// monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Which of a camera's streams is shown: main, or sub where there is one. Boxes lie on their own frames where the
    /// processor analyses the same. Default: sub.
    pub stream: StreamChoice,
    /// Columns of a tile, 64 to 4096: exact without a monitor, a wish on one. Default: 480.
    #[schemars(range(min = 64, max = 4096))]
    pub tile_width: i64,
    /// Rows of a tile, 64 to 4096. Default: 360.
    #[schemars(range(min = 64, max = 4096))]
    pub tile_height: i64,
    /// How a picture is brought into its tile: contain (whole, with bars), cover (cut off) or stretch. Default: contain.
    pub fit: Fit,
    /// On which frames boxes are drawn: aligned (their own; video waits for them), latest (the newest), or auto (aligned
    /// where the clocks allow). Default: auto.
    pub sync: Sync,
    /// How long video waits for its boxes where they are aligned: auto (measured) or up to 1s. Default: auto.
    pub delay_budget: DelayBudget,
    /// How a frame's NTP time is found: meta (GStreamer 1.22 and later), rtcp, or auto. Default: auto.
    pub reference_time: ReferenceChoice,
    /// How long boxes are shown that nothing confirms, 100ms to 1m. Default: 1s.
    pub detection_ttl: Span,
    /// Width of a box's line, 1 to 20 pixels of a tile 360 rows high. Default: 2.
    #[schemars(range(min = 1, max = 20))]
    pub box_thickness: i64,
    /// Size of labels, 0.2 to 5. Default: 0.6.
    #[schemars(range(min = 0.2, max = 5))]
    pub label_font_scale: f64,
    /// Whether tiles show their cameras' names. Default: true.
    pub display_name: bool,
    /// Whether tiles show frames a second. Default: true.
    pub display_fps: bool,
    /// Whether tiles show the latency of detections. Default: true.
    pub display_latency: bool,
    /// A picture whose camera sent nothing for this long is shown as stale, 200ms to 1h. Default: 2s.
    pub stale_after: Span,
    /// Most scenes a second, 1 to 240. Default: 60.0.
    #[schemars(range(min = 1, max = 240))]
    pub max_fps: f64,
    /// Classes whose appearance promotes a camera to the focus tile. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarm_classes: Vec<String>,
    /// How long a promoted camera keeps the focus after the class was last seen, 1s to 1h. Default: 10s.
    pub alarm_hold: Span,
    /// How long a page is shown where there are more cameras than tiles, 1s to 1h. Default: 10s.
    pub page_time: Span,
    /// Filter of the topics that events are read from, instead of the detections' topics. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_pattern: Option<String>,
    /// Where the page is served, as address:port; off loopback it needs `http_token`. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// What a viewer of the page has to know. Default: $NVR_HTTP_TOKEN where it is set, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_token: Option<SecretRef>,
    /// A PNG that is written once everything is shown, and at SIGUSR1. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Hours in which monitors are switched off, local time, `22:00-06:00`. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_off: Option<String>,
    /// Longest time without an access unit, 500ms to 1h; then the camera's session starts anew. Default: 5s.
    pub stall_limit: Span,
    /// Longest time from PLAY to the first decoded frame, 1s to 1h. Default: 20s.
    pub start_limit: Span,
    /// Longest time that a stage may go without progress before it counts as stuck, 12s to 1h. Default: 30s.
    pub stage_limit: Span,
    /// First wait before a failed camera is tried again; it doubles. 50ms to `retry_longest`. Default: 500ms.
    pub retry_first: Span,
    /// Longest wait before a failed camera is tried again, up to 1h. Default: 30s.
    pub retry_longest: Span,
    /// Whether systemd's watchdog is fed while all stages make progress. Default: true.
    pub watchdog: bool,
    /// The monitors, one table each. Default: one, the first connected, with all cameras.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub head: Vec<RawHead>,
    /// Layouts of one's own, by name. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub layout: BTreeMap<String, RawLayout>,
}

impl Default for RawWall {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            name: None,
            clock: false,
            output: OutputChoice::Auto,
            card: None,
            stream: StreamChoice::Sub,
            tile_width: 480,
            tile_height: 360,
            fit: Fit::Contain,
            sync: Sync::Auto,
            delay_budget: DelayBudget(None),
            reference_time: ReferenceChoice::Auto,
            detection_ttl: seconds(1),
            box_thickness: 2,
            label_font_scale: 0.6,
            display_name: true,
            display_fps: true,
            display_latency: true,
            stale_after: seconds(2),
            max_fps: 60.0,
            alarm_classes: Vec::new(),
            alarm_hold: seconds(10),
            page_time: seconds(10),
            topic_pattern: None,
            http: None,
            http_token: None,
            snapshot: None,
            monitor_off: None,
            stall_limit: seconds(5),
            start_limit: seconds(20),
            stage_limit: seconds(30),
            retry_first: Span(Duration::from_millis(500)),
            retry_longest: seconds(30),
            watchdog: true,
            head: Vec::new(),
            layout: BTreeMap::new(),
        }
    }
}

/// One monitor: how it is driven, and what it shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Head")]
pub struct RawHead {
    /// Its connector, `HDMI-A-1`. Default: the first connected one by HDMI, DisplayPort, eDP that no other head names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Resolution and rate, `1920x1080@60` or `1920x1080`. Default: what the monitor prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// By how many degrees the picture is turned, clockwise: 0, 90, 180 or 270. Default: 0.
    pub rotate: Rotation,
    /// What a television cuts off at each edge, as a fraction of the screen, 0 to 0.1. Default: 0.0.
    #[schemars(range(min = 0, max = 0.1))]
    pub overscan: f64,
    /// Which code values are black and white: full (0–255), limited (16–235), or auto (as the driver judges).
    /// Default: auto.
    pub range: RangeChoice,
    /// How the screen is divided: grid, focus (one large tile, the rest around it), or the name of a `[wall.layout]`.
    /// Default: grid.
    pub layout: String,
    /// Most tiles in a row of the grid, 1 to 32. Default: 4, and fewer where pictures come out larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub grid_columns: Option<i64>,
    /// Which cameras, in which order. Default: all, by their ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cameras: Option<Vec<i64>>,
}

impl Default for RawHead {
    fn default() -> Self {
        Self {
            connector: None,
            mode: None,
            rotate: Rotation::None,
            overscan: 0.0,
            range: RangeChoice::Auto,
            layout: "grid".to_owned(),
            grid_columns: None,
            cameras: None,
        }
    }
}

/// A layout of one's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Layout")]
pub struct RawLayout {
    /// Rectangles, each `[x, y, width, height]` as fractions of the screen; the first is the focus tile. No default.
    #[schemars(required)]
    pub tiles: Vec<[f64; 4]>,
}

/// How long video waits for its boxes: measured where absent, written `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DelayBudget(pub Option<Span>);

impl Serialize for DelayBudget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(span) => span.serialize(serializer),
            None => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for DelayBudget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DelayBudget;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"auto\" or a duration with its unit, such as \"300ms\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DelayBudget, E> {
                if text == "auto" {
                    return Ok(DelayBudget(None));
                }
                humantime::parse_duration(text)
                    .map(|duration| DelayBudget(Some(Span(duration))))
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl schemars::JsonSchema for DelayBudget {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DelayBudget".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`auto`, or a duration with its unit, such as `300ms`.",
            "examples": ["auto", "300ms"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_auto_or_a_duration_both_ways() {
        for (text, budget) in [
            ("\"auto\"", DelayBudget(None)),
            (
                "\"300ms\"",
                DelayBudget(Some(Span(Duration::from_millis(300)))),
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<DelayBudget>(text).ok(),
                Some(budget),
                "{text}"
            );
            assert_eq!(serde_json::to_string(&budget).ok().as_deref(), Some(text));
        }
        let error = serde_json::from_str::<DelayBudget>("\"soon\"").expect_err("no duration");
        assert!(
            error.to_string().starts_with(
                "invalid value: string \"soon\", expected \"auto\" or a duration with its unit"
            ),
            "{error}"
        );
    }
}
