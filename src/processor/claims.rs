//! Two processors must not publish one source: the later one refuses it, names the other, and takes over when that is gone.
//!
//! What others claim lies on the broker, retained. Until what it retains of a source has been read after the first
//! connection, this processor publishes nothing about that source, lest its own status overwrites a claim that it has to
//! respect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::sink::EventSink;
use crate::base::SourceId;
use crate::bus::{Claims, Delivery, Message, Topics};

/// Retained messages follow a subscription at once; after this long without one, all of them are here.
const QUIET: Duration = Duration::from_millis(300);

/// After this long at the latest, once the broker has answered for every topic.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often a claim that can't be read is told of.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Hands the sources of an sink over, or takes them. May block.
type ApplyClaims = Arc<dyn Fn(&Arc<EventSink>) + Send + Sync>;

/// Follows the claims of other processors for as long as `sink` is the one in use. Calls `settle` where they change.
pub(super) fn watch_claims(
    sink: Arc<EventSink>,
    runtime: &Handle,
    settle: impl Fn(&Arc<EventSink>) + Send + Sync + 'static,
) {
    runtime.spawn(follow(Arc::new(settle), sink));
}

/// Subscribes to what tells of our own sources, by name: a broker hands out a wildcard's retained messages in part only,
/// and a claim that is missed is a source that two processors publish.
async fn follow(settle: ApplyClaims, sink: Arc<EventSink>) {
    let (link, topics) = (&sink.link, &sink.topics);
    let mut wanted = sink.wanted();
    let mut claims = Claims::of(wanted.borrow_and_update().iter().copied());
    let mut inbox = link.subscribe(claims.topics(topics), Delivery::AtLeastOnce);
    let mut settled = false;
    let mut quiet_at = Instant::now() + QUIET;
    let mut answered_at = None;
    let mut unread = Unread::default();
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Some(message) = message else {
                    return;
                };
                let mut changed = unread.take(&mut claims, topics, &message);
                let mut retained = message.retained;
                // What is here already is looked at once.
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
        // What others publish meanwhile is no reason to wait, whatever a broker marks as retained.
        if !settled && inbox.is_answered() {
            let since = *answered_at.get_or_insert_with(Instant::now);
            settled = since.elapsed() >= LONGEST_WAIT;
        }
        if settled {
            let sources = wanted.borrow().clone();
            claims_settled(&settle, &sink, &claims, sources).await;
        }
    }
}

/// Claims that can't be read: told of once in a while, since a stranger may publish a thousand a second.
#[derive(Default)]
struct Unread {
    ignored: u64,
    told: Option<Instant>,
}

impl Unread {
    /// Takes a message in; true where other processors are named now.
    fn take(&mut self, claims: &mut Claims, topics: &Topics, message: &Message) -> bool {
        let err = match claims.take(topics, message) {
            Ok(changed) => return changed,
            Err(err) => err,
        };
        self.ignored += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            warn!(topic = message.topic, %err, ignored = self.ignored, "ignoring a claim that can't be read");
        }
        false
    }
}

/// Hands sources over where the claims have changed.
async fn claims_settled(
    settle: &ApplyClaims,
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
            "another processor publishes this source; give one of the two another id, or stop one"
        );
    }
    for id in &changes.ours {
        info!(source_id = %id, "this source is ours");
    }
    let (settle, sink) = (settle.clone(), sink.clone());
    // Ending a session can take a moment that the link's other readers should not wait for.
    let done = tokio::task::spawn_blocking(move || settle(&sink));
    if done.await.is_err() {
        warn!("sources could not be handed over");
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
