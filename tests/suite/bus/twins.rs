//! Two clients with one id: each names the other, and the one that started first stays connected.

use std::time::{Duration, Instant};

use nvr::base::SessionId;
use nvr::bus::{Link, LinkOptions};
use tokio::runtime::Runtime;

use super::{Kind, against_both, connected, retrying_quickly, runtime, settings, start};
use crate::support::broker::Broker;
use crate::support::wait::{SOON, until};

against_both! {
    two_clients_with_one_id_name_each_other_and_the_first_stays
}

/// Time for which the first one must stay connected.
const STEADY: Duration = Duration::from_secs(5);

fn link(runtime: &Runtime, broker: &Broker, session: &str) -> Link {
    let options = LinkOptions {
        session: SessionId(session.to_owned()),
        // Each needs time to publish its presence before the other one takes the connection.
        retry_first: Duration::from_millis(300),
        retry_longest: Duration::from_secs(1),
        ..retrying_quickly(settings(broker.port()))
    };
    start(runtime, options)
}

fn two_clients_with_one_id_name_each_other_and_the_first_stays(kind: Kind) {
    let broker = Broker::start(kind);
    let runtime = runtime();
    let first = link(&runtime, &broker, "first");
    connected(&first);
    // The start of a run is published in milliseconds.
    until("a later start", SOON, || {
        (jiff::Timestamp::now().as_millisecond() > first.began().as_millisecond()).then_some(())
    });
    let second = link(&runtime, &broker, "second");
    let of_first = until("the first names the second", SOON, || first.twin());
    assert_eq!((&*of_first.session.0, of_first.is_first), ("second", false));
    let of_second = until("the second names the first", SOON, || second.twin());
    assert_eq!((&*of_second.session.0, of_second.is_first), ("first", true));
    until("the second gives way", SOON, || {
        (first.counters().connected && !second.counters().connected).then_some(())
    });
    let (reconnects, start) = (first.counters().reconnects, Instant::now());
    until("a steady connection", SOON, || {
        let counters = first.counters();
        assert!(counters.connected && counters.reconnects == reconnects);
        assert!(!second.counters().connected, "it comes back too soon");
        (start.elapsed() >= STEADY).then_some(())
    });
}
