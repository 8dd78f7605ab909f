//! Receives messages from the broker: passes events to their cameras, and statuses and presences to the claims.
//!
//! One task per link. It subscribes before the broker is connected; the link subscribes again at every connection.
//! Unreadable messages are counted, logged at a limited rate, and otherwise ignored.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::context::WallContext;
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::bus::{Delivery, Link, LinkState, Message, Subscription, Topic, Topics};
use crate::config::Settings;
use crate::event::{DecodeError, DetectionEvent};

/// How often the alarm classes are compared with those of the processors' models.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Minimum time between warnings about unreadable messages.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Subscribes on `link` and starts the task that receives messages until the link ends. Subscribes only to the topics of the
/// wall's own cameras, so that other cameras cost nothing.
pub(super) fn subscribe(
    context: &Arc<WallContext>,
    link: &Link,
    settings: &Settings,
    runtime: &Handle,
) {
    // Another link may connect to another broker.
    context.forget_claims();
    let topics = Topics::of(&settings.mqtt);
    let pattern = settings.wall.topic_pattern.clone();
    let ids: Vec<SourceId> = settings.sources.keys().copied().collect();
    let filters = event_filters(&topics, pattern.as_deref(), &ids);
    let events = link.subscribe(filters, Delivery::AtMostOnce);
    let statuses = link.subscribe(context.claim_topics(&topics), Delivery::AtLeastOnce);
    lock(&context.queue_drops).replace(vec![events.overrun_counter(), statuses.overrun_counter()]);
    let subscriber = Subscriber {
        context: context.clone(),
        link: link.clone(),
        topics,
        pattern,
        refused: 0,
        warned: None,
    };
    runtime.spawn(subscriber.run(link.state_changes(), events, statuses));
}

/// The topic filters for events: the configured pattern, or both encodings of each camera.
fn event_filters(topics: &Topics, pattern: Option<&str>, ids: &[SourceId]) -> Vec<String> {
    match pattern {
        Some(pattern) => vec![pattern.to_owned()],
        None => ids
            .iter()
            .flat_map(|id| [topics.detections(*id), topics.detections_postcard(*id)])
            .collect(),
    }
}

struct Subscriber {
    context: Arc<WallContext>,
    link: Link,
    topics: Topics,
    pattern: Option<String>,
    refused: u64,
    warned: Option<Instant>,
}

impl Subscriber {
    async fn run(
        mut self,
        mut state: tokio::sync::watch::Receiver<LinkState>,
        mut events: Subscription,
        mut statuses: Subscription,
    ) {
        // The link may have connected, and cameras may have been added, before this task started.
        state.mark_changed();
        let mut shown = self.context.shown();
        shown.mark_changed();
        let mut checks = tokio::time::interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Statuses before events, because the state of a tile depends on them.
                biased;
                _ = checks.tick() => self.context.check_alarm_classes(),
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let connected = matches!(&*state.borrow_and_update(), LinkState::Connected { .. });
                    if self.context.connected.swap(connected, Ordering::AcqRel) != connected {
                        info!(connected, "broker connection changed");
                        self.wake_cameras();
                    }
                }
                changed = shown.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let ids = shown.borrow_and_update().clone();
                    let filters = event_filters(&self.topics, self.pattern.as_deref(), &ids);
                    self.link.resubscribe(&events, filters);
                    self.follow_claims(&statuses);
                }
                message = statuses.recv() => match message {
                    Some(message) => self.status(&message, &statuses),
                    None => return,
                },
                message = events.recv() => match message {
                    Some(message) => self.event(&message),
                    None => return,
                },
            }
        }
    }

    fn status(&mut self, message: &Message, statuses: &Subscription) {
        match self.context.claim(&self.topics, message) {
            Ok(changed) => {
                if changed {
                    self.follow_claims(statuses);
                }
                self.wake_cameras();
            }
            Err(err) => self.refuse(&message.topic, &err),
        }
    }

    /// Subscribes to the presences of the processors that the statuses name.
    fn follow_claims(&self, statuses: &Subscription) {
        self.link
            .resubscribe(statuses, self.context.claim_topics(&self.topics));
    }

    fn event(&mut self, message: &Message) {
        let decoded = match self.topics.parse(&message.topic) {
            Some(Topic::DetectionsPostcard(_)) => DetectionEvent::from_postcard(&message.payload),
            // A configured pattern may match topics of other programs, which publish JSON.
            _ => DetectionEvent::from_json(&message.payload),
        };
        match decoded {
            Ok(event) => {
                if let Some(camera) = self.context.cameras().get(&event.source_id) {
                    camera.event(event);
                }
            }
            Err(err) => self.refuse(&message.topic, &err),
        }
    }

    fn refuse(&mut self, topic: &str, err: &DecodeError) {
        self.refused += 1;
        self.context.events_refused.fetch_add(1, Ordering::Relaxed);
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            warn!(topic, %err, refused = self.refused, "unreadable message ignored");
        }
    }

    fn wake_cameras(&self) {
        for camera in self.context.cameras().values() {
            camera.wake();
        }
    }
}
