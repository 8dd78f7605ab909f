//! Claims: no source is published by two processors. The processor that starts later refuses the source, names the other
//! processor, and takes over when that one goes offline.
//!
//! Claims are retained messages. After the first connection, this processor publishes nothing about a source until it has read
//! the retained claim of that source. Otherwise its status would overwrite a claim that it must respect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::sink::EventSink;
use crate::base::SourceId;
use crate::bus::{Claims, Delivery, Message, Topics};

/// Retained messages follow a subscription immediately. After this time without one, all have arrived.
const QUIET: Duration = Duration::from_millis(300);

/// Longest wait for retained messages after the broker has acknowledged all topics.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Shortest time between two warnings about unreadable claims.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Stops and starts sources according to the claims. May block.
type ApplyClaims = Arc<dyn Fn(&Arc<EventSink>) + Send + Sync>;

/// Follows the claims of other processors while `sink` is in use. Calls `apply` when they change.
pub(super) fn watch_claims(
    sink: Arc<EventSink>,
    runtime: &Handle,
    apply: impl Fn(&Arc<EventSink>) + Send + Sync + 'static,
) {
    runtime.spawn(follow(Arc::new(apply), sink));
}

/// Subscribes to the statuses of this processor's sources by name. For a wildcard, brokers deliver only some of the retained
/// messages (mosquitto 1,020), and a source whose claim is missed would be published twice.
async fn follow(apply: ApplyClaims, sink: Arc<EventSink>) {
    let (link, topics) = (&sink.link, &sink.topics);
    let mut wanted = sink.wanted();
    let mut claims = Claims::of(wanted.borrow_and_update().iter().copied());
    let mut inbox = link.subscribe(claims.topics(topics), Delivery::AtLeastOnce);
    let mut settled = false;
    let mut quiet_at = Instant::now() + QUIET;
    let mut answered_at = None;
    let mut unread = UnreadableClaims::default();
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Some(message) = message else {
                    return;
                };
                let mut changed = unread.take(&mut claims, topics, &message);
                let mut retained = message.retained;
                // Further messages that have arrived are handled in one pass.
                while let Some(message) = inbox.try_recv() {
                    changed |= unread.take(&mut claims, topics, &message);
                    retained |= message.retained;
                }
                if changed {
                    link.resubscribe(&inbox, claims.topics(topics));
                }
                if changed || retained {
                    quiet_at = Instant::now() + QUIET;
                }
            }
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                claims.set_sources(wanted.borrow_and_update().iter().copied());
                link.resubscribe(&inbox, claims.topics(topics));
                settled = false;
                answered_at = None;
                quiet_at = Instant::now() + QUIET;
            }
            () = sleep_until(quiet_at), if !settled => {
                settled = inbox.is_answered();
                quiet_at = Instant::now() + QUIET;
            }
        }
        // A limit, because other processors may publish all the time, and some brokers mark such messages as retained.
        if !settled && inbox.is_answered() {
            let since = *answered_at.get_or_insert_with(Instant::now);
            settled = since.elapsed() >= LONGEST_WAIT;
        }
        if settled {
            let sources = wanted.borrow().clone();
            apply_changes(&apply, &sink, &claims, sources).await;
        }
    }
}

/// Unreadable claims. Warnings are limited, because another program may publish a thousand per second.
#[derive(Default)]
struct UnreadableClaims {
    ignored: u64,
    told: Option<Instant>,
}

impl UnreadableClaims {
    /// Handles a message. True if the set of processors that hold sources has changed.
    fn take(&mut self, claims: &mut Claims, topics: &Topics, message: &Message) -> bool {
        let err = match claims.take(topics, message) {
            Ok(changed) => return changed,
            Err(err) => err,
        };
        self.ignored += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            warn!(topic = message.topic, %err, ignored = self.ignored, "ignoring an unreadable claim");
        }
        false
    }
}

/// Applies the claims if they have changed.
async fn apply_changes(
    apply: &ApplyClaims,
    sink: &Arc<EventSink>,
    claims: &Claims,
    sources: BTreeSet<SourceId>,
) {
    let Some(changes) = sink.settle(sources, held_by_others(claims, sink)) else {
        return;
    };
    for (id, holder) in &changes.refused {
        error!(
            source_id = %id,
            holder,
            "another processor publishes this source; give the source another id there or here, or stop one of the processors"
        );
    }
    for id in &changes.ours {
        info!(source_id = %id, "this processor publishes the source");
    }
    let (apply, sink) = (apply.clone(), sink.clone());
    // On another thread: ending a session takes time, and the link's other subscribers must not wait.
    let done = tokio::task::spawn_blocking(move || apply(&sink));
    if done.await.is_err() {
        warn!("applying the claims panicked");
    }
}

/// The sources that another online processor holds. A source that this processor publishes already is given up only to a
/// processor that started earlier.
fn held_by_others(claims: &Claims, sink: &EventSink) -> BTreeMap<SourceId, String> {
    let (instance_id, began) = (&*sink.publisher.instance_id, sink.link.began());
    let holder = |id| {
        if sink.publishes(id) {
            claims.held_by_older(id, instance_id, began)
        } else {
            claims.held_by_another(id, instance_id)
        }
    };
    let ids = claims.sources().keys().copied();
    ids.filter_map(|id| Some((id, holder(id)?.instance_id)))
        .collect()
}
