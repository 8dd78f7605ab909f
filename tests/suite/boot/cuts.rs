//! Power cuts while a document is applied: the next start shows one of the two configurations, whole. `tools/test boot_cuts` runs it.

use std::time::Duration;

use super::outside::Outside;
use super::screens::{FIRST_PICTURE, shows_all, shows_offline};
use crate::support::device::{Device, Disks, PATIENCE};
use crate::support::process::Running;

/// How often the power is cut, if `NVR_TEST_CUTS` does not say it.
const CUTS: u32 = 4;

#[test]
#[ignore = "boots a virtual machine again and again: `tools/test boot_cuts` runs it"]
fn a_power_cut_while_a_document_is_applied_leaves_one_that_is_whole() {
    let cuts = std::env::var("NVR_TEST_CUTS").ok();
    let cuts = cuts.map_or(CUTS, |text| text.parse().expect("a number"));
    let (outside, disks) = (Outside::new(), Disks::new());
    outside.write_fleet(false);
    // The stick is plugged in while the box starts.
    let mut device = Device::power_on("cuts", &disks, true);
    let stick = disks.stick("stick", &outside.provisioning(false));
    device.plug_in(&stick);
    outside.until_online(&mut device);
    device.pull_out(&stick);
    outside.apply();
    let mut has_last = false;
    for cut in 0..cuts {
        // Somewhere between the arrival of the document and the end of its probation, later each time.
        has_last = !has_last;
        outside.write_fleet(has_last);
        let desk = outside.site.command(&["apply", "--allow-plain-secrets"]);
        let mut desk = Running::start(desk);
        desk.out().find("the document is sent", PATIENCE, |line| {
            line.starts_with("stage 1")
        });
        std::thread::sleep(Duration::from_millis(u64::from(cut) * 700));
        device.cut_power();
        device = Device::power_on(&format!("cuts-{cut}"), &disks, false);
        device.until_shown("offline", FIRST_PICTURE, shows_offline);
        // Back on the network, it takes the document where it has not applied it yet; the desk has waited.
        device.plug_cable(true);
        device.until_shown("online", PATIENCE * 2, |picture| {
            shows_all(picture, has_last)
        });
        let ended = desk.end(PATIENCE);
        assert!(ended.success(), "{:#?}", desk.out().settled());
        println!(
            "cut {} of {cuts}: one of both, and then the new one",
            cut + 1
        );
    }
}
