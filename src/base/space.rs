//! Space on disks, and amounts of bytes in words.

use std::path::Path;
use std::time::Duration;

const DAY_S: u128 = 86_400;

/// `1.5 GB`.
pub fn shown_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The free space for this user in the file system of `path`, or of its nearest existing parent.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let exists = path.ancestors().find(|parent| parent.exists())?;
    let exists = if exists.as_os_str().is_empty() {
        Path::new(".")
    } else {
        exists
    };
    let space = rustix::fs::statvfs(exists).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The time in which `bytes_per_day` fill `room_bytes`. `None` if nothing is written.
pub fn time_to_fill(room_bytes: u64, bytes_per_day: u64) -> Option<Duration> {
    let seconds = (u128::from(room_bytes) * DAY_S).checked_div(u128::from(bytes_per_day))?;
    Some(Duration::from_secs(
        u64::try_from(seconds).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_full_after_its_bytes_by_the_rate() {
        let day = Duration::from_secs(86_400);
        assert_eq!(time_to_fill(500, 250), Some(day * 2));
        assert_eq!(time_to_fill(0, 250), Some(Duration::ZERO));
        assert_eq!(time_to_fill(500, 0), None);
        let longest = Duration::from_secs(u64::MAX);
        assert_eq!(time_to_fill(u64::MAX, 1), Some(longest));
        assert_eq!(time_to_fill(u64::MAX, u64::MAX), Some(day));
    }

    #[test]
    fn amounts_have_the_unit_that_suits_them() {
        for (bytes, words) in [
            (999, "999 bytes"),
            (1_500, "1.5 kB"),
            (12_871_680, "12.9 MB"),
            (1 << 30, "1.1 GB"),
        ] {
            assert_eq!(shown_bytes(bytes), words);
        }
    }

    #[test]
    fn a_path_that_does_not_exist_yet_has_the_space_of_its_parent() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(free_bytes(&dir.path().join("a/b")).is_some());
    }
}
