//! The metrics of a wall for Prometheus. docs/metrics.md lists and explains the names.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::jpeg_cache::JpegCache;
use crate::control::wall_state::{AnalysisState, Head, Tile, VideoState, WallState};
use crate::health::{Kind, MetricsSource, Sample};

/// The samples of a wall for its [`MetricsSource`].
pub fn samples(state: &WallState) -> Vec<Sample> {
    [
        wall(state),
        heads(&state.heads),
        tiles(&state.tiles),
        synchrony(&state.tiles),
    ]
    .concat()
}

fn wall(state: &WallState) -> Vec<Sample> {
    let broker = &state.broker;
    let mut info = gauge("wall_info", "1; its labels say which wall this is", 1.0);
    info.labels = vec![
        ("instance_id", state.wall.instance_id.clone()),
        ("name", state.wall.name.clone().unwrap_or_default()),
        ("version", state.wall.version.clone()),
    ];
    vec![
        info,
        gauge(
            "broker_connected",
            "1 while the broker is connected",
            f64::from(broker.connected),
        ),
        counter(
            "broker_reconnects",
            "Connections to the broker after the first",
            broker.reconnects as f64,
        ),
        counter(
            "messages_refused",
            "Messages of other clients that were skipped: too large, or not valid MQTT",
            broker.messages_refused as f64,
        ),
        counter(
            "wall_events",
            "Detection events that were read",
            broker.events as f64,
        ),
        counter(
            "wall_events_refused",
            "Payloads that are not valid events",
            broker.events_refused as f64,
        ),
        counter(
            "wall_messages_dropped",
            "Messages dropped because they arrived faster than they were read",
            broker.messages_dropped as f64,
        ),
        gauge(
            "stages_stuck",
            "Stages without progress for longer than their limit",
            state.stuck.len() as f64,
        ),
    ]
}

fn heads(heads: &[Head]) -> Vec<Sample> {
    let by_head = |of: &dyn Fn(&Head) -> Sample| -> Vec<Sample> {
        let labelled = |head: &Head| Sample {
            labels: vec![("head", head.name.clone())],
            ..of(head)
        };
        heads.iter().map(labelled).collect()
    };
    [
        by_head(&|head| counter("wall_scenes", "Scenes composed", head.scenes as f64)),
        by_head(&|head| {
            gauge(
                "wall_head_visible",
                "1 while a monitor is plugged in and switched on",
                f64::from(head.visible),
            )
        }),
    ]
    .concat()
}

fn tiles(tiles: &[Tile]) -> Vec<Sample> {
    [
        one_hot(
            tiles,
            (
                "wall_video_state",
                "1 for the present state of a camera's video",
            ),
            VideoState::ALL,
            VideoState::as_str,
            |tile| tile.video.state,
        ),
        one_hot(
            tiles,
            (
                "wall_analysis_state",
                "1 for the present state of a camera's analysis",
            ),
            AnalysisState::ALL,
            AnalysisState::as_str,
            |tile| tile.analysis.state,
        ),
        known(
            tiles,
            ("wall_video_age_seconds", "Age of a camera's newest frame"),
            |tile| tile.video.age_s,
        ),
        known(tiles, ("wall_fps", "Decoded frames per second"), |tile| {
            tile.fps.map(f64::from)
        }),
        counted(tiles, ("wall_frames_shown", "Frames shown"), |tile| {
            tile.frames
        }),
        counted(
            tiles,
            (
                "wall_frames_dropped",
                "Frames that a newer one replaced before they were shown",
            ),
            |tile| tile.drops,
        ),
        counted(
            tiles,
            ("wall_source_reconnects", "Sessions opened after the first"),
            |tile| tile.reconnects,
        ),
        known(
            tiles,
            (
                "wall_event_latency_seconds",
                "Time from capture to the arrival of the newest event at the wall",
            ),
            |tile| tile.latency_ms.map(seconds),
        ),
    ]
    .concat()
}

fn synchrony(tiles: &[Tile]) -> Vec<Sample> {
    let skew = |tile: &Tile| {
        let of = [
            ("0.5", tile.sync.skew_p50_ms),
            ("0.95", tile.sync.skew_p95_ms),
        ];
        of.map(|(quantile, skew_ms)| {
            let help =
                "Time difference between boxes and the frame on which they are drawn, by quantile";
            let mut sample = gauge("wall_skew_seconds", help, seconds(skew_ms?));
            sample.labels = vec![source(tile), ("quantile", quantile.to_owned())];
            Some(sample)
        })
    };
    [
        tiles.iter().flat_map(skew).flatten().collect(),
        known(
            tiles,
            (
                "wall_matched_ratio",
                "Share of recent events that are drawn on exactly their frame by NTP time",
            ),
            |tile| tile.sync.matched_share.map(f64::from),
        ),
        known(
            tiles,
            ("wall_delay_seconds", "Delay of the video for its boxes"),
            |tile| Some(seconds(tile.sync.delay_ms)),
        ),
    ]
    .concat()
}

/// The metrics of a wall and of its page's viewers.
pub(super) struct PageMetrics {
    pub(super) report: Arc<dyn MetricsSource>,
    pub(super) pictures: Arc<JpegCache>,
    pub(super) places: Arc<Semaphore>,
    pub(super) viewers: usize,
}

impl MetricsSource for PageMetrics {
    fn samples(&self) -> Vec<Sample> {
        let viewers = self.viewers.saturating_sub(self.places.available_permits());
        let mut samples = self.report.samples();
        samples.push(gauge(
            "wall_page_viewers",
            "Viewers of /wall.mjpg",
            viewers as f64,
        ));
        samples.push(counter(
            "wall_page_pictures",
            "JpegCache encoded for viewers of the page",
            self.pictures.encoded() as f64,
        ));
        samples
    }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Sample {
    Sample {
        name,
        help,
        kind: Kind::Gauge,
        labels: Vec::new(),
        value,
    }
}

fn counter(name: &'static str, help: &'static str, value: f64) -> Sample {
    Sample {
        kind: Kind::Counter,
        ..gauge(name, help, value)
    }
}

fn source(tile: &Tile) -> (&'static str, String) {
    ("source_id", tile.source_id.to_string())
}

/// A gauge for each tile that has a value.
fn known(
    tiles: &[Tile],
    (name, help): (&'static str, &'static str),
    value: impl Fn(&Tile) -> Option<f64>,
) -> Vec<Sample> {
    let sample = |tile: &Tile| {
        Some(Sample {
            labels: vec![source(tile)],
            ..gauge(name, help, value(tile)?)
        })
    };
    tiles.iter().filter_map(sample).collect()
}

fn counted(
    tiles: &[Tile],
    (name, help): (&'static str, &'static str),
    value: impl Fn(&Tile) -> u64,
) -> Vec<Sample> {
    let sample = |tile: &Tile| Sample {
        labels: vec![source(tile)],
        ..counter(name, help, value(tile) as f64)
    };
    tiles.iter().map(sample).collect()
}

/// One gauge per state, of which one is 1, as usual in Prometheus.
fn one_hot<S: Copy + PartialEq>(
    tiles: &[Tile],
    (name, help): (&'static str, &'static str),
    all: &[S],
    word: impl Fn(S) -> &'static str,
    present: impl Fn(&Tile) -> S,
) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(tiles.len() * all.len());
    for tile in tiles {
        for state in all {
            samples.push(Sample {
                labels: vec![source(tile), ("state", word(*state).to_owned())],
                ..gauge(name, help, f64::from(*state == present(tile)))
            });
        }
    }
    samples
}

fn seconds(milliseconds: f32) -> f64 {
    f64::from(milliseconds) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceId;
    use crate::control::wall_state::{SyncMetrics, Video};

    fn written(state: &WallState) -> String {
        struct Fixed(Vec<Sample>);
        impl MetricsSource for Fixed {
            fn samples(&self) -> Vec<Sample> {
                self.0.clone()
            }
        }
        crate::health::encode(&(Arc::new(Fixed(samples(state))) as Arc<dyn MetricsSource>))
    }

    #[test]
    fn a_state_is_one_of_several_gauges_and_unknown_figures_are_left_out() {
        let tile = Tile {
            source_id: SourceId(3),
            video: Video {
                state: VideoState::Stale,
                age_s: Some(12.5),
                ..Video::default()
            },
            sync: SyncMetrics {
                skew_p95_ms: Some(8.0),
                ..SyncMetrics::default()
            },
            frames: 70,
            ..Tile::default()
        };
        let text = written(&WallState {
            tiles: vec![tile],
            ..WallState::default()
        });
        for line in [
            "nvr_wall_video_state{source_id=\"3\",state=\"live\"} 0.0\n\
             nvr_wall_video_state{source_id=\"3\",state=\"stale\"} 1.0\n\
             nvr_wall_video_state{source_id=\"3\",state=\"connecting\"} 0.0\n\
             nvr_wall_video_state{source_id=\"3\",state=\"no-camera\"} 0.0\n",
            "nvr_wall_analysis_state{source_id=\"3\",state=\"no-broker\"} 1.0\n",
            "nvr_wall_video_age_seconds{source_id=\"3\"} 12.5\n",
            "nvr_wall_frames_shown_total{source_id=\"3\"} 70.0\n",
            "nvr_wall_skew_seconds{source_id=\"3\",quantile=\"0.95\"} 0.008\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("wall_fps"), "nobody knows it yet");
        assert!(!text.contains("quantile=\"0.5\""), "{text}");
    }

    #[test]
    fn each_name_is_described_once() {
        let state = WallState {
            heads: vec![Head::default(); 2],
            tiles: vec![Tile::default(); 3],
            ..WallState::default()
        };
        let text = written(&state);
        let mut described: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let all = described.len();
        described.sort_unstable();
        described.dedup();
        assert_eq!(described.len(), all, "{text}");
    }
}
