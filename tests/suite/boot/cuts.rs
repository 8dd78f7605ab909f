//! Power cuts while a document is applied: the next start shows one of the two configurations, whole. `tools/test boot_cuts` runs it.

use std::time::Duration;

use super::outside::Outside;
use super::screens::{FIRST_PICTURE, shows_all, shows_offline};
use crate::support::device::{Device, Disks, PATIENCE};
use crate::support::process::Running;
use crate::support::wait::SOON;

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
        // Back on the network, the box takes a document that it has not begun. One that it had begun is not tried again, and one that
        // takes the picture of a camera away is reverted; the desk, which has waited, takes both back.
        device.plug_cable(true);
        let is_new = desk.end(PATIENCE * 2).success();
        if !is_new {
            has_last = !has_last;
            desk.out().find("the reason", SOON, |line| {
                let reasons = ["when this box or its agent went down", "source-lost"];
                reasons.iter().any(|reason| line.contains(reason))
            });
        }
        device.until_shown("online", PATIENCE, |picture| shows_all(picture, has_last));
        let shown = if is_new { "the new one" } else { "taken back" };
        println!("cut {} of {cuts}: one of both, and then {shown}", cut + 1);
    }
}
