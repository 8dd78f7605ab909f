//! What the wall hears: events to their cameras, statuses and presences to what is known of processors.
//!
//! One task a connection. It subscribes before the broker is there, and the link renews that at every connection. What
//! can't be read is counted, said once in a while, and changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::context::WallContext;
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::bus::{Delivery, Link, LinkState, Message, Subscription, Topic, Topics};
use crate::config::Settings;
use crate::event::{DecodeError, DetectionEvent};

/// A stranger that publishes garbage a thousand times a second is told of this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Listens on `link` for as long as it lasts. Cameras are asked for by name: what others publish is not worth a byte here.
pub(super) fn subscribe(
    context: &Arc<WallContext>,
    link: &Link,
    settings: &Settings,
    runtime: &Handle,
) {
    // Another link may lead to another broker.
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

/// A pattern of one's own stands for all cameras; else both encodings of each.
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
        // A broker on the same machine may have answered before this task began: that is a change too. So may cameras
        // have been added since the link was made.
        state.mark_changed();
        let mut shown = self.context.shown();
        shown.mark_changed();
        loop {
            tokio::select! {
                // Statuses first: what an event's tile says depends on them.
                biased;
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let connected = matches!(&*state.borrow_and_update(), LinkState::Connected { .. });
                    if self.context.connected.swap(connected, Ordering::AcqRel) != connected {
                        info!(connected, "broker");
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

    /// Statuses name processors, of which the presences tell whether they are there.
    fn follow_claims(&self, statuses: &Subscription) {
        self.link
            .resubscribe(statuses, self.context.claim_topics(&self.topics));
    }

    fn event(&mut self, message: &Message) {
        let decoded = match self.topics.parse(&message.topic) {
            Some(Topic::DetectionsPostcard(_)) => DetectionEvent::from_postcard(&message.payload),
            // A pattern of one's own may reach beyond our topics: what lies there is JSON as published.
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
            warn!(topic, %err, refused = self.refused, "a message that can't be read is ignored");
        }
    }

    fn wake_cameras(&self) {
        for camera in self.context.cameras().values() {
            camera.wake();
        }
    }
}
