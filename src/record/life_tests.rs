use std::path::PathBuf;

use super::super::medium::{SpareBlocks, Wear};
use super::*;

const GB: u64 = 1_000_000_000;

fn disk(kind: MediumKind, size_gb: u64, used_percent: Option<(u8, u8)>) -> Disk {
    Disk {
        name: "mmcblk0".to_owned(),
        kind,
        model: Some("G1M15L".to_owned()),
        size_bytes: Some(size_gb * GB),
        has_write_cache: None,
        wear: Some(Wear {
            used_percent,
            spare: SpareBlocks::Normal,
        }),
    }
}

fn medium(disk: Disk) -> Medium {
    Medium {
        dir: PathBuf::from("/srv/rec"),
        kind: disk.kind,
        disks: vec![disk],
        file_system: "ext4".to_owned(),
        source: "/dev/mmcblk0p1".to_owned(),
    }
}

#[test]
fn life_follows_size_wear_and_rate() {
    // 64 GB, 1000 to 2000 times: 64 to 128 TB.
    for (kind, used, per_day, expected) in [
        (
            MediumKind::Emmc,
            None,
            172 * GB,
            "about 12 to 24 months at 172.0 GB a day, if the whole disk can be written 1000 to 2000 times and is new",
        ),
        (
            MediumKind::Emmc,
            Some((40, 50)),
            172 * GB,
            "about 6 to 15 months at 172.0 GB a day, if the whole disk can be written 1000 to 2000 times",
        ),
        (
            MediumKind::Emmc,
            Some((90, 100)),
            172 * GB,
            "about 0 to 74 days at 172.0 GB a day, if the whole disk can be written 1000 to 2000 times",
        ),
        (
            MediumKind::SdCard,
            None,
            43 * GB,
            "about 8 to 98 months at 43.0 GB a day, if the whole disk can be written 166 to 2000 times and is new",
        ),
        (
            MediumKind::Nvme,
            Some((3, 4)),
            GB / 10,
            "over 50 years at 100.0 MB a day, if the whole disk can be written 200 to 600 times",
        ),
        (
            MediumKind::Ssd,
            None,
            10 * GB,
            "about 4 to 11 years at 10.0 GB a day, if the whole disk can be written 200 to 600 times and is new",
        ),
    ] {
        let life = Life::of(&disk(kind, 64, used), per_day).expect("a life");
        assert_eq!(life.to_string(), expected);
    }
    let life = Life::of(&disk(MediumKind::Emmc, 64, Some((40, 50))), 172 * GB).expect("a life");
    assert_eq!(life.shortest.as_secs() / DAY_S, 186);
    assert_eq!(life.longest.as_secs() / DAY_S, 446);
}

#[test]
fn no_life_is_made_up() {
    let hard_disk = disk(MediumKind::HardDisk, 4000, None);
    let worn = disk(MediumKind::Emmc, 64, Some((100, 100)));
    let new = disk(MediumKind::Emmc, 64, None);
    let without_size = Disk {
        size_bytes: None,
        ..new.clone()
    };
    assert_eq!(Life::of(&hard_disk, GB), None);
    assert_eq!(Life::of(&worn, GB), None);
    assert_eq!(Life::of(&new, 0), None);
    assert_eq!(Life::of(&without_size, GB), None);
    let life = Life::of(&disk(MediumKind::Emmc, u64::MAX / GB, None), 1).expect("a life");
    assert_eq!(life.longest, Duration::MAX);
}

#[test]
fn cards_are_refused_until_their_wear_is_accepted() {
    let emmc = medium(disk(MediumKind::Emmc, 64, None));
    assert_eq!(
        refuse_medium(&emmc, "record.dir", 4, false).as_deref(),
        Some(
            "record.dir = /srv/rec: it is on an eMMC (G1M15L, 64.0 GB), and recording 4 cameras of 4 Mbit/s wears it out in about 12 to 24 months; use an SSD, or set record.accept_wear = true"
        )
    );
    assert_eq!(refuse_medium(&emmc, "record.dir", 4, true), None);
    let bare = medium(Disk {
        model: None,
        size_bytes: None,
        ..disk(MediumKind::SdCard, 0, None)
    });
    assert_eq!(
        refuse_medium(&bare, "record.next_dir", 0, false).as_deref(),
        Some(
            "record.next_dir = /srv/rec: it is on an SD card, and recording 1 camera of 4 Mbit/s wears it out soon; use an SSD, or set record.accept_wear = true"
        )
    );
    for kind in [
        MediumKind::Nvme,
        MediumKind::HardDisk,
        MediumKind::Usb,
        MediumKind::Memory,
        MediumKind::Unknown,
    ] {
        let medium = medium(disk(kind, 64, None));
        assert_eq!(refuse_medium(&medium, "record.dir", 4, false), None);
    }
}

#[test]
fn spans_have_the_unit_that_suits_them() {
    let days = |days: u64| Duration::from_secs(days * DAY_S);
    for (shortest, longest, expected) in [
        (0, 0, "less than a day"),
        (1, 1, "about 1 day"),
        (20, 40, "about 20 to 40 days"),
        (90, 95, "about 3 months"),
        (731, 1800, "about 2 to 5 years"),
        (20_000, 90_000, "over 50 years"),
    ] {
        assert_eq!(span(days(shortest), days(longest)), expected);
    }
}
