//! A machine that records and loses its power: QEMU is killed, with a disk that it writes past this machine's cache.
#![expect(
    clippy::print_stdout,
    reason = "how far hundreds of cuts have come, and what each cost"
)]

use std::time::{Duration, SystemTime};

use nvr::base::Size;
use nvr::config::TestPattern;

use super::recorder::{CAMERAS, GuestRecorder, Options, recovered, shows};
use crate::recording::{fsck, plays, recordings};

const PATTERN: TestPattern = TestPattern {
    size: Size::new(320, 240),
    fps: 10.0,
    objects: 2,
};
/// How the guest records.
const DURABLE_EVERY: Duration = Duration::from_secs(2);
/// What may be missing besides: a fragment of 2 s, and the delays of an emulated machine.
const SLACK: Duration = Duration::from_secs(6);

/// Four cameras are recorded in a guest until its power is cut after `after`. All that is older than the promise is there.
/// Returns the longest time that one of them lost.
fn survives(name: &str, after: Duration) -> Duration {
    let guest = GuestRecorder::start(&Options {
        name,
        pattern: PATTERN,
        disk_bytes: 256 << 20,
        file_system: &[],
        mount: "mount -t ext4 /dev/vda /mnt",
        record: &format!(
            "file_length = \"8s\"\ndurable_every = \"{}s\"\n",
            DURABLE_EVERY.as_secs()
        ),
        processor: &["--backend", "none"],
    });
    std::thread::sleep(after);
    let cut_at = SystemTime::now();
    let GuestRecorder {
        broker,
        cameras,
        vm,
        dir,
        ..
    } = guest;
    drop(vm);

    let found = recovered(&dir, &broker, &cameras);
    let (code, said) = fsck(&found);
    assert_eq!(code, Some(0), "{said}");
    let mut longest = Duration::ZERO;
    for id in 0..CAMERAS {
        let files = recordings(&found, id);
        let last = files
            .last()
            .unwrap_or_else(|| panic!("camera {id} has no recording"));
        files.iter().for_each(|file| plays(file));
        let (_, ends) = shows(last, PATTERN.fps);
        let cut = cut_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let lost = cut.saturating_sub(ends);
        assert!(
            lost <= DURABLE_EVERY + SLACK,
            "camera {id} lost {lost:?}; {files:?}"
        );
        longest = longest.max(lost);
    }
    longest
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn what_was_recorded_survives_a_power_cut() {
    // `tools/test power_cuts` sets it to 200.
    let cuts = std::env::var("NVR_TEST_POWER_CUTS").ok();
    let cuts: u32 = cuts.map_or(1, |cuts| {
        cuts.parse().expect("NVR_TEST_POWER_CUTS is a number")
    });
    for cut in 1..=cuts {
        let after = Duration::from_millis(11_000 + fastrand::u64(..5_000));
        let longest = survives("power-cut", after);
        println!("power cut {cut} of {cuts} after {after:?}: at most {longest:.1?} lost");
    }
}
