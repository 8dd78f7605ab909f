//! The state of a wall for the page, for Prometheus and for the control socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::head::HeadFacts;
use super::run::Wall;
use crate::align::{AlignStats, Basis};
use crate::base::unix_now;
use crate::bus::LinkState;
use crate::config::{Layout, Sync};
use crate::control::wall_state::{self, AnalysisState, VideoState, WallState};
use crate::control::{
    Capabilities, DecoderWorks, DisplayStatus, Status, WallCapabilities, WallStatus,
};
use crate::health::{MetricsSource, Sample};
use crate::media::{Codec, decoder_report};
use crate::render::{Analysis, Camera, Canvas, Video, timestamp};
use crate::web::wall::{WallView, samples};

/// One line for the log: the number of live cameras and the outputs.
pub(super) fn summary(wall: &Wall) -> String {
    let state = wall.state();
    let live = state
        .tiles
        .iter()
        .filter(|tile| tile.video.state == VideoState::Live)
        .count();
    let outputs: Vec<_> = state.heads.iter().map(|head| &*head.output).collect();
    format!(
        "{live} of {} cameras live, on {}",
        state.tiles.len(),
        outputs.join(", ")
    )
}

/// The status of the wall for the control socket.
pub(super) fn status(wall: &Wall) -> Status {
    let displays = wall.with_running(|running| {
        let heads = running.heads.all();
        DisplayStatus {
            heads: heads.iter().map(|head| head.facts().report).collect(),
            trouble: running.heads.trouble(),
        }
    });
    Status::Wall(WallStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        session: Some(wall.context.session.clone()),
        displays,
        state: wall.state(),
    })
}

impl Wall {
    /// Whether every camera has shown a picture, or has a reason why it can't.
    pub(super) fn is_settled(&self) -> bool {
        let cameras = self.context.cameras();
        cameras.values().all(|camera| {
            camera.failed().is_some() || camera.counters().shown.load(Ordering::Relaxed) > 0
        })
    }

    fn tile(&self, camera: &Camera, now: Duration) -> wall_state::Tile {
        let camera_state = self.context.camera_state(camera, None, now);
        let source = camera.settings();
        let figures = camera.align_stats();
        let counters = camera.counters();
        // A head counts a frame as shown first, and the camera as decoded before. Read in the opposite order, neither number is
        // ahead of what it is a part of.
        let drops = counters.dropped.load(Ordering::Acquire);
        let frames = counters.shown.load(Ordering::Acquire);
        let decoded = counters.frames.load(Ordering::Acquire);
        let reconnects = self.with_running(|running| running.sources.reconnects(camera.id));
        wall_state::Tile {
            source_id: camera.id,
            name: source.name.clone().unwrap_or_default(),
            uri: source.stream.location.to_string(),
            video: video_of(camera, &camera_state.video, now),
            analysis: wall_state::Analysis {
                state: match camera_state.analysis {
                    Analysis::Ok => AnalysisState::Ok,
                    Analysis::Late => AnalysisState::Late,
                    Analysis::Paused => AnalysisState::Paused,
                    Analysis::NoProcessor => AnalysisState::NoProcessor,
                    Analysis::NoBroker => AnalysisState::NoBroker,
                },
                instance_id: self.context.processor_of(camera.id),
            },
            text: camera_state.text(),
            fps: camera
                .fps()
                .filter(|_| camera_state.is_live())
                .map(|fps| fps as f32),
            latency_ms: camera
                .last_event()
                .filter(|_| camera_state.has_latency())
                .and_then(|(_, event)| event.latency_ms),
            sync: sync_figures(&figures),
            decoded,
            frames,
            drops,
            reconnects: reconnects.unwrap_or_default(),
        }
    }

    fn broker(&self) -> wall_state::Broker {
        let settings = self.context.settings();
        let (state, figures) = self
            .with_running(|running| {
                let state = running.link.state_changes().borrow().clone();
                (Some(state), running.link.counters())
            })
            .unwrap_or_default();
        let (since, reason) = match state {
            Some(LinkState::Connected { since }) => (Some(since), None),
            Some(LinkState::Disconnected { since, reason }) => {
                (Some(since), reason.map(|reason| reason.to_string()))
            }
            None => (None, None),
        };
        let cameras = self.context.cameras();
        wall_state::Broker {
            connected: figures.connected,
            address: settings.mqtt.url(),
            since: since.map(|since| timestamp(unix_now().saturating_sub(since.elapsed()))),
            reason,
            reconnects: figures.reconnects,
            events: cameras
                .values()
                .map(|camera| camera.counters().events.load(Ordering::Relaxed))
                .sum(),
            events_refused: self.context.events_refused.load(Ordering::Relaxed) + figures.refused,
            messages_refused: figures.refused,
            messages_dropped: self.context.messages_dropped(),
        }
    }

    fn head_states(&self) -> Vec<wall_state::Head> {
        let facts: Vec<(Layout, HeadFacts)> = self
            .with_running(|running| {
                let heads = running.heads.all();
                heads
                    .iter()
                    .map(|head| (head.settings.layout.clone(), head.facts()))
                    .collect()
            })
            .unwrap_or_default();
        facts
            .into_iter()
            .enumerate()
            .map(|(index, (layout, facts))| {
                let size = facts.display.as_ref().map(|info| info.size);
                wall_state::Head {
                    name: self.head_name(index),
                    output: facts
                        .display
                        .as_ref()
                        .map_or_else(|| "no display".to_owned(), |info| info.description.clone()),
                    width: size.map_or(0, |size| size.width),
                    height: size.map_or(0, |size| size.height),
                    layout: match layout {
                        Layout::Grid { .. } => "grid".to_owned(),
                        Layout::Focus => "focus".to_owned(),
                        Layout::Free { name, .. } => name,
                    },
                    page: facts.page as u32 + 1,
                    pages: facts.pages.max(1) as u32,
                    visible: facts.display.is_some_and(|info| info.visible),
                    scenes: facts.scenes,
                }
            })
            .collect()
    }

    fn head_name(&self, index: usize) -> String {
        let settings = self.context.settings();
        let connector = settings
            .wall
            .heads
            .get(index)
            .and_then(|head| head.connector.clone());
        connector.unwrap_or_else(|| format!("head {index}"))
    }
}

fn sync_figures(figures: &AlignStats) -> wall_state::SyncMetrics {
    wall_state::SyncMetrics {
        mode: match figures.mode {
            Basis::Matched | Basis::Estimated => Sync::Aligned,
            Basis::Latest => Sync::Latest,
            Basis::Nothing => Sync::Auto,
        },
        matched_share: figures.matched_share.map(|share| share as f32),
        skew_p50_ms: figures.skew_p50_ms.map(|skew| skew as f32),
        skew_p95_ms: figures.skew_p95_ms.map(|skew| skew as f32),
        delay_ms: figures.delay_ms as f32,
    }
}

fn video_of(camera: &Camera, video: &Video, now: Duration) -> wall_state::Video {
    let facts = camera.video_facts(None, now);
    let age = facts.last_frame.map(|last| now.saturating_sub(last));
    let session_since = camera.session().map(|session| timestamp(session.since));
    let since = match video {
        Video::Stale { age, .. } => Some(timestamp(unix_now().saturating_sub(*age))),
        Video::NoCamera(reason) => Some(reason.since),
        Video::Live | Video::Connecting => session_since,
    };
    let reason = video.reason();
    wall_state::Video {
        state: match video {
            Video::Live => VideoState::Live,
            Video::Stale { .. } => VideoState::Stale,
            Video::Connecting => VideoState::Connecting,
            Video::NoCamera(_) => VideoState::NoCamera,
        },
        since,
        age_s: age.map(|age| age.as_secs_f64()),
        code: reason.map(|reason| reason.code.clone()),
        message: reason.map(|reason| reason.message.clone()),
    }
}

impl WallView for Wall {
    fn heads(&self) -> Vec<String> {
        let count = self.context.settings().wall.heads.len();
        (0..count).map(|index| self.head_name(index)).collect()
    }

    fn picture(&self, head: usize, limit: Duration) -> Option<Arc<Canvas>> {
        let head = self.with_running(|running| running.heads.all().get(head).cloned())??;
        head.picture(limit)
    }

    fn state(&self) -> WallState {
        let now = self.context.clock.now();
        let settings = self.context.settings();
        let cameras = self.context.cameras();
        WallState {
            wall: wall_state::Identity {
                instance_id: settings.instance_id.clone(),
                name: settings.wall.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_s: now.saturating_sub(self.started).as_secs_f64(),
            },
            broker: self.broker(),
            heads: self.head_states(),
            tiles: cameras
                .values()
                .map(|camera| self.tile(camera, now))
                .collect(),
            alarm_classes_missing: self.context.missing_alarm_classes(),
            stuck: self
                .heartbeats
                .stuck()
                .into_iter()
                .map(|stuck| stuck.stage)
                .collect(),
        }
    }
}

impl MetricsSource for Wall {
    fn samples(&self) -> Vec<Sample> {
        samples(&self.state())
    }
}

/// The abilities of this build on this machine.
pub(super) fn capabilities() -> Capabilities {
    let decoders = [Codec::H264, Codec::H265].map(|codec| {
        let found = decoder_report(codec)
            .into_iter()
            .map(|report| DecoderWorks {
                decoder: report.decoder.to_owned(),
                works: report.probed.as_ref().map(Result::is_ok),
            });
        (codec.name().to_owned(), found.collect())
    });
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Capabilities::Wall(WallCapabilities {
        role: "wall".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        outputs: words(&["kms", "headless"]),
        sync: words(&["auto", "aligned", "latest"]),
        decoders: decoders.into(),
    })
}
