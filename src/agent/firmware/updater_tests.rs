//! Updates on a box in memory, with a power cut at every point.

use std::time::Duration;

use super::record::Step;
use super::test_box::{Box, Image};
use super::updater::{Action, Facts, Job};
use crate::fetch::{Fault, Retry};

const UPDATE: &str = r#"{"schema":1,"generation":5,"firmware":{"url":"https://a/i","sha256":"HASH","version":"2","generation":1}}"#;

#[test]
fn a_good_image_is_installed_and_confirmed() {
    let mut good = Box::new(Image::Good);
    good.settle(UPDATE);
    assert_eq!(
        (good.step(), good.running, good.active),
        (Step::Confirmed, "b", "b")
    );
    assert_eq!(good.jobs, [Job::Install, Job::SetNext, Job::Confirm]);
    assert_eq!(good.boots, 1);
}

#[test]
fn an_image_that_does_not_boot_is_reported_and_not_tried_again() {
    let mut bad = Box::new(Image::DoesNotBoot);
    bad.settle(UPDATE);
    assert_eq!((bad.step(), bad.running), (Step::RolledBack, "a"));
    assert_eq!((bad.code(), bad.fetches), (Some("did-not-boot"), 1));
    let told = bad.updater.problem().expect("a reason").to_string();
    assert!(told.contains("new slot did not boot"), "{told}");
    // A newer generation is tried.
    let again = UPDATE.replace("\"generation\":1}", "\"generation\":2}");
    bad.image = Image::Good;
    bad.settle(&again.replace("\"generation\":5", "\"generation\":6"));
    assert_eq!((bad.step(), bad.fetches), (Step::Confirmed, 2));
}

#[test]
fn an_unhealthy_image_is_left_in_time_with_its_reason() {
    let mut bad = Box::new(Image::Unhealthy);
    bad.settle(UPDATE);
    assert_eq!(
        (bad.step(), bad.running, bad.active),
        (Step::RolledBack, "a", "a")
    );
    let told = bad.updater.problem().expect("a reason").to_string();
    let wanted = "version 2 was not healthy within 1m 40s: the processor does not run";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn a_power_cut_at_any_point_leads_to_one_slot_and_the_box_knows_which() {
    for image in [Image::Good, Image::DoesNotBoot, Image::Unhealthy] {
        let mut whole = Box::new(image);
        whole.settle(UPDATE);
        for cut_at in 1..=whole.points {
            let mut cut = Box::new(image);
            cut.cut_at = Some(cut_at);
            cut.settle(UPDATE);
            let end = (cut.step(), cut.running);
            let wanted: &[(Step, &str)] = match image {
                // A restart before the confirmation makes the bootloader return.
                Image::Good => &[(Step::Confirmed, "b"), (Step::RolledBack, "a")],
                _ => &[(Step::RolledBack, "a")],
            };
            assert!(
                wanted.contains(&end),
                "cut at {cut_at}: {end:?} {:?}",
                cut.jobs
            );
            assert_eq!(cut.active, cut.running, "cut at {cut_at}");
            assert!(
                !cut.reboots && cut.boots <= 4,
                "cut at {cut_at}: {}",
                cut.boots
            );
        }
    }
}

#[test]
fn a_wrong_file_fails_for_good_and_a_network_that_is_down_does_not() {
    let mut wrong = Box::new(Image::Good);
    wrong.fetch_fails = Some(Fault::content("another hash"));
    wrong.settle(UPDATE);
    assert_eq!(
        (wrong.step(), wrong.code()),
        (Step::Failed, Some("wrong-content"))
    );
    assert_eq!(wrong.fetches, 1);
    wrong.start_agent();
    wrong.settle(UPDATE);
    assert_eq!(wrong.fetches, 1, "it stays failed after a restart");
    let mut down = Box::new(Image::Good);
    down.fetch_fails = Some(Fault::fetch("no route").with(Retry::Backoff(Duration::from_secs(9))));
    down.settle(UPDATE);
    assert_eq!(
        (down.step(), down.code()),
        (Step::Downloading, Some("fetch-failed"))
    );
    assert!(down.fetches > 3, "{}", down.fetches);
    down.fetch_fails = None;
    down.settle(UPDATE);
    assert_eq!(down.step(), Step::Confirmed);
}

#[test]
fn an_installer_that_fails_is_told_with_its_words() {
    let mut bad = Box::new(Image::Good);
    bad.install_fails = true;
    bad.settle(UPDATE);
    assert_eq!((bad.step(), bad.running), (Step::Failed, "a"));
    let told = bad.updater.problem().expect("a reason").to_string();
    assert!(
        told.contains("tool: no space") && told.contains("not-installed"),
        "{told}"
    );
    assert_eq!(bad.jobs, [Job::Install]);
}

#[test]
fn a_newer_document_without_firmware_takes_it_back_until_the_installation_begins() {
    let mut box_1 = Box::new(Image::Good);
    box_1.fetch_fails = Some(Fault::fetch("no route"));
    box_1.desire(UPDATE);
    assert_eq!(box_1.step(), Step::Downloading);
    // An older one, which comes late, takes nothing back.
    box_1.desire(r#"{"schema":1,"generation":4}"#);
    assert_eq!(box_1.step(), Step::Downloading);
    box_1.desire(r#"{"schema":1,"generation":6}"#);
    assert_eq!(box_1.step(), Step::Idle);
    // The former firmware as a newer order: it runs already.
    box_1.desire(
        &UPDATE
            .replace("\"version\":\"2\"", "\"version\":\"1\"")
            .replace("n\":1}", "n\":2}")
            .replace("n\":5", "n\":7"),
    );
    assert_eq!((box_1.step(), box_1.jobs.len()), (Step::Confirmed, 0));
    let mut confirmed = Box::new(Image::Good);
    confirmed.settle(UPDATE);
    confirmed.settle(r#"{"schema":1,"generation":6}"#);
    assert_eq!(
        (confirmed.step(), confirmed.running),
        (Step::Confirmed, "b")
    );
}

#[test]
fn a_generation_names_one_image() {
    let mut box_1 = Box::new(Image::Good);
    box_1.settle(UPDATE);
    box_1.desire(
        &UPDATE
            .replace("\"version\":\"2\"", "\"version\":\"3\"")
            .replace("n\":5", "n\":6"),
    );
    assert_eq!(box_1.code(), Some("same-generation"));
    assert_eq!(box_1.step(), Step::Confirmed);
}

#[test]
fn it_waits_for_its_window_and_for_the_end_of_a_trial() {
    let mut box_1 = Box::new(Image::Good);
    // The clock of the box is not synchronised.
    let window = UPDATE.replace(
        "\"firmware\"",
        "\"not_before\":\"2026-01-01T00:00:00Z\",\"firmware\"",
    );
    box_1.settle(&window);
    assert_eq!(
        (box_1.step(), box_1.code()),
        (Step::Waiting, Some("clock-unknown"))
    );
    let facts = Facts {
        wall: "2026-01-02T00:00:00Z".parse().ok(),
        is_tried: true,
        ..box_1.facts()
    };
    assert_eq!(box_1.updater.advance(&facts), []);
    let facts = Facts {
        is_tried: false,
        ..facts
    };
    let actions = box_1.updater.advance(&facts);
    assert!(matches!(actions[..], [Action::Fetch(_)]), "{actions:?}");
}

#[test]
fn without_an_installer_nothing_is_fetched() {
    let mut box_1 = Box::new(Image::Good);
    box_1.updater.no_installer = Some("no firmware.toml".to_owned());
    box_1.settle(UPDATE);
    assert_eq!(
        (box_1.step(), box_1.code()),
        (Step::Failed, Some("no-installer"))
    );
    assert_eq!(box_1.fetches, 0);
}

#[test]
fn people_may_confirm_and_return_by_hand() {
    let mut box_1 = Box::new(Image::Unhealthy);
    let until_confirming = |box_1: &mut Box| {
        while box_1.step() != Step::Confirming {
            box_1.desire(UPDATE);
            box_1.tick(1);
        }
    };
    until_confirming(&mut box_1);
    box_1.updater.confirm_now();
    box_1.tick(1);
    assert_eq!((box_1.step(), box_1.active), (Step::Confirmed, "b"));
    let actions = box_1.updater.return_now();
    box_1.carry_out(actions);
    box_1.settle(UPDATE);
    assert_eq!((box_1.step(), box_1.running), (Step::RolledBack, "a"));
    assert_eq!(box_1.code(), Some("by-hand"));
}
