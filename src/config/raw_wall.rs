//! The wall's part of the file as it is written: every key, its default, and nothing checked yet.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::declare::{Written, settings};
use super::duration::{HOUR, MILLISECOND, MINUTE, SECOND, Span};
use super::range::Quantity;
use super::raw_role::role_settings;
use super::{
    Fit, OutputChoice, RangeChoice, ReferenceChoice, Rotation, SecretRef, StreamChoice, Sync,
};

role_settings! {
    /// What a wall shows, where, and how.
    #[schemars(rename = "Wall")]
    pub struct RawWall {
        {
            /// What people call this wall; shown in a corner. Default: none.
            pub name: Option<String>;
            /// Whether the time of day is shown in a corner.
            pub clock: bool = false;
            /// Where the scene goes: kms (monitors), headless (snapshots and the page alone), or auto (monitors where there is a
            /// DRM device with one).
            pub output: OutputChoice = OutputChoice::Auto;
            /// The DRM card, by its node (`/dev/dri/card1`) or its driver's name (`vkms`). Default: the one with a connected
            /// monitor.
            pub card: Option<String>;
            /// Which of a camera's streams is shown: main, or sub where there is one. Boxes lie on their own frames where the
            /// processor analyses the same.
            pub stream: StreamChoice = StreamChoice::Sub;
            /// Columns of a tile, {range}: exact without a monitor, a wish on one.
            pub tile_width: i64 = 480, within 64..=4096;
            /// Rows of a tile, {range}.
            pub tile_height: i64 = 360, within 64..=4096;
            /// How a picture is brought into its tile: contain (whole, with bars), cover (cut off) or stretch.
            pub fit: Fit = Fit::Contain;
            /// On which frames boxes are drawn: aligned (their own; video waits for them), latest (the newest), or auto (aligned
            /// where the clocks allow).
            pub sync: Sync = Sync::Auto;
            /// How long video waits for its boxes where they are aligned: auto (measured) or up to {most}.
            pub delay_budget: DelayBudget = DelayBudget(None), within Duration::ZERO..=SECOND;
            /// How a frame's NTP time is found: meta (GStreamer 1.22 and later), rtcp, or auto.
            pub reference_time: ReferenceChoice = ReferenceChoice::Auto;
            /// How long boxes are shown that nothing confirms, {range}.
            pub detection_ttl: Span = Span::seconds(1), within 100 * MILLISECOND..=MINUTE;
            /// Width of a box's line, {range} pixels of a tile 360 rows high.
            pub box_thickness: i64 = 2, within 1..=20;
            /// Size of labels, {range}.
            pub label_font_scale: f64 = 0.6, within 0.2..=5.0;
            /// Whether tiles show their cameras' names.
            pub display_name: bool = true;
            /// Whether tiles show frames a second.
            pub display_fps: bool = true;
            /// Whether tiles show the latency of detections.
            pub display_latency: bool = true;
            /// A picture whose camera sent nothing for this long is shown as stale, {range}.
            pub stale_after: Span = Span::seconds(2), within 200 * MILLISECOND..=HOUR;
            /// Most scenes a second, {range}.
            pub max_fps: f64 = 60.0, within 1.0..=240.0;
            /// Classes whose appearance promotes a camera to the focus tile. Default: none.
            pub alarm_classes: Vec<String>;
            /// How long a promoted camera keeps the focus after the class was last seen, {range}.
            pub alarm_hold: Span = Span::seconds(10), within SECOND..=HOUR;
            /// How long a page is shown where there are more cameras than tiles, {range}.
            pub page_time: Span = Span::seconds(10), within SECOND..=HOUR;
            /// Filter of the topics that events are read from, instead of the detections' topics. Default: none.
            pub topic_pattern: Option<String>;
            /// Where the page is served, as address:port; off loopback it needs `http_token`. Default: nowhere.
            pub http: Option<String>;
            /// What a viewer of the page has to know. Default: $NVR_HTTP_TOKEN where it is set, else none.
            pub http_token: Option<SecretRef>;
            /// A PNG that is written once everything is shown, and at SIGUSR1. Default: none.
            pub snapshot: Option<String>;
            /// Hours in which monitors are switched off, local time, `22:00-06:00`. Default: never.
            pub monitor_off: Option<String>;
        }
        limits
        {}
        watchdog
        {
            /// The monitors, one table each. Default: one, the first connected, with all cameras.
            pub head: Vec<RawHead>;
            /// Layouts of one's own, by name. Default: none.
            pub layout: BTreeMap<String, RawLayout>;
        }
    }
}

settings! {
    /// One monitor: how it is driven, and what it shows.
    #[schemars(rename = "Head")]
    pub struct RawHead {
        /// Its connector, `HDMI-A-1`. Default: the first connected one by HDMI, DisplayPort, eDP that no other head names.
        pub connector: Option<String>;
        /// Resolution and rate, `1920x1080@60` or `1920x1080`. Default: what the monitor prefers.
        pub mode: Option<String>;
        /// By how many degrees the picture is turned, clockwise: 0, 90, 180 or 270.
        pub rotate: Rotation = Rotation::None;
        /// What a television cuts off at each edge, as a fraction of the screen, {range}.
        pub overscan: f64 = 0.0, within 0.0..=0.1;
        /// Which code values are black and white: full (0–255), limited (16–235), or auto (as the driver judges).
        pub range: RangeChoice = RangeChoice::Auto;
        /// How the screen is divided: grid, focus (one large tile, the rest around it), or the name of a `[wall.layout]`.
        pub layout: String = "grid".to_owned();
        /// Most tiles in a row of the grid, {range}. Default: 4, and fewer where pictures come out larger.
        pub grid_columns: Option<i64>, within 1..=32;
        /// Which cameras, in which order. Default: all, by their ids.
        pub cameras: Option<Vec<i64>>;
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

impl Written for DelayBudget {}

impl Quantity for DelayBudget {
    type Bound = Duration;
    type Checked = Option<Duration>;

    fn shown(bound: &Duration) -> Value {
        Span::shown(bound)
    }

    fn beyond(self, range: &RangeInclusive<Duration>) -> Option<String> {
        self.0.beyond(range)
    }

    fn checked(self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        self.0.checked(range)
    }
}

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
