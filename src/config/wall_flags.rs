//! The options of `nvr wall` beside those of every role.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::flags::HEADING;
use super::overrides::{Assignments, absolute, names, number, off};
use super::{CommonFlags, Fit, OutputChoice, ReferenceChoice, Sync};

/// What a wall shows, where, and how.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = HEADING)]
pub struct WallFlags {
    /// What every role has.
    #[command(flatten)]
    pub common: CommonFlags,

    /// Filter of the topics that events are read from [default: {topic root}/detections/#]
    #[arg(long, value_name = "FILTER")]
    pub mqtt_topic_pattern: Option<String>,

    /// What people call this wall; shown in a corner [default: none]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Show the time of day in a corner [default: no]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub clock: Option<bool>,

    /// Where the scene goes: to monitors (kms), to snapshots and the page alone (headless) [default: auto, monitors where
    /// there is a DRM device with one]
    #[arg(long, value_name = "OUTPUT")]
    pub output: Option<OutputChoice>,

    /// DRM card, by its node or its driver's name [default: the one with a connected monitor]
    #[arg(long, value_name = "CARD")]
    pub card: Option<String>,

    /// Connector of the first head [default: the first connected one by HDMI, DP, eDP]
    #[arg(long, value_name = "NAME")]
    pub connector: Option<String>,

    /// Resolution and rate of the first head, such as 1920x1080@60 [default: what its monitor prefers]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,

    /// Degrees by which the first head's picture is turned, clockwise: 0, 90, 180 or 270 [default: 0]
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Option<u16>,

    /// What the first head's television cuts off at each edge, as a fraction of the screen, 0 to 0.1 [default: 0]
    #[arg(long, value_name = "FRACTION")]
    pub overscan: Option<f64>,

    /// How the first head's screen is divided: grid, focus, or a layout of the file [default: grid]
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<String>,

    /// Most tiles in a row of the first head's grid, 1 to 32 [default: 4, and fewer on a monitor where pictures come out
    /// larger]
    #[arg(long, value_name = "N")]
    pub grid_columns: Option<u32>,

    /// Columns of a tile: exact without a monitor, a wish on one [default: 480]
    #[arg(long, value_name = "PIXELS")]
    pub tile_width: Option<u32>,

    /// Rows of a tile [default: 360]
    #[arg(long, value_name = "PIXELS")]
    pub tile_height: Option<u32>,

    /// How a picture is brought into its tile [default: contain]
    #[arg(long, value_name = "FIT")]
    pub fit: Option<Fit>,

    /// On which frames boxes are drawn: their own (aligned; video waits for them) or the newest (latest) [default: auto,
    /// aligned where the clocks allow]
    #[arg(long, value_name = "SYNC")]
    pub sync: Option<Sync>,

    /// How long video waits for its boxes, up to 1s; a plain number is milliseconds [default: auto, as measured]
    #[arg(long, value_name = "auto|DURATION")]
    pub delay_budget: Option<String>,

    /// How a frame's NTP time is found [default: auto]
    #[arg(long, value_name = "WAY")]
    pub reference_time: Option<ReferenceChoice>,

    /// How long boxes are shown that nothing confirms, 100ms to 1m [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub detection_ttl: Option<String>,

    /// Width of a box's line, 1 to 20 pixels of a tile 360 rows high [default: 2]
    #[arg(long, value_name = "PIXELS")]
    pub box_thickness: Option<u32>,

    /// Size of labels, 0.2 to 5 [default: 0.6]
    #[arg(long, value_name = "SCALE")]
    pub label_font_scale: Option<f64>,

    /// Show the camera's name in each tile [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_display_name")]
    pub display_name: Option<bool>,

    /// Show no names
    #[arg(long, overrides_with = "display_name")]
    pub no_display_name: bool,

    /// Show frames a second in each tile [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_display_fps")]
    pub display_fps: Option<bool>,

    /// Show no frames a second
    #[arg(long, overrides_with = "display_fps")]
    pub no_display_fps: bool,

    /// Show the latency of detections in each tile [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_display_latency")]
    pub display_latency: Option<bool>,

    /// Show no latency
    #[arg(long, overrides_with = "display_latency")]
    pub no_display_latency: bool,

    /// Classes whose appearance promotes a camera to the focus tile, separated by commas [default: none]
    #[arg(long, value_name = "NAMES")]
    pub alarm_classes: Option<String>,

    /// How long a promoted camera keeps the focus after the class was last seen [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub alarm_hold: Option<String>,

    /// How long a page is shown where there are more cameras than tiles [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub page_time: Option<String>,

    /// PNG that is written once everything is shown, and at SIGUSR1 [default: none]
    #[arg(long, value_name = "FILE.png")]
    pub snapshot: Option<String>,

    /// Address of the page, such as 127.0.0.1:8080; off loopback it needs --http-token [default: none]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,

    /// Where the page's token is: env:NAME or file:PATH, never the token itself, which every user of the machine could
    /// read in the list of processes. NVR_HTTP_TOKEN holds the token [default: none]
    #[arg(long, value_name = "REFERENCE", value_parser = token)]
    pub http_token: Option<TokenPlace>,

    /// Feed systemd's watchdog while all stages make progress [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_watchdog")]
    pub watchdog: Option<bool>,

    /// Leave systemd's watchdog alone
    #[arg(long, overrides_with = "watchdog")]
    pub no_watchdog: bool,

    /// Longest time without an access unit [default: 5s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub stall_limit: Option<String>,

    /// Longest time from PLAY to the first decoded frame [default: 20s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub start_limit: Option<String>,
}

impl WallFlags {
    /// What these options set, beside those of every role and the token.
    pub(super) fn assignments(&self) -> Assignments {
        let snapshot = self.snapshot.as_deref().map(absolute);
        Assignments::default()
            .put(
                "wall.topic_pattern",
                "mqtt-topic-pattern",
                self.mqtt_topic_pattern.as_ref(),
            )
            .put("wall.name", "name", self.name.as_ref())
            .put("wall.clock", "clock", self.clock)
            .put("wall.output", "output", self.output)
            .put("wall.card", "card", self.card.as_ref())
            .put(
                "wall.head[0].connector",
                "connector",
                self.connector.as_ref(),
            )
            .put("wall.head[0].mode", "mode", self.mode.as_ref())
            .put("wall.head[0].rotate", "rotate", self.rotate)
            .put(
                "wall.head[0].overscan",
                "overscan",
                self.overscan.map(number),
            )
            .put("wall.head[0].layout", "layout", self.layout.as_ref())
            .put(
                "wall.head[0].grid_columns",
                "grid-columns",
                self.grid_columns,
            )
            .put("wall.tile_width", "tile-width", self.tile_width)
            .put("wall.tile_height", "tile-height", self.tile_height)
            .put("wall.fit", "fit", self.fit)
            .put("wall.sync", "sync", self.sync)
            .put(
                "wall.delay_budget",
                "delay-budget",
                self.delay_budget.as_deref().map(in_milliseconds),
            )
            .put("wall.reference_time", "reference-time", self.reference_time)
            .put(
                "wall.detection_ttl",
                "detection-ttl",
                self.detection_ttl.as_ref(),
            )
            .put("wall.box_thickness", "box-thickness", self.box_thickness)
            .put(
                "wall.label_font_scale",
                "label-font-scale",
                self.label_font_scale.map(number),
            )
            .put(
                "wall.display_name",
                "no-display-name",
                off(self.no_display_name),
            )
            .put("wall.display_name", "display-name", self.display_name)
            .put(
                "wall.display_fps",
                "no-display-fps",
                off(self.no_display_fps),
            )
            .put("wall.display_fps", "display-fps", self.display_fps)
            .put(
                "wall.display_latency",
                "no-display-latency",
                off(self.no_display_latency),
            )
            .put(
                "wall.display_latency",
                "display-latency",
                self.display_latency,
            )
            .put(
                "wall.alarm_classes",
                "alarm-classes",
                self.alarm_classes.as_deref().map(names),
            )
            .put("wall.alarm_hold", "alarm-hold", self.alarm_hold.as_ref())
            .put("wall.page_time", "page-time", self.page_time.as_ref())
            .put("wall.snapshot", "snapshot", snapshot)
            .put("wall.http", "http", self.http.as_ref())
            .put("wall.watchdog", "no-watchdog", off(self.no_watchdog))
            .put("wall.watchdog", "watchdog", self.watchdog)
            .put("wall.stall_limit", "stall-limit", self.stall_limit.as_ref())
            .put("wall.start_limit", "start-limit", self.start_limit.as_ref())
    }
}

/// The published option counts milliseconds.
fn in_milliseconds(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        format!("{text}ms")
    } else {
        text.to_owned()
    }
}

/// Where an option says that the page's token lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// A variable of the environment.
    Env(String),
    /// A file, of which the first line counts.
    File(String),
    /// Neither of them: perhaps the token itself, of which nothing is kept.
    Unclear,
}

/// Never fails: clap would quote the text, which may be the token.
fn token(text: &str) -> Result<TokenPlace, std::convert::Infallible> {
    Ok(match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => TokenPlace::Env(name.to_owned()),
        Some(("file", path)) if !path.is_empty() => TokenPlace::File(path.to_owned()),
        _ => TokenPlace::Unclear,
    })
}
