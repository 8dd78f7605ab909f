use std::path::PathBuf;

use super::super::fixture::{full, short};
use super::*;
use crate::config::RecordPlace;
use crate::record::Disk;

fn medium(kind: MediumKind, used_percent: Option<(u8, u8)>, spare: SpareBlocks) -> Medium {
    let disk = Disk {
        name: "sda".to_owned(),
        kind,
        model: None,
        size_bytes: Some(64_000_000_000),
        has_write_cache: Some(true),
        wear: Some(Wear {
            used_percent,
            spare,
        }),
    };
    Medium {
        dir: PathBuf::from("/rec"),
        kind,
        disks: vec![disk],
        file_system: "ext4".to_owned(),
        source: "/dev/sda1".to_owned(),
    }
}

fn settings(accept_wear: bool, budget_bytes: Option<u64>) -> RecordSettings {
    RecordSettings {
        dir: PathBuf::from("/rec"),
        budget_bytes,
        min_free_bytes: 2_000_000_000,
        min_per_camera_bytes: 0,
        prefer_events_after: std::time::Duration::from_secs(86_400),
        durable_every: std::time::Duration::from_secs(5),
        file_length: std::time::Duration::from_secs(60),
        accept_wear,
        pre_roll: std::time::Duration::from_secs(10),
        post_roll: std::time::Duration::from_secs(10),
        place: RecordPlace::First,
        next: None,
    }
}

#[test]
fn media_that_endanger_recordings_are_named() {
    let line = |kind, accept_wear| {
        let medium = medium(kind, None, SpareBlocks::Unknown);
        short(&medium_line(&medium, &settings(accept_wear, None), 4))
    };
    let cache = "64.0 GB, ext4 on /dev/sda1; write cache: volatile, flushed by each sync";
    for (kind, accept_wear, expected) in [
        (
            MediumKind::Emmc,
            false,
            "Fault | medium of /rec | nothing is recorded: record.dir = /rec: it is on an eMMC (64.0 GB), and recording 4 cameras of 4 Mbit/s wears it out in about 12 to 24 months".to_owned(),
        ),
        (
            MediumKind::SdCard,
            true,
            format!("Warning | medium of /rec | SD card, {cache}; recording wears it out, which record.accept_wear accepts"),
        ),
        (
            MediumKind::Memory,
            false,
            format!("Warning | medium of /rec | memory, {cache}; recordings are lost without power"),
        ),
        (
            MediumKind::Network,
            false,
            format!("Warning | medium of /rec | network, {cache}; whether a synced recording survives a power cut is up to the server"),
        ),
        (
            MediumKind::Virtual,
            false,
            format!("Ok | medium of /rec | virtual disk, {cache}; recordings survive a power cut only if the host passes flushes on"),
        ),
        (MediumKind::Nvme, false, format!("Ok | medium of /rec | NVMe drive, {cache}")),
    ] {
        assert_eq!(line(kind, accept_wear), expected);
    }
    let emmc = medium(MediumKind::Emmc, None, SpareBlocks::Unknown);
    let refused = medium_line(&emmc, &settings(false, None), 4);
    assert_eq!(
        refused.remedy.as_deref(),
        Some("use an SSD, or set record.accept_wear = true")
    );
}

#[test]
fn the_next_directory_is_told_by_its_own_keys() {
    let next = RecordSettings {
        place: RecordPlace::Next,
        ..settings(false, Some(1 << 60))
    };
    let memory = medium(MediumKind::Memory, None, SpareBlocks::Unknown);
    let line = medium_line(&memory, &next, 4);
    assert_eq!(
        line.remedy.as_deref(),
        Some("set record.next_dir to a directory on a disk")
    );
    let card = medium(MediumKind::SdCard, None, SpareBlocks::Unknown);
    let refused = medium_line(&card, &next, 4);
    assert!(
        refused.found.contains("record.next_dir = /rec"),
        "{refused:?}"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let remedy = space_line(dir.path(), &next, None).remedy;
    let remedy = remedy.expect("it does not fit");
    assert!(
        remedy.starts_with("lower record.next_budget to "),
        "{remedy}"
    );
}

#[test]
fn two_directories_on_one_disk_are_a_warning() {
    let first = medium(MediumKind::Ssd, None, SpareBlocks::Unknown);
    let mut next = Medium {
        dir: PathBuf::from("/b"),
        ..first.clone()
    };
    let line = same_disk_line(&first, &next).expect("a line");
    assert_eq!(
        short(&line),
        "Warning | disk of /b | sda, as that of /rec: when it fails, nothing takes over"
    );
    next.disks[0].name = "sdb".to_owned();
    assert_eq!(same_disk_line(&first, &next), None);
    // What is not known may be another one.
    next.disks.clear();
    assert_eq!(same_disk_line(&first, &next), None);
}

#[test]
fn a_worn_disk_is_a_warning_and_one_at_its_end_a_fault() {
    for (used, spare, expected) in [
        (
            Some((70, 80)),
            SpareBlocks::Normal,
            "Ok | wear of sda by recordings | 70–80 % of its life time used",
        ),
        (
            Some((80, 90)),
            SpareBlocks::Normal,
            "Warning | wear of sda by recordings | 80–90 % of its life time used",
        ),
        (
            Some((100, 100)),
            SpareBlocks::Normal,
            "Fault | wear of sda by recordings | all of its life time used",
        ),
        (
            Some((0, 10)),
            SpareBlocks::Low,
            "Warning | wear of sda by recordings | 0–10 % of its life time used, and 80 % of its spare blocks",
        ),
        (
            Some((0, 10)),
            SpareBlocks::Urgent,
            "Fault | wear of sda by recordings | 0–10 % of its life time used, and nearly all of its spare blocks",
        ),
    ] {
        let line = wear_line(&medium(MediumKind::Emmc, used, spare), None).expect("a line");
        assert_eq!(short(&line), expected);
        assert_eq!(line.remedy.is_some(), line.state != State::Ok);
    }
    let nvme = medium(MediumKind::Nvme, Some((3, 3)), SpareBlocks::Unknown);
    let line = wear_line(&nvme, Some(17_000_000_000)).expect("a line");
    assert_eq!(
        full(&line),
        r#"Ok | wear of sda by recordings | 3 % of its life time used; it lasts about 2 to 6 years at 17.0 GB a day, if the whole disk can be written 200 to 600 times {"life_days_least": 730.0, "life_days_most": 2191.0}"#
    );
    let unknown = Medium {
        disks: Vec::new(),
        ..nvme
    };
    assert_eq!(wear_line(&unknown, Some(1)), None);
}

#[test]
fn a_budget_that_does_not_fit_is_a_warning() {
    let dir = tempfile::tempdir().expect("a folder");
    let line = |budget| {
        space_line(
            &dir.path().join("a/b"),
            &settings(false, budget),
            Some(5_000_000_000),
        )
    };
    let none = line(None);
    assert_eq!(none.state, State::Ok);
    assert!(
        none.found
            .ends_with("budget: none, min_free: 2.0 GB; 5.0 GB a day are recorded"),
        "{none:?}"
    );
    assert!(none.figures["free_bytes"] > 0.0);
    let too_large = line(Some(1 << 60));
    assert_eq!(too_large.state, State::Warning);
    let quiet = space_line(dir.path(), &settings(false, None), None);
    assert!(
        quiet
            .found
            .ends_with("nothing was recorded within the last hour"),
        "{quiet:?}"
    );
}
