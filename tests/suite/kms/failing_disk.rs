//! A machine that records to a disk that fails for some seconds: writes that fail, syncs that hang, and a file system that becomes
//! read-only. The cameras are analysed meanwhile as before, and recorded again afterwards.
//!
//! The disk is behind the device mapper of the guest's kernel. Writes fail where files have their content. Metadata and journal are at
//! the start of the disk, where they do not: when ext4 can't write its journal, it stays read-only until it is mounted anew.

use std::path::Path;
use std::time::{Duration, Instant};

use nvr::base::{Size, unix_now};
use nvr::config::TestPattern;
use serde_json::Value;

use super::recorder::{CAMERAS, DIR, GuestRecorder, Options, recovered, shows};
use crate::recording::{fsck, recordings};
use crate::support::process::Running;
use crate::support::stage::{documents, page};
use crate::support::vm::PATIENCE;
use crate::support::wait::until;

/// High pictures have few pixels at the input of the detector, which would otherwise take all the time of an emulated processor.
const PATTERN: TestPattern = TestPattern {
    size: Size::new(160, 640),
    fps: 5.0,
    objects: 1,
};
/// Analysed frames of each camera per second.
const ANALYSED: &str = "1";
/// How the guest records.
const DURABLE_EVERY: Duration = Duration::from_secs(1);
/// The longest fragment.
const FRAGMENT: Duration = Duration::from_secs(2);
/// What may be missing besides, by the delays of an emulated machine.
const SLACK: Duration = Duration::from_secs(3);
/// The time for which events are counted.
const WINDOW: Duration = Duration::from_secs(5);
/// A fault begins again if fewer events come than usually, because others may use this machine for some seconds.
const ATTEMPTS: u32 = 3;
/// The port of the processor's page in the guest.
const PAGE: u16 = 8080;

/// One fault of the disk.
struct Fault {
    /// Lines of shell that begin and end it.
    begins: &'static str,
    ends: &'static str,
    /// Its least duration.
    lasts: Duration,
    /// The remedy in the reason, which also names the directory.
    remedy: &'static str,
    /// Whether pictures are lost.
    loses: bool,
}

/// The disk has 524,288 sectors. Metadata and journal are in the first 131,072.
const MOUNT: &str = "PATH=$PATH:/usr/sbin:/sbin \
     && dmsetup create disk --noudevsync --noudevrules --table '0 524288 linear /dev/vda 0' \
     && mount -t ext4 /dev/dm-0 /mnt";
const FAULTS: [Fault; 3] = [
    Fault {
        begins: "PATH=$PATH:/usr/sbin:/sbin \
             && printf '0 131072 linear /dev/vda 0\\n131072 393216 error\\n' | dmsetup load disk \
             && dmsetup suspend --nolockfs disk && dmsetup resume --noudevsync disk",
        ends: "PATH=$PATH:/usr/sbin:/sbin \
             && dmsetup load disk --table '0 524288 linear /dev/vda 0' \
             && dmsetup suspend --nolockfs disk && dmsetup resume --noudevsync disk",
        lasts: WINDOW,
        remedy: "Input/output error (os error 5); check the disk of /mnt/rec",
        loses: true,
    },
    // Writes and syncs wait until it is resumed.
    Fault {
        begins: "PATH=$PATH:/usr/sbin:/sbin && dmsetup suspend --nolockfs --noflush disk",
        ends: "PATH=$PATH:/usr/sbin:/sbin && dmsetup resume --noudevsync disk",
        lasts: Duration::from_secs(20),
        remedy: "the disk of /mnt/rec does not answer; check it",
        loses: false,
    },
    // As ext4 does after an error: the kernel does not ask whether files are open for writing.
    Fault {
        begins: "echo u >/proc/sysrq-trigger \
             && until grep -q ' /mnt ext4 ro' /proc/mounts; do sleep 0.1; done",
        ends: "mount -o remount,rw /mnt",
        lasts: WINDOW,
        remedy: "is read-only (Read-only file system (os error 30)); check the disk and mount it for writing",
        loses: true,
    },
];

/// The recorder, and what it tells.
struct Watched {
    guest: GuestRecorder,
    events: Running,
    /// The address of its page on this machine.
    page: String,
}

impl Watched {
    /// The number of events of each camera whose frames were captured within [`WINDOW`] from `from` on, a time since the Unix epoch.
    fn events(&self, from: Duration) -> Vec<usize> {
        let to = from + WINDOW;
        let what = format!("the events of all cameras until {to:?}");
        let count = |id| {
            let events = documents(&self.events, &format!("nvr/detections/{id}"));
            let times: Vec<Duration> = events.iter().map(captured).collect();
            times.last().filter(|last| **last >= to)?;
            let within = times.iter().filter(|&&time| (from..to).contains(&time));
            Some(within.count())
        };
        until(&what, PATIENCE, || (0..CAMERAS).map(count).collect())
    }

    /// The values of a metric, by source.
    fn metric(&self, name: &str) -> Vec<f64> {
        let page = page(&self.page, "/metrics");
        let value = |id| {
            let start = format!("{name}{{source_id=\"{id}\"}} ");
            let value = page.lines().find_map(|line| line.strip_prefix(&start));
            let value = value.and_then(|value| value.parse().ok());
            value.unwrap_or_else(|| panic!("no {start}in {page}"))
        };
        (0..CAMERAS).map(value).collect()
    }

    /// Waits until the metric of the recording is `value` for all cameras.
    fn until_metric(&self, value: f64) {
        until(&format!("nvr_recording is {value}"), PATIENCE, || {
            let all = self.metric("nvr_recording");
            all.iter().all(|is| *is == value).then_some(())
        });
    }

    /// The same, once there are some of each camera.
    fn usual_events(&self) -> Vec<usize> {
        until("all cameras are analysed", PATIENCE, || {
            let events = self.events(unix_now());
            events.iter().all(|events| *events >= 2).then_some(events)
        })
    }

    /// Makes the disk fail, and returns when it began. `usual` events of each camera were counted in [`WINDOW`] without a fault.
    fn endures(&self, fault: &Fault, usual: &[usize]) -> Duration {
        let (mut usual, mut all) = (usual.to_vec(), Vec::new());
        for _ in 0..ATTEMPTS {
            let (began, counted) = self.fails(fault);
            if goes_on(&counted, &usual) {
                return began;
            }
            all.push((counted, usual));
            usual = self.usual_events();
        }
        panic!(
            "{}: events in each window, and usually: {all:?}",
            fault.remedy
        );
    }

    /// Makes the disk fail once. Returns when it began, and the events of each [`WINDOW`] of the fault.
    fn fails(&self, fault: &Fault) -> (Duration, Vec<Vec<usize>>) {
        let dropped = self.metric("nvr_recording_groups_dropped_total");
        let (began, start) = (unix_now(), Instant::now());
        self.guest.vm.ok(fault.begins);
        self.guest.until_all(fault.remedy, PATIENCE, |recording| {
            let reason = recording["reason"].as_str().unwrap_or_default();
            recording["state"] == "failing" && reason.contains(DIR) && reason.contains(fault.remedy)
        });
        self.until_metric(0.0);
        until("the fault has lasted", fault.lasts * 2, || {
            (start.elapsed() >= fault.lasts).then_some(())
        });
        let ended = unix_now();
        self.guest.vm.ok(fault.ends);
        self.guest
            .until_all("are recorded again", PATIENCE, |recording| {
                recording["state"] == "recording"
            });
        self.until_metric(1.0);
        let more = self.metric("nvr_recording_groups_dropped_total");
        let mut cameras = std::iter::zip(&dropped, &more);
        assert!(
            cameras.all(|(before, after)| (after > before) == fault.loses),
            "{}: from {dropped:?} to {more:?} lost groups",
            fault.remedy
        );
        let mut from = began;
        let mut counted = Vec::new();
        while from + WINDOW <= ended {
            counted.push(self.events(from));
            from += WINDOW;
        }
        (began, counted)
    }
}

/// Whether events came in each window of a fault as `usual`, for each camera. A window of a few seconds may have one more or less, and
/// an emulated processor is held up now and then.
fn goes_on(windows: &[Vec<usize>], usual: &[usize]) -> bool {
    let is_half = |window: &Vec<usize>| {
        let mut cameras = std::iter::zip(window, usual);
        cameras.all(|(is, usual)| is * 2 >= *usual)
    };
    let is: usize = windows.iter().flatten().sum();
    let usually = windows.len() * usual.iter().sum::<usize>();
    windows.iter().all(is_half) && is * 4 >= usually * 3
}

/// The capture time of an event's frame, since the Unix epoch.
fn captured(event: &Value) -> Duration {
    let text = event["timestamp"].as_str().unwrap_or_default();
    let time: jiff::Timestamp = text.parse().unwrap_or_else(|_| panic!("a time in {event}"));
    Duration::from_millis(u64::try_from(time.as_millisecond()).expect("after 1970"))
}

/// Checks that the recordings of a camera have all that the promise covers at `at`, a time since the Unix epoch.
fn has_all_before(dir: &Path, camera: u32, at: Duration) {
    let files = recordings(dir, camera);
    let shown: Vec<_> = files.iter().map(|file| shows(file, PATTERN.fps)).collect();
    let before = shown.iter().filter(|(from, _)| *from < at);
    let ends = before.map(|(_, to)| *to).max().unwrap_or_default();
    let lost = at.saturating_sub(ends);
    assert!(
        lost <= DURABLE_EVERY + FRAGMENT + SLACK,
        "camera {camera} lost {lost:?} before {at:?}; {shown:?}"
    );
}

#[test]
#[ignore = "needs a virtual machine: `tools/test kms` runs it"]
fn a_failing_disk_stops_nothing_else_and_is_used_again() {
    let mut guest = GuestRecorder::start(&Options {
        name: "failing-disk",
        pattern: PATTERN,
        // So small that good recordings would be deleted if files that are given up kept what is reserved for them.
        disk_bytes: 256 << 20,
        file_system: &["-b", "4096", "-J", "size=16", "-E", "packed_meta_blocks=1"],
        mount: MOUNT,
        record: &format!("durable_every = \"{}s\"\n", DURABLE_EVERY.as_secs()),
        processor: &[
            "--backend",
            "scripted",
            "--max-fps",
            ANALYSED,
            "--http",
            &format!("0.0.0.0:{PAGE}"),
        ],
    });
    let watched = Watched {
        page: format!("127.0.0.1:{}", guest.vm.forward(PAGE)),
        events: guest.broker.observe("nvr/detections/#"),
        guest,
    };
    let usual = watched.usual_events();
    let began = FAULTS.map(|fault| watched.endures(&fault, &usual));

    let Watched { guest, .. } = watched;
    guest.vm.ok(&format!("kill {}", guest.processor.pid()));
    assert_eq!(
        guest.processor.end(PATIENCE),
        0,
        "{}",
        guest.processor.err()
    );
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
    for began in began {
        (0..CAMERAS).for_each(|id| has_all_before(&found, id, began));
    }
}
