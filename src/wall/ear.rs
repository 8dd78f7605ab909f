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

use super::shared::Shared;
use crate::bus::{Delivery, Link, LinkState, Message, Subscription, Topic, Topics};
use crate::config::Settings;
use crate::event::{DecodeError, DetectionEvent};

/// A stranger that publishes garbage a thousand times a second is told of this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Listens on `link` for as long as it lasts.
pub(super) fn listen(shared: &Arc<Shared>, link: &Link, settings: &Settings, runtime: &Handle) {
    let topics = Topics::of(&settings.mqtt);
    let events = match &settings.wall.topic_pattern {
        Some(pattern) => vec![pattern.clone()],
        None => vec![topics.all_detections(), topics.all_detections_postcard()],
    };
    let events = link.subscribe(events, Delivery::AtMostOnce);
    let statuses = link.subscribe(
        [topics.all_processors(), topics.all_sources()],
        Delivery::AtLeastOnce,
    );
    let ear = Ear {
        shared: shared.clone(),
        topics,
        refused: 0,
        warned: None,
    };
    runtime.spawn(ear.run(link.state_changes(), events, statuses));
}

struct Ear {
    shared: Arc<Shared>,
    topics: Topics,
    refused: u64,
    warned: Option<Instant>,
}

impl Ear {
    async fn run(
        mut self,
        mut state: tokio::sync::watch::Receiver<LinkState>,
        mut events: Subscription,
        mut statuses: Subscription,
    ) {
        // A broker on the same machine may have answered before this task began: that is a change too.
        state.mark_changed();
        loop {
            tokio::select! {
                // Statuses first: what an event's tile says depends on them.
                biased;
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let connected = matches!(&*state.borrow_and_update(), LinkState::Connected { .. });
                    if self.shared.connected.swap(connected, Ordering::AcqRel) != connected {
                        info!(connected, "broker");
                        self.look_again();
                    }
                }
                message = statuses.recv() => match message {
                    Some(message) => self.status(&message),
                    None => return,
                },
                message = events.recv() => match message {
                    Some(message) => self.event(&message),
                    None => return,
                },
            }
        }
    }

    fn status(&mut self, message: &Message) {
        match self.shared.claim(&self.topics, message) {
            Ok(()) => self.look_again(),
            Err(err) => self.refuse(&message.topic, &err),
        }
    }

    fn event(&mut self, message: &Message) {
        let decoded = match self.topics.parse(&message.topic) {
            Some(Topic::DetectionsPostcard(_)) => DetectionEvent::from_postcard(&message.payload),
            // A pattern of one's own may reach beyond our topics: what lies there is JSON as published.
            _ => DetectionEvent::from_json(&message.payload),
        };
        match decoded {
            Ok(event) => {
                if let Some(camera) = self.shared.cameras().get(&event.source_id) {
                    camera.event(event);
                }
            }
            Err(err) => self.refuse(&message.topic, &err),
        }
    }

    fn refuse(&mut self, topic: &str, err: &DecodeError) {
        self.refused += 1;
        self.shared.events_refused.fetch_add(1, Ordering::Relaxed);
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            warn!(topic, %err, refused = self.refused, "a message that can't be read is ignored");
        }
    }

    fn look_again(&self) {
        for camera in self.shared.cameras().values() {
            camera.wake();
        }
    }
}
