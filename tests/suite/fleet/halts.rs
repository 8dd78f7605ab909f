//! A halt in which everything goes wrong: two boxes are offline, and the desk and the broker go down in the middle.

use serde_json::Value;

use super::{ROLLOUT, Site, apply};
use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::Running;
use crate::support::wait::{SOON, until, until_true};

/// What happens to the broker between the death of the desk and its return.
#[derive(Debug, Clone, Copy, PartialEq)]
enum BrokerFate {
    Stays,
    RestartsWithItsMemory,
    RestartsEmpty,
}

/// Starts the desk and kills it as soon as `count` documents of a generation above `above` have come to the broker.
fn killed_after(site: &Site, arguments: &[&str], above: u64, count: usize) {
    let documents = site.broker.observe("nvr/fleet/+/desired");
    let desk = Running::start(site.command(arguments));
    until_true("the desk has published", ROLLOUT, || {
        let newer = |line: &String| {
            let document = line.splitn(3, ' ').nth(2)?;
            let document: Value = serde_json::from_str(document).ok()?;
            (document["generation"].as_u64()? > above).then_some(())
        };
        documents.out().all().iter().filter_map(newer).count() >= count
    });
    drop(desk);
}

/// Every report of the devices, so that a document that was applied for a moment is seen too.
fn reports(site: &Site) -> Running {
    site.broker.observe("nvr/fleet/+/reported")
}

/// Of the boxes that were offline.
fn nobody_applied_the_bad_document(reports: &Running, bad: u64) {
    let lines = reports.out().all();
    let of_offline = |line: &&String| !line.contains("/d1/") && !line.contains("/d2/");
    for line in lines.iter().filter(of_offline) {
        let report = line.splitn(3, ' ').nth(2).unwrap_or_default();
        let report: Value = serde_json::from_str(report).expect("JSON");
        let is_bad = report["generation"] == bad || report["applied"] == bad;
        assert!(!is_bad, "{line}");
    }
}

fn a_halt_that_is_killed(fate: BrokerFate) {
    let setup = Setup {
        persistence: fate == BrokerFate::RestartsWithItsMemory,
        ..Setup::default()
    };
    let mut site = Site::on(Broker::start_with(Kind::Mosquitto, setup), 4, "gate");
    {
        let _all = site.simulate(&["d1", "d2", "d3", "d4"], &["--apply-time", "100ms"]);
        let (code, text) = site.run(&apply(&["--batch", "100%"]));
        assert_eq!(code, 0, "{text}");
    }
    until_true("all are offline", SOON, || {
        ["d1", "d2", "d3", "d4"]
            .iter()
            .all(|device| site.retained(device)["presence"]["state"] != "online")
    });
    // Two boxes take the bad document very slowly; two are offline, and have it on the broker.
    let slow = site.simulate(&["d1", "d2"], &["--apply-time", "1h"]);
    site.write("bad");
    let everywhere = apply(&["--canary", "0", "--batch", "100%"]);
    killed_after(&site, &everywhere, 1, 4);
    drop(slow);
    // The desk is killed in the middle of the halt as well.
    killed_after(&site, &["halt"], 2, 1);
    match fate {
        BrokerFate::Stays => {}
        BrokerFate::RestartsWithItsMemory | BrokerFate::RestartsEmpty => {
            site.broker.stop();
            site.broker.up();
        }
    }
    let (code, text) = site.run(&["halt"]);
    assert_eq!(code, 0, "{text}");
    let reports = reports(&site);
    let _returned = site.simulate(&["d3", "d4"], &["--apply-time", "0s"]);
    for device in ["d3", "d4"] {
        let shown = until("the former body is applied", SOON, || {
            let shown = site.retained(device);
            let applied = shown["reported"]["applied"].as_u64() > Some(2)
                && shown["reported"]["phase"] == "applied";
            applied.then_some(shown)
        });
        let name = &shown["desired"]["document"]["processor"]["camera"][0]["name"];
        assert_eq!(name, "gate", "{device} {text}");
    }
    nobody_applied_the_bad_document(&reports, 2);
}

#[test]
fn a_halt_that_is_killed_is_completed_and_offline_boxes_never_apply_the_bad_document() {
    a_halt_that_is_killed(BrokerFate::Stays);
}

#[test]
fn a_halt_that_is_killed_is_completed_after_the_broker_has_restarted() {
    a_halt_that_is_killed(BrokerFate::RestartsWithItsMemory);
}

#[test]
fn a_halt_that_is_killed_is_completed_after_the_broker_has_lost_everything() {
    a_halt_that_is_killed(BrokerFate::RestartsEmpty);
}
