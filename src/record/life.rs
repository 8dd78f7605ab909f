//! How long a disk lasts while it is recorded to, and whether it may be: a pure estimate by its size, its wear and the written bytes.
//!
//! Makers of eMMC and SD cards seldom state how much may be written. So the estimate is a range, and its text names what it assumes.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::medium::{Disk, Medium, MediumKind};
use crate::base::{counted, shown_bytes};

/// Bytes that flash memory writes for each byte of a recording. Appends of some MB are sequential, but each flush, every few seconds for
/// each file, writes a part of a page, the journal and the lists of blocks again.
const WRITE_AMPLIFICATION: (f64, f64) = (1.5, 3.0);
/// Erase cycles of the cells of eMMC. Those of three bits a cell have 3,000; industrial ones have more.
const EMMC_CYCLES: (f64, f64) = (3_000.0, 3_000.0);
/// Erase cycles of SD cards, which state none: cheap ones and those for continuous recording.
const SD_CYCLES: (f64, f64) = (500.0, 3_000.0);
/// How often makers let the host write the whole of an NVMe or SATA drive: four bits a cell, and three.
const DRIVE_WRITES: (f64, f64) = (200.0, 600.0);
/// What a camera sends, where it is not measured yet: 4 Mbit/s.
const CAMERA_BYTES_PER_DAY: u64 = 4_000_000 / 8 * DAY_S;
const DAY_S: u64 = 86_400;

/// How long a disk lasts from now on, at a rate of writing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// The least that is expected.
    pub shortest: Duration,
    /// The most that is expected.
    pub longest: Duration,
    /// The rate.
    pub bytes_per_day: u64,
    /// How often the whole disk can be written from new, at least and at most. It is assumed by the kind of the disk.
    pub whole_writes: (u32, u32),
    /// Whether the present wear is known. Otherwise the disk counts as new.
    pub is_wear_known: bool,
}

impl Life {
    /// The life of a disk to which `bytes_per_day` are recorded. `None` without a rate or a size, if its life time is used up, and if no
    /// such rule applies to this kind of disk.
    pub fn of(disk: &Disk, bytes_per_day: u64) -> Option<Self> {
        let of_cycles = |(least, most): (f64, f64)| {
            let (fewest, most_written) = WRITE_AMPLIFICATION;
            (least / most_written, most / fewest)
        };
        let (least, most) = match disk.kind {
            MediumKind::Emmc => of_cycles(EMMC_CYCLES),
            MediumKind::SdCard => of_cycles(SD_CYCLES),
            MediumKind::Nvme | MediumKind::Ssd => DRIVE_WRITES,
            _ => return None,
        };
        let size = disk.size_bytes.filter(|_| bytes_per_day > 0)? as f64;
        let used = disk.wear.and_then(|wear| wear.used_percent);
        let (used_least, used_most) = used.unwrap_or((0, 0));
        if used_least >= 100 {
            return None;
        }
        let left = |used: u8| f64::from(100_u8.saturating_sub(used)) / 100.0;
        let time = |whole_writes: f64, left: f64| {
            let days = size * whole_writes * left / bytes_per_day as f64;
            Duration::try_from_secs_f64(days * DAY_S as f64).unwrap_or(Duration::MAX)
        };
        Some(Self {
            shortest: time(least, left(used_most)),
            longest: time(most, left(used_least)),
            bytes_per_day,
            whole_writes: (least as u32, most as u32),
            is_wear_known: used.is_some(),
        })
    }
}

impl Display for Life {
    /// `about 12 to 24 months at 172.8 GB a day, if the whole disk can be written 1000 to 2000 times and is new`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (least, most) = self.whole_writes;
        let rate = shown_bytes(self.bytes_per_day);
        let new = if self.is_wear_known {
            ""
        } else {
            " and is new"
        };
        let span = span(self.shortest, self.longest);
        write!(
            f,
            "{span} at {rate} a day, if the whole disk can be written {least} to {most} times{new}"
        )
    }
}

/// Why nothing is recorded to this medium, with the remedy; `None` if it may be. `key` is the setting that names its folder, and `cameras`
/// are those that are to be recorded.
pub fn refuse_medium(
    medium: &Medium,
    key: &str,
    cameras: usize,
    accept_wear: bool,
) -> Option<String> {
    if accept_wear || !medium.kind.wears_out() {
        return None;
    }
    let disk = medium.disk()?;
    let size = disk.size_bytes.map(shown_bytes);
    let details: Vec<String> = disk.model.clone().into_iter().chain(size).collect();
    let details = match &details[..] {
        [] => String::new(),
        details => format!(" ({})", details.join(", ")),
    };
    // At least one: a processor without cameras may get one at any time.
    let cameras = cameras.max(1);
    let bytes_per_day = CAMERA_BYTES_PER_DAY.saturating_mul(cameras as u64);
    let life = Life::of(disk, bytes_per_day);
    let soon = life.map_or("soon".to_owned(), |life| {
        format!("in {}", span(life.shortest, life.longest))
    });
    let cameras = counted(cameras, "camera");
    Some(format!(
        "{key} = {}: it is on an {}{details}, and recording {cameras} of 4 Mbit/s wears it out {soon}; use an SSD, or set record.accept_wear = true",
        medium.dir.display(),
        disk.kind.name(),
    ))
}

/// `about 2 to 4 years`, in the largest unit in which the lower end is at least two.
fn span(shortest: Duration, longest: Duration) -> String {
    let days = |time: Duration| time.as_secs_f64() / DAY_S as f64;
    let (least, most) = (days(shortest), days(longest));
    let (unit, unit_days) = match least {
        ..60.0 => ("day", 1.0),
        ..730.0 => ("month", 30.44),
        _ => ("year", 365.25),
    };
    let (least, most) = (least / unit_days, (most / unit_days).round());
    if unit == "year" && least > 50.0 {
        return "over 50 years".to_owned();
    }
    let least = least.round();
    if most < 1.0 {
        return "less than a day".to_owned();
    }
    let s = if most == 1.0 { "" } else { "s" };
    match least < most {
        true => format!("about {least} to {most} {unit}s"),
        false => format!("about {most} {unit}{s}"),
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
