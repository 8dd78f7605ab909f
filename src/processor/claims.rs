//! Two processors must not publish one source: the later one refuses it, names the other, and takes over when that is gone.
//!
//! What others claim lies on the broker, retained. Until it has been read after the first connection, this processor
//! publishes nothing about any source, lest its own statuses overwrite the claims that it has to respect.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::outlet::Outlet;
use super::run::Processor;
use crate::base::SourceId;
use crate::bus::{Claims, Delivery, LinkState};

/// Retained messages follow a subscription at once; after this long without one, all of them are here.
const QUIET: Duration = Duration::from_millis(300);

/// Follows the claims of other processors for as long as `outlet` is the one in use.
pub(super) fn watch_claims(processor: &Arc<Processor>, outlet: Arc<Outlet>, runtime: &Handle) {
    runtime.spawn(follow(Arc::downgrade(processor), outlet));
}

async fn follow(processor: Weak<Processor>, outlet: Arc<Outlet>) {
    let (link, topics) = (&outlet.link, &outlet.topics);
    let filters = [topics.all_processors(), topics.all_sources()];
    let mut inbox = link.subscribe(filters, Delivery::AtLeastOnce);
    let connected = |state: &LinkState| matches!(state, LinkState::Connected { .. });
    if link.state_changes().wait_for(connected).await.is_err() {
        return;
    }
    let mut claims = Claims::default();
    let mut settled = false;
    loop {
        let message = tokio::select! {
            message = inbox.recv() => message,
            () = sleep(QUIET), if !settled => {
                settled = true;
                claims_settled(&processor, &outlet, &claims).await;
                continue;
            }
        };
        let Some(message) = message else {
            return;
        };
        if let Err(err) = claims.take(topics, &message) {
            warn!(topic = message.topic, %err, "ignoring a claim that can't be read");
        }
        if settled {
            claims_settled(&processor, &outlet, &claims).await;
        }
    }
}

/// Hands sources over where the claims have changed.
async fn claims_settled(processor: &Weak<Processor>, outlet: &Arc<Outlet>, claims: &Claims) {
    if !outlet.settle(held_by_others(claims, outlet)) {
        return;
    }
    let Some(processor) = processor.upgrade() else {
        return;
    };
    say_what_changed(&processor, outlet);
    let outlet = outlet.clone();
    // Ending a session can take a moment that the link's other readers should not wait for.
    let done = tokio::task::spawn_blocking(move || processor.settle_claims(&outlet));
    if done.await.is_err() {
        warn!("sources could not be handed over");
    }
}

/// The sources that another processor, online now, has the better claim to.
fn held_by_others(claims: &Claims, outlet: &Outlet) -> BTreeMap<SourceId, String> {
    let own = (outlet.link.began(), &*outlet.publisher.instance_id);
    let mut held = BTreeMap::new();
    for id in claims.sources().keys() {
        let Some(holder) = claims.held_by_another(*id, own.1) else {
            continue;
        };
        let other = claims
            .processors()
            .get(&holder.instance_id)
            .map(|presence| (presence.since, holder.instance_id.as_str()));
        // One that we already publish was claimed over our own claim: whoever was there first keeps it.
        let ours = outlet.speaks_of(*id) && other.is_some_and(|other| own < other);
        if !ours {
            held.insert(*id, holder.instance_id);
        }
    }
    held
}

fn say_what_changed(processor: &Processor, outlet: &Outlet) {
    let Some(settings) = processor.settings() else {
        return;
    };
    for id in settings.sources.keys() {
        match outlet.refusal(*id) {
            Some(holder) => error!(
                source_id = %id,
                holder,
                "another processor publishes this source; give one of the two another id, or stop one"
            ),
            None => info!(source_id = %id, "this source is ours"),
        }
    }
}
