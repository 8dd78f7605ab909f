//! The checked settings of the wall.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Secret;
use super::choice::choice;
use super::declare::Written;
use crate::base::{Size, SourceId};

/// Display of the cameras on monitors.
#[derive(Debug, Clone, PartialEq)]
pub struct WallSettings {
    /// Name of the wall, shown in a corner, next to the clock if both are set.
    pub name: Option<String>,
    /// Whether the time of day is shown in a corner.
    pub clock: bool,
    /// Monitors, or no monitor.
    pub output: OutputChoice,
    /// The DRM card by its node (`/dev/dri/card1`) or its driver's name (`vkms`); `None` chooses the card
    /// with a connected monitor.
    pub card: Option<String>,
    /// One per monitor; at least one.
    pub heads: Vec<HeadSettings>,
    /// Size of a tile: exact without a monitor, a preference on a monitor.
    pub tile: Size,
    /// Scaling of a picture to a tile with another aspect ratio.
    pub fit: Fit,
    /// Frames on which boxes are drawn.
    pub sync: Sync,
    /// Delay of the video in [`Sync::Aligned`], at most 1 s; `None` means measured.
    pub delay_budget: Option<Duration>,
    /// Origin of a frame's NTP time.
    pub reference_time: ReferenceChoice,
    /// Time that boxes stay visible without a newer event.
    pub detection_ttl: Duration,
    /// Line width of a box in pixels of a tile 360 rows high; it scales with the height of the tile.
    pub box_thickness: u32,
    /// Scale of the label font.
    pub label_font_scale: f32,
    /// Whether tiles show the name of the camera.
    pub display_name: bool,
    /// Whether tiles show the frame rate.
    pub display_fps: bool,
    /// Whether tiles show the latency of detections.
    pub display_latency: bool,
    /// Time without an access unit after which a tile is stale.
    pub stale_after: Duration,
    /// Maximum rate of scenes per second.
    pub max_fps: f64,
    /// Classes whose detection moves a camera to the focus tile; may be empty.
    pub alarm_classes: Vec<String>,
    /// Time that the camera stays in the focus tile after the last detection of such a class.
    pub alarm_hold: Duration,
    /// Time that each page of tiles is shown if there are more cameras than tiles.
    pub page_time: Duration,
    /// Topic filter of the events; `None` means the topics of detections.
    pub topic_pattern: Option<String>,
    /// Address of the page; `None` if no page is served.
    pub http: Option<SocketAddr>,
    /// Token that a viewer of the page must give; always set if the page is served outside loopback. A processor does not read
    /// it.
    pub http_token: Option<Secret>,
    /// PNG file that is written once everything is shown, and at SIGUSR1.
    pub snapshot: Option<PathBuf>,
    /// Daily time span in which monitors are off; `None` means never.
    pub monitor_off: Option<DailySpan>,
    /// Lines that a wall without cameras shows, in place of how to add some.
    pub notice: Vec<String>,
    /// Maximum time without progress of a stage. Then the stage counts as stuck.
    pub stage_limit: Duration,
    /// Wait before the first retry of a failed source.
    pub retry_first: Duration,
    /// Maximum wait before a retry of a failed source.
    pub retry_longest: Duration,
    /// Whether the wall feeds systemd's watchdog.
    pub watchdog: bool,
}

/// One monitor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeadSettings {
    /// Name of the connector, `HDMI-A-1`; `None` means the first connected one, in the order HDMI, DP, eDP.
    pub connector: Option<String>,
    /// Resolution and refresh rate; `None` means the preferred mode of the monitor.
    pub mode: Option<ModeRequest>,
    /// Rotation of the picture.
    pub rotate: Rotation,
    /// Margin that the television cuts off at each edge, as a fraction of the screen, 0–0.1.
    pub overscan: f32,
    /// Range of RGB code values that the connector sends.
    pub range: RangeChoice,
    /// Layout of the tiles.
    pub layout: Layout,
    /// Ids of the cameras, in order; `None` means all.
    pub cameras: Option<Vec<SourceId>>,
}

/// A requested mode, `1920x1080@60`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeRequest {
    /// Visible pixels.
    pub size: Size,
    /// Refresh rate; `None` means the highest of that size.
    pub refresh_hz: Option<f64>,
}

/// Layout of the tiles.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Rows of equal tiles.
    Grid {
        /// Maximum number of tiles in a row; `None` means 4, or fewer if pictures are then larger.
        columns: Option<u32>,
    },
    /// One large tile, and the small ones to its right and below it.
    Focus,
    /// A custom layout.
    Free {
        /// Name of the layout in the file.
        name: String,
        /// Rectangles of x, y, width and height in fractions of the screen; the first is the focus tile.
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

/// Daily time span, local time. It may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailySpan {
    /// Minutes since midnight.
    pub from_minute: u16,
    /// Minutes since midnight.
    pub to_minute: u16,
}

choice! {
    /// Output of the wall.
    OutputChoice {
        /// Monitors if a DRM device has one, else only snapshots and the page.
        #[default]
        Auto,
        /// Monitors; waits until one is plugged in.
        Kms,
        /// Only snapshots and the page.
        Headless,
    }
}

choice! {
    /// Frames on which boxes are drawn.
    Sync {
        /// Aligned if the clocks are synchronised, per source.
        #[default]
        Auto,
        /// The frames in which they were detected; video is delayed.
        Aligned,
        /// The newest frame.
        Latest,
    }
}

choice! {
    /// Scaling of a picture to its tile.
    Fit {
        /// The whole picture, with bars.
        #[default]
        Contain,
        /// The whole tile, filled by a cropped picture.
        Cover,
        /// The whole picture in the whole tile, distorted.
        Stretch,
    }
}

choice! {
    /// Origin of a frame's NTP time.
    ReferenceChoice {
        /// By the version of GStreamer.
        #[default]
        Auto,
        /// Reference timestamp metas of the buffers (GStreamer 1.22 and later).
        Meta,
        /// Statistics of the RTP session.
        Rtcp,
    }
}

choice! {
    /// Range of RGB code values that a monitor expects.
    RangeChoice {
        /// Chosen by the driver from the mode.
        #[default]
        Auto,
        /// 0–255.
        Full,
        /// 16–235, as many televisions do.
        Limited,
    }
}

/// Rotation of a picture in degrees, clockwise.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(with = "u16", extend("enum" = [0, 90, 180, 270]))]
pub enum Rotation {
    /// Not rotated.
    #[default]
    None,
    /// 90 degrees.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees.
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
