//! The disk of the recordings: its kind, its cache, its space, its wear, and how long it lasts at the present rate.

use std::path::Path;

use super::{Emit, Line, Machine, State, flash_wear};
use crate::base::{shown_bytes, unix_now};
use crate::config::{Loaded, RecordChoice, RecordSettings};
use crate::record::{
    Life, Medium, MediumKind, SpareBlocks, Wear, per_day, recent_rates, refuse_medium,
};

/// A disk should be replaced from this share of its life time on.
const WORN_PERCENT: u8 = 80;

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let file = machine.config.file.as_ref();
    let loaded = file.and_then(|file| file.processor.as_ref().ok());
    let recorded = loaded.and_then(|loaded| Some((loaded, loaded.settings.record.as_ref()?)));
    let Some((loaded, settings)) = recorded else {
        let found = "nothing is recorded: no configuration with record.dir is read";
        emit(Line::ok("recordings", found));
        return;
    };
    let cameras = cameras(loaded);
    let first = check_directory(machine, settings, cameras, emit);
    if let Some(settings) = settings.of_next() {
        let next = check_directory(machine, &settings, cameras, emit);
        if let Some(line) = same_disk_line(&first, &next) {
            emit(line);
        }
    }
}

/// Tells of one directory of recordings, and returns its medium.
fn check_directory(
    machine: &Machine,
    settings: &RecordSettings,
    cameras: usize,
    emit: Emit<'_>,
) -> Medium {
    let mut medium = Medium::in_tree(machine.tree.root(), &settings.dir);
    if machine.tree.is_machine() {
        ask_for_wear(&mut medium);
    }
    emit(medium_line(&medium, settings, cameras));
    let dir = machine.tree.at(&settings.dir.display().to_string());
    let bytes_per_day = per_day(recent_rates(&dir, unix_now()).into_values());
    emit(space_line(&dir, settings, bytes_per_day));
    if let Some(line) = wear_line(&medium, bytes_per_day) {
        emit(line);
    }
    medium
}

/// A directory that is to take over lies on the disk that may fail.
fn same_disk_line(first: &Medium, next: &Medium) -> Option<Line> {
    let names = |medium: &Medium| -> Vec<String> {
        let disks = medium.disks.iter();
        disks.map(|disk| disk.name.clone()).collect()
    };
    let of_first = names(first);
    let shared = names(next)
        .into_iter()
        .find(|name| of_first.contains(name))?;
    Some(Line::warning(
        format!("disk of {}", next.dir.display()),
        format!(
            "{shared}, as that of {}: when it fails, nothing takes over",
            first.dir.display()
        ),
        "set record.next_dir to a directory on another disk; or remove it",
    ))
}

/// The number of cameras that are to be recorded.
fn cameras(loaded: &Loaded) -> usize {
    let sources = loaded.settings.sources.values();
    let recorded = sources.filter(|source| source.record != RecordChoice::Off);
    recorded.count()
}

/// The wear of NVMe drives and SSDs, by their own log. It has no other value than whole percents.
fn ask_for_wear(medium: &mut Medium) {
    for disk in &mut medium.disks {
        if matches!(disk.kind, MediumKind::Nvme | MediumKind::Ssd)
            && let Some(percent) = flash_wear::used_percent(&disk.name)
        {
            let percent = u8::try_from(percent.min(100)).unwrap_or(100);
            disk.wear = Some(Wear {
                used_percent: Some((percent, percent)),
                spare: SpareBlocks::Unknown,
            });
        }
    }
}

fn medium_line(medium: &Medium, settings: &RecordSettings, cameras: usize) -> Line {
    let what = format!("medium of {}", settings.dir.display());
    if let Some(refusal) = refuse_medium(
        medium,
        settings.place.dir_key(),
        cameras,
        settings.accept_wear,
    ) {
        return Line::of_error(
            State::Fault,
            what,
            format!("nothing is recorded: {refusal}"),
            "",
        );
    }
    let has_cache = medium.disk().and_then(|disk| disk.has_write_cache);
    let cache = match has_cache {
        Some(true) => "; write cache: volatile, flushed by each sync",
        Some(false) => "; write cache: none, or not volatile",
        None => "",
    };
    let found = format!("{medium}{cache}");
    match medium.kind {
        MediumKind::Emmc | MediumKind::SdCard => Line::warning(
            what,
            format!("{found}; recording wears it out, which record.accept_wear accepts"),
            "use an SSD; or set record.durable_every to more, and watch its wear with `nvr record status`",
        ),
        MediumKind::Memory => Line::warning(
            what,
            format!("{found}; recordings are lost without power"),
            format!("set {} to a directory on a disk", settings.place.dir_key()),
        ),
        MediumKind::Network => Line::warning(
            what,
            format!("{found}; whether a synced recording survives a power cut is up to the server"),
            "use a disk of this machine; or let the server write synchronously (NFS: the option `sync` of the export)",
        ),
        MediumKind::Virtual => Line::ok(
            what,
            format!("{found}; recordings survive a power cut only if the host passes flushes on"),
        ),
        _ => Line::ok(what, found),
    }
}

/// The free space, and the limits of the recordings. Retention makes room, so little free space is normal.
fn space_line(dir: &Path, settings: &RecordSettings, bytes_per_day: Option<u64>) -> Line {
    let what = format!("space for {}", settings.dir.display());
    let exists = dir.ancestors().find(|parent| parent.exists());
    let space = rustix::fs::statvfs(exists.unwrap_or(Path::new("/")));
    let space = match space {
        Ok(space) => space,
        Err(error) => {
            let remedy = "see the kernel's log (`dmesg`): its medium may be failing";
            return Line::fault(what, format!("can't be determined: {error}"), remedy);
        }
    };
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    let (free, total) = (bytes(space.f_bavail), bytes(space.f_blocks));
    let min_free = settings.min_free_bytes;
    let (budget, is_too_large) = match settings.budget_bytes {
        None => ("none".to_owned(), false),
        Some(budget) => (shown_bytes(budget), budget.saturating_add(min_free) > total),
    };
    let rate = bytes_per_day.map(shown_bytes);
    let rate = rate.map_or(
        "nothing was recorded within the last hour".to_owned(),
        |rate| format!("{rate} a day are recorded"),
    );
    let found = format!(
        "free: {} of {}, budget: {budget}, min_free: {}; {rate}",
        shown_bytes(free),
        shown_bytes(total),
        shown_bytes(min_free),
    );
    let remedy = format!(
        "lower {} to what fits into the file system beside record.min_free, or use a larger disk; until then min_free alone limits the recordings",
        settings.place.budget_key()
    );
    let line = Line::new(State::of(false, is_too_large), what, found, remedy);
    let line = line.with_figure("free_bytes", free as f64);
    match bytes_per_day {
        Some(rate) => line.with_figure("bytes_per_day", rate as f64),
        None => line,
    }
}

/// The wear and the life of the disk that wears out first, if anything of it is known.
fn wear_line(medium: &Medium, bytes_per_day: Option<u64>) -> Option<Line> {
    let disk = medium.disk()?;
    let life = bytes_per_day.and_then(|rate| Life::of(disk, rate));
    if disk.wear.is_none() && life.is_none() {
        return None;
    }
    let wear = disk
        .wear
        .map_or("wear: unknown".to_owned(), |wear| wear.to_string());
    let lasts = life.map_or(String::new(), |life| format!("; it lasts {life}"));
    let used = disk.wear.and_then(|wear| wear.used_percent);
    let least = used.map_or(0, |(least, _)| least);
    let by_spare = match disk.wear.map(|wear| wear.spare) {
        Some(SpareBlocks::Urgent) => State::Fault,
        Some(SpareBlocks::Low) => State::Warning,
        _ => State::Ok,
    };
    let by_life = State::of(least >= 100, least >= WORN_PERCENT);
    let line = Line::new(
        by_life.max(by_spare),
        format!("wear of {} by recordings", disk.name),
        format!("{wear}{lasts}"),
        "save its data and plan its replacement",
    );
    Some(match life {
        Some(life) => {
            let days = |time: std::time::Duration| (time.as_secs() / 86_400) as f64;
            let line = line.with_figure("life_days_least", days(life.shortest));
            line.with_figure("life_days_most", days(life.longest))
        }
        None => line,
    })
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
