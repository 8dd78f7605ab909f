//! Builds the events and the status of a source. No side effects.

use std::sync::Arc;
use std::time::Duration;

use super::source::{AnalysisResult, Source};
use crate::base::{SessionId, unix_now};
use crate::config::StreamSettings;
use crate::detect;
use crate::event::{
    DetectedObject, DetectionEvent, Observation, SourceMetrics, SourceReason, SourceState,
    SourceStatus, unix_time,
};
use crate::media::Health;

/// The identity of the publishing process.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    pub(super) instance_id: Arc<str>,
    pub(super) session: SessionId,
}

impl Publisher {
    /// The event of one inferred frame. `now` is the monotonic time of its publication.
    pub(super) fn event(
        &self,
        result: &detect::Inferred,
        analysed: AnalysisResult,
        now: Duration,
    ) -> DetectionEvent {
        let meta = &result.meta;
        let seen = Observation {
            source_id: result.source_id,
            frame: meta,
            model_id: &result.model_id,
            inference_time: result.inference_time,
            fps: analysed.fps as f32,
            latency: now.saturating_sub(meta.arrival),
            instance_id: &self.instance_id,
        };
        let objects = analysed
            .detections
            .into_iter()
            .map(|(detection, tracker_id)| DetectedObject {
                class_name: detection.class_name,
                confidence: detection.confidence,
                bbox: detection.bbox,
                tracker_id,
            });
        DetectionEvent::new(&seen, objects.collect())
    }

    /// The present status of a source.
    pub(super) fn status(&self, source: &Source) -> SourceStatus {
        let settings = source.settings();
        let stats = source.stats();
        let snapshot = source.snapshot();
        let paused = source.paused_since();
        let facts = snapshot.as_ref().map(|snapshot| &snapshot.facts);
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let size = facts.and_then(|facts| facts.size);
        SourceStatus {
            source_id: source.id,
            instance_id: self.instance_id.clone(),
            session: self.session.clone(),
            state: match (&paused, &snapshot) {
                (Some(_), _) => SourceState::Paused,
                (None, Some(snapshot)) => state_of(snapshot.health),
                (None, None) => SourceState::Connecting,
            },
            since: unix_time(
                paused
                    .or(snapshot.as_ref().map(|snapshot| snapshot.since))
                    .unwrap_or_else(unix_now),
            ),
            reason: snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.reason.as_ref())
                .map(|reason| SourceReason {
                    code: reason.code.to_owned(),
                    message: reason.message.clone(),
                }),
            uri: shown_uri(&settings.stream),
            recording: source.recording(),
            metrics: SourceMetrics {
                codec: facts.and_then(|facts| known(&facts.codec)),
                width: size.map(|size| size.width),
                height: size.map(|size| size.height),
                fps_in: Some(stats.fps_in as f32),
                fps_inferred: Some(stats.fps_inferred as f32),
                decoder: facts.and_then(|facts| known(&facts.decoder)),
                clock: stats.clock,
                dropped: stats.dropped,
                reconnects: snapshot.as_ref().map_or(0, |snapshot| snapshot.reconnects),
            },
        }
    }
}

/// The source's address without its login.
pub(super) fn shown_uri(stream: &StreamSettings) -> String {
    stream.location.to_string()
}

fn state_of(health: Health) -> SourceState {
    match health {
        Health::Connecting => SourceState::Connecting,
        Health::Live => SourceState::Live,
        Health::Stalled => SourceState::Stalled,
        Health::Failed => SourceState::Failed,
    }
}
