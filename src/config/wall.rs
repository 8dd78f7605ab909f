//! The wall's settings after every check.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Secret;
use super::choice::choice;
use super::declare::Written;
use crate::base::{Size, SourceId};

/// What a wall shows, where, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct WallSettings {
    /// What people call this wall; shown in a corner beside the clock where set.
    pub name: Option<String>,
    /// Whether the time of day is shown in a corner.
    pub clock: bool,
    /// Monitors, or a picture without one.
    pub output: OutputChoice,
    /// The DRM card by its node (`/dev/dri/card1`) or its driver's name (`vkms`); chosen by connected connectors where
    /// absent.
    pub card: Option<String>,
    /// One a monitor; at least one.
    pub heads: Vec<HeadSettings>,
    /// The tile's size: exact without a monitor, a wish on one.
    pub tile: Size,
    /// How a picture is brought into its tile where their proportions differ.
    pub fit: Fit,
    /// On which frames boxes are drawn.
    pub sync: Sync,
    /// How long video is delayed in [`Sync::Aligned`]; measured where absent. At most 1 s.
    pub delay_budget: Option<Duration>,
    /// How a frame's NTP time is found.
    pub reference_time: ReferenceChoice,
    /// How long boxes are shown that nothing confirms.
    pub detection_ttl: Duration,
    /// Width of a box's line in pixels of a tile 360 rows high; larger tiles have wider lines.
    pub box_thickness: u32,
    /// Size of labels.
    pub label_font_scale: f32,
    /// Whether tiles show their cameras' names.
    pub display_name: bool,
    /// Whether tiles show frames a second.
    pub display_fps: bool,
    /// Whether tiles show the latency of detections.
    pub display_latency: bool,
    /// A picture whose source sent no access unit for this long is stale.
    pub stale_after: Duration,
    /// Most scenes a second.
    pub max_fps: f64,
    /// Classes whose appearance promotes a camera to the focus tile; none where empty.
    pub alarm_classes: Vec<String>,
    /// How long a promoted camera keeps the focus after the class was last seen.
    pub alarm_hold: Duration,
    /// How long a page is shown where there are more cameras than tiles.
    pub page_time: Duration,
    /// Filters of the topics that events are read from: those of the topic root where absent.
    pub topic_pattern: Option<String>,
    /// Where the page is served; nowhere where absent.
    pub http: Option<SocketAddr>,
    /// What a viewer of the page has to know; there where the page is served off loopback. A processor does not read it.
    pub http_token: Option<Secret>,
    /// A PNG that is written once all is shown, and at SIGUSR1.
    pub snapshot: Option<PathBuf>,
    /// The hours in which monitors are switched off; never where absent.
    pub monitor_off: Option<DailySpan>,
    /// Longest time that a stage may go without progress before it counts as stuck.
    pub stage_limit: Duration,
    /// First wait before a failed source is tried again.
    pub retry_first: Duration,
    /// Longest wait before a failed source is tried again.
    pub retry_longest: Duration,
    /// Whether systemd's watchdog is fed.
    pub watchdog: bool,
}

/// One monitor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeadSettings {
    /// The connector's name, `HDMI-A-1`; the first connected one by HDMI, DP, eDP where absent.
    pub connector: Option<String>,
    /// Resolution and rate; the monitor's preferred one where absent.
    pub mode: Option<ModeRequest>,
    /// How the picture is turned.
    pub rotate: Rotation,
    /// What a television cuts off at each edge, as a fraction of the screen, 0–0.1.
    pub overscan: f32,
    /// Whether the connector is told to send limited-range RGB.
    pub range: RangeChoice,
    /// How the screen is divided.
    pub layout: Layout,
    /// Which cameras, in which order; all where absent.
    pub cameras: Option<Vec<SourceId>>,
}

/// `1920x1080@60`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeRequest {
    /// Visible pixels.
    pub size: Size,
    /// Frames a second; the fastest of that size where absent.
    pub refresh_hz: Option<f64>,
}

/// How the screen is divided.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Rows of equal tiles.
    Grid {
        /// Most tiles a row; where absent 4, and fewer where pictures come out larger.
        columns: Option<u32>,
    },
    /// One large tile and the rest small, at its right and below it.
    Focus,
    /// Rectangles of one's own: x, y, width, height as fractions of the screen.
    Free {
        /// What the file calls it.
        name: String,
        /// The first one is the focus tile.
        tiles: Vec<[f32; 4]>,
    },
}

impl Default for Layout {
    fn default() -> Self {
        Self::Grid { columns: None }
    }
}

/// Every named layout of a file.
pub type Layouts = BTreeMap<String, Vec<[f32; 4]>>;

/// Hours of the day, local time; the end may lie behind midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailySpan {
    /// Minutes since midnight.
    pub from_minute: u16,
    /// Minutes since midnight.
    pub to_minute: u16,
}

choice! {
    /// Where the scene goes.
    OutputChoice {
        /// To a monitor where there is a DRM device with one, else nowhere but snapshots and the page.
        #[default]
        Auto,
        /// To monitors; waits for one to be plugged in.
        Kms,
        /// To snapshots and the page alone.
        Headless,
    }
}

choice! {
    /// On which frames boxes are drawn.
    Sync {
        /// Aligned where the clocks allow, per source.
        #[default]
        Auto,
        /// On the very frames that they were found in; video waits for them.
        Aligned,
        /// On the newest frame.
        Latest,
    }
}

choice! {
    /// How a picture is brought into a tile.
    Fit {
        /// The whole picture, with bars.
        #[default]
        Contain,
        /// The whole tile, with what exceeds it cut off.
        Cover,
        /// The whole picture in the whole tile, distorted.
        Stretch,
    }
}

choice! {
    /// How a frame's NTP time is found.
    ReferenceChoice {
        /// As GStreamer's version allows.
        #[default]
        Auto,
        /// By the buffers' metas (GStreamer 1.22 and later).
        Meta,
        /// By the RTP session's statistics.
        Rtcp,
    }
}

choice! {
    /// Which code values a monitor takes for black and white.
    RangeChoice {
        /// As the driver judges by the mode.
        #[default]
        Auto,
        /// 0–255.
        Full,
        /// 16–235, as many televisions do.
        Limited,
    }
}

/// How a picture is turned, clockwise.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(with = "u16", extend("enum" = [0, 90, 180, 270]))]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// A quarter.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarters.
    ThreeQuarters,
}

impl Written for Rotation {}

impl TryFrom<u16> for Rotation {
    type Error = String;

    fn try_from(degrees: u16) -> Result<Self, String> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            _ => Err(format!("must be 0, 90, 180 or 270 degrees, got {degrees}")),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }
}
