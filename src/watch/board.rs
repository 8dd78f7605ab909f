//! The received documents by source: the last status, the last event and the processor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::SourceId;
use crate::bus::{Claims, Message, Topic, Topics};
use crate::event::{
    DecodeError, DetectionEvent, Presence, PresenceState, SourceState, SourceStatus, summary,
};

/// Maximum number of kept sources, and of kept walls: a broker may retain any number.
const KEPT_LIMIT: usize = 4096;

/// Maximum number of classes that are counted separately in one event.
const CLASS_LIMIT: usize = 32;

/// The received documents.
#[derive(Debug, Default)]
pub struct Board {
    claims: Claims,
    walls: BTreeMap<String, Presence>,
    events: BTreeMap<SourceId, LastEvent>,
    refused: u64,
    last_refusal: Option<String>,
    left_out: u64,
}

/// The kept part of a source's last event. An event may have thousands of objects, but few classes.
#[derive(Debug, Clone, PartialEq)]
pub struct LastEvent {
    /// Frames of this source inferred in the last second.
    pub fps: Option<f32>,
    /// Publication less the frame's arrival, in milliseconds.
    pub latency_ms: Option<f32>,
    /// Number of objects per class; those of further classes are under `…`.
    pub counts: BTreeMap<Arc<str>, usize>,
    at: Duration,
}

impl LastEvent {
    fn of(event: &DetectionEvent, at: Duration) -> Self {
        let mut counts = event.counts();
        let further = match counts.keys().nth(CLASS_LIMIT).cloned() {
            Some(first) => counts.split_off(&first).into_values().sum(),
            None => 0,
        };
        if further > 0 {
            counts.insert("…".into(), further);
        }
        Self {
            fps: event.fps,
            latency_ms: event.latency_ms,
            counts,
            at,
        }
    }

    /// A text with the number of objects per class.
    pub fn summary(&self) -> String {
        summary(&self.counts)
    }
}

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCondition {
    /// The state that its processor reports.
    Reported(SourceState),
    /// Its processor is not online, so its status is invalid.
    NoProcessor,
    /// Events without a status.
    Unknown,
}

/// The displayed data of a source.
#[derive(Debug)]
pub struct SourceRow<'a> {
    /// Its id.
    pub id: SourceId,
    /// How it stands.
    pub condition: SourceCondition,
    /// Its last status, valid or not.
    pub status: Option<&'a SourceStatus>,
    /// Its last event.
    pub event: Option<&'a LastEvent>,
    /// Time since that event.
    pub age: Option<Duration>,
}

impl Board {
    /// Handles a message that was received at the monotonic time `now`. A malformed one is only counted.
    pub fn take(&mut self, topics: &Topics, message: &Message, now: Duration) {
        if let Err(error) = self.try_take(topics, message, now) {
            self.refused += 1;
            self.last_refusal = Some(format!("{}: {error}", message.topic));
        }
    }

    fn try_take(
        &mut self,
        topics: &Topics,
        message: &Message,
        now: Duration,
    ) -> Result<(), DecodeError> {
        let payload = &message.payload[..];
        match topics.parse(&message.topic) {
            Some(Topic::Detections(source)) => {
                self.record_event(source, &DetectionEvent::from_json(payload)?, now);
            }
            Some(Topic::DetectionsPostcard(source)) => {
                self.record_event(source, &DetectionEvent::from_postcard(payload)?, now);
            }
            Some(Topic::Wall(instance_id)) => {
                if payload.is_empty() {
                    self.walls.remove(&instance_id);
                } else if self.walls.len() < KEPT_LIMIT || self.walls.contains_key(&instance_id) {
                    self.walls
                        .insert(instance_id, Presence::from_json(payload)?);
                } else {
                    self.left_out += 1;
                }
            }
            Some(Topic::Processor(_) | Topic::Source(_)) => {
                self.claims.take(topics, message)?;
            }
            Some(Topic::Fleet(..)) | None => {}
        }
        Ok(())
    }

    fn record_event(&mut self, source: SourceId, event: &DetectionEvent, now: Duration) {
        if self.events.len() < KEPT_LIMIT || self.events.contains_key(&source) {
            self.events.insert(source, LastEvent::of(event, now));
        } else {
            self.left_out += 1;
        }
    }

    /// Messages of sources, processors and walls that are not shown, because there are too many.
    pub fn left_out(&self) -> u64 {
        self.left_out + self.claims.left_out()
    }

    /// Presence of each processor, by instance id.
    pub fn processors(&self) -> &BTreeMap<String, Presence> {
        self.claims.processors()
    }

    /// Presence of each wall, by instance id.
    pub fn walls(&self) -> &BTreeMap<String, Presence> {
        &self.walls
    }

    /// Number of malformed messages, and the error of the last one.
    pub fn refused(&self) -> (u64, Option<&str>) {
        (self.refused, self.last_refusal.as_deref())
    }

    /// All known sources in order of their ids.
    pub fn rows(&self, now: Duration) -> Vec<SourceRow<'_>> {
        let mut ids: Vec<SourceId> = self
            .claims
            .sources()
            .keys()
            .chain(self.events.keys())
            .copied()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .map(|id| {
                let status = self.claims.sources().get(&id);
                let heard = self.events.get(&id);
                SourceRow {
                    id,
                    condition: status
                        .map_or(SourceCondition::Unknown, |status| self.condition(status)),
                    status,
                    event: heard,
                    age: heard.map(|heard| now.saturating_sub(heard.at)),
                }
            })
            .collect()
    }

    /// A status is valid only while its processor is online with the same session.
    fn condition(&self, status: &SourceStatus) -> SourceCondition {
        let online = self
            .claims
            .processors()
            .get(&*status.instance_id)
            .is_some_and(|presence| {
                presence.state == PresenceState::Online && presence.session == status.session
            });
        if online {
            SourceCondition::Reported(status.state)
        } else {
            SourceCondition::NoProcessor
        }
    }
}

impl SourceCondition {
    /// The displayed text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported(state) => state.as_str(),
            Self::NoProcessor => "no processor",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::SessionId;
    use crate::event::{DetectedObject, SourceMetrics, SourceReason};

    pub(in crate::watch) fn topics() -> Topics {
        Topics::new("nvr", "nvr/detections")
    }

    fn message(topic: String, payload: Vec<u8>) -> Message {
        Message {
            topic,
            payload,
            retained: false,
        }
    }

    pub(in crate::watch) fn presence(state: PresenceState, session: &str) -> Message {
        let topic = topics()
            .presence(crate::bus::ClientRole::Processor, "box")
            .expect("it has one");
        let presence = Presence {
            since: "2025-10-25T10:30:00Z".parse().expect("a time"),
            version: "0.1.0".to_owned(),
            ..Presence::now(state, &SessionId(session.to_owned()))
        };
        message(topic, presence.to_json())
    }

    pub(in crate::watch) fn status(id: u32, state: SourceState, session: &str) -> Message {
        let status = SourceStatus {
            source_id: SourceId(id),
            instance_id: "box".into(),
            session: SessionId(session.to_owned()),
            state,
            since: "2025-10-25T10:30:00Z".parse().expect("a time"),
            reason: (state == SourceState::Failed).then(|| SourceReason {
                code: "unauthorized".to_owned(),
                message: "camera 1 answers 401".to_owned(),
            }),
            uri: "rtsp://a/1".to_owned(),
            recording: None,
            metrics: SourceMetrics {
                width: Some(1280),
                height: Some(720),
                codec: Some("h264".to_owned()),
                ..SourceMetrics::default()
            },
        };
        message(topics().source(SourceId(id)), status.to_json())
    }

    pub(in crate::watch) fn event(id: u32, classes: &[&str]) -> Message {
        let event = DetectionEvent {
            source_id: SourceId(id),
            frame_id: 1,
            timestamp: "2025-10-25T10:30:00Z".parse().expect("a time"),
            model_id: "scripted".into(),
            inference_time_ms: 1.0,
            detections: classes
                .iter()
                .map(|class_name| DetectedObject {
                    class_name: (*class_name).into(),
                    confidence: 0.5,
                    bbox: crate::base::BBox::from_corners(0.0, 0.0, 1.0, 1.0),
                    tracker_id: None,
                })
                .collect(),
            fps: Some(25.34),
            latency_ms: Some(120.46),
            instance_id: None,
            frame_width: None,
            frame_height: None,
            ntp_ns: None,
            clock: None,
        };
        message(topics().detections(SourceId(id)), event.to_json())
    }

    pub(in crate::watch) fn board(messages: &[Message]) -> Board {
        let mut board = Board::default();
        for message in messages {
            board.take(&topics(), message, Duration::from_secs(1));
        }
        board
    }

    fn conditions(board: &Board) -> Vec<(u32, SourceCondition)> {
        board
            .rows(Duration::from_secs(1))
            .iter()
            .map(|row| (row.id.0, row.condition))
            .collect()
    }

    #[test]
    fn a_source_is_as_its_processor_says_while_that_is_online() {
        let heard = [
            presence(PresenceState::Online, "s1"),
            status(1, SourceState::Live, "s1"),
            status(0, SourceState::Stalled, "s1"),
            status(2, SourceState::Live, "old"),
            event(7, &[]),
        ];
        assert_eq!(
            conditions(&board(&heard)),
            [
                (0, SourceCondition::Reported(SourceState::Stalled)),
                (1, SourceCondition::Reported(SourceState::Live)),
                (2, SourceCondition::NoProcessor),
                (7, SourceCondition::Unknown),
            ]
        );
    }

    #[test]
    fn a_dead_processor_voids_its_statuses() {
        let mut board = board(&[
            presence(PresenceState::Online, "s1"),
            status(1, SourceState::Live, "s1"),
        ]);
        board.take(
            &topics(),
            &presence(PresenceState::Offline, "s1"),
            Duration::ZERO,
        );
        assert_eq!(conditions(&board), [(1, SourceCondition::NoProcessor)]);
    }

    #[test]
    fn malformed_messages_are_counted_and_end_nothing() {
        let mut board = board(&[event(0, &["person"])]);
        let malformed = message(topics().detections(SourceId(0)), b"{".to_vec());
        board.take(&topics(), &malformed, Duration::from_secs(2));
        let (refused, last) = board.refused();
        assert_eq!(refused, 1);
        assert!(last.is_some_and(|last| last.starts_with("nvr/detections/0: payload does not")));
        let row = &board.rows(Duration::from_secs(4))[0];
        assert_eq!(row.age, Some(Duration::from_secs(3)), "the good one stays");
    }

    #[test]
    fn documents_beyond_the_limit_are_counted_and_not_kept() {
        let most = KEPT_LIMIT as u32;
        let mut board = Board::default();
        for id in 0..most + 5 {
            board.take(&topics(), &event(id, &[]), Duration::ZERO);
            let wall = Presence::now(PresenceState::Online, &SessionId("s".to_owned()));
            let wall = message(format!("nvr/walls/{id}"), wall.to_json());
            board.take(&topics(), &wall, Duration::ZERO);
        }
        assert_eq!(
            (board.events.len(), board.walls.len()),
            (KEPT_LIMIT, KEPT_LIMIT)
        );
        assert_eq!(board.left_out(), 10);
        board.take(&topics(), &event(3, &["car"]), Duration::ZERO);
        assert_eq!(board.left_out(), 10, "those that are kept go on");
    }

    #[test]
    fn an_event_in_postcard_is_as_good() {
        let json = event(3, &["car"]);
        let postcard = DetectionEvent::from_json(&json.payload)
            .expect("own JSON is good")
            .to_postcard();
        let board = board(&[message(topics().detections_postcard(SourceId(3)), postcard)]);
        let rows = board.rows(Duration::from_secs(1));
        assert_eq!(
            rows[0].event.map(LastEvent::summary).as_deref(),
            Some("1 car")
        );
    }
}
