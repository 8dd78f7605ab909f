//! The raw configuration of the wall: every key with its type and default, before the checks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::declare::settings;
use super::duration::{HOUR, MILLISECOND, MINUTE, SECOND, Span};
use super::raw_role::role_settings;
use super::{
    Auto, Fit, OutputChoice, RangeChoice, ReferenceChoice, Rotation, SecretRef, StreamChoice, Sync,
};

role_settings! {
    /// Display of the cameras on monitors.
    #[schemars(rename = "Wall")]
    pub struct RawWall {
        {
            /// Name of the wall, shown in a corner. Default: none.
            pub name: Option<String>;
            /// Whether the time of day is shown in a corner.
            pub clock: bool = false;
            /// Output: kms (monitors), headless (only snapshots and the page), or auto (monitors if a DRM device has one).
            pub output: OutputChoice = OutputChoice::Auto;
            /// DRM card, by its node (`/dev/dri/card1`) or its driver's name (`vkms`). Default: the card with a
            /// connected monitor.
            pub card: Option<String>;
            /// Stream of a camera that is shown: main, or sub (main if the camera has no sub-stream). Boxes can be drawn on the
            /// frames in which they were detected only if the processor analyses the same stream.
            pub stream: StreamChoice = StreamChoice::Sub;
            /// Width of a tile in pixels, {range}. Exact without a monitor, a preference on a monitor.
            pub tile_width: i64 = 480, within 64..=4096;
            /// Height of a tile in pixels, {range}.
            pub tile_height: i64 = 360, within 64..=4096;
            /// Scaling of a picture to its tile: contain (whole, with bars), cover (cropped) or stretch (distorted).
            pub fit: Fit = Fit::Contain;
            /// Frames on which boxes are drawn: aligned (those in which they were detected; video is delayed), latest (the
            /// newest), or auto (aligned if the clocks are synchronised).
            pub sync: Sync = Sync::Auto;
            /// Delay of the video while boxes are aligned: auto (measured), or a duration up to {most}.
            pub delay_budget: Auto<Span> = Auto(None), within Duration::ZERO..=SECOND;
            /// Origin of a frame's NTP time: meta (GStreamer 1.22 and later), rtcp, or auto.
            pub reference_time: ReferenceChoice = ReferenceChoice::Auto;
            /// Time that boxes stay visible without a newer event, {range}.
            pub detection_ttl: Span = Span::seconds(1), within 100 * MILLISECOND..=MINUTE;
            /// Line width of a box, {range}, in pixels of a tile 360 rows high.
            pub box_thickness: i64 = 2, within 1..=20;
            /// Scale of the label font, {range}.
            pub label_font_scale: f64 = 0.6, within 0.2..=5.0;
            /// Whether tiles show the name of the camera.
            pub display_name: bool = true;
            /// Whether tiles show the frame rate.
            pub display_fps: bool = true;
            /// Whether tiles show the latency of detections.
            pub display_latency: bool = true;
            /// Time without an access unit after which a tile is stale, {range}.
            pub stale_after: Span = Span::seconds(2), within 200 * MILLISECOND..=HOUR;
            /// Maximum rate of scenes per second, {range}.
            pub max_fps: f64 = 60.0, within 1.0..=240.0;
            /// Classes whose detection moves a camera to the focus tile. Default: none.
            pub alarm_classes: Vec<String>;
            /// Time that the camera stays in the focus tile after the last detection of such a class, {range}.
            pub alarm_hold: Span = Span::seconds(10), within SECOND..=HOUR;
            /// Time that each page of tiles is shown if there are more cameras than tiles, {range}.
            pub page_time: Span = Span::seconds(10), within SECOND..=HOUR;
            /// Topic filter of the events, instead of the topics of detections. Default: none.
            pub topic_pattern: Option<String>;
            /// Address of the page, as address:port; outside loopback it needs `http_token`. Default: none, no page is served.
            pub http: Option<String>;
            /// Token that a viewer of the page must give. Default: $NVR_HTTP_TOKEN if it is set, else none.
            pub http_token: Option<SecretRef>;
            /// PNG file that is written once everything is shown, and at SIGUSR1. Default: none.
            pub snapshot: Option<String>;
            /// Daily time span in which monitors are off, in local time, `22:00-06:00`. Default: never.
            pub monitor_off: Option<String>;
            /// Lines that a wall without cameras shows, in place of how to add some. Default: none.
            pub notice: Vec<String>;
        }
        limits
        {}
        watchdog
        {
            /// Monitors, one table each. Default: the first connected one, with all cameras.
            pub head: Vec<RawHead>;
            /// Custom layouts, by name. Default: none.
            pub layout: BTreeMap<String, RawLayout>;
        }
    }
}

settings! {
    /// One monitor with its mode, layout and cameras.
    #[schemars(rename = "Head")]
    pub struct RawHead {
        /// Connector, `HDMI-A-1`. Default: the first connected one that no other head names, in the order HDMI, DisplayPort,
        /// eDP.
        pub connector: Option<String>;
        /// Resolution and refresh rate, `1920x1080@60` or `1920x1080`. Default: the preferred mode of the monitor.
        pub mode: Option<String>;
        /// Rotation of the picture in degrees, clockwise: 0, 90, 180 or 270.
        pub rotate: Rotation = Rotation::None;
        /// Margin that the television cuts off at each edge, as a fraction of the screen, {range}.
        pub overscan: f64 = 0.0, within 0.0..=0.1;
        /// Range of RGB code values: full (0–255), limited (16–235), or auto (chosen by the driver).
        pub range: RangeChoice = RangeChoice::Auto;
        /// Layout of the tiles: grid, focus (one large tile, the rest around it), or the name of a `[wall.layout]`.
        pub layout: String = "grid".to_owned();
        /// Maximum number of tiles in a row of the grid, {range}. Default: 4, or fewer if pictures are then larger.
        pub grid_columns: Option<i64>, within 1..=32;
        /// Ids of the cameras, in order. Default: all, sorted by id.
        pub cameras: Option<Vec<i64>>;
    }
}

/// A custom layout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Layout")]
pub struct RawLayout {
    /// Rectangles, each `[x, y, width, height]` in fractions of the screen. The first is the focus tile. No default.
    #[schemars(required)]
    pub tiles: Vec<[f64; 4]>,
}
