use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};

use proptest::prelude::*;

use super::super::disk::{LocalDisk, RecordingDisk};
use super::super::layout::Place;
use super::*;

const DIR: &str = "/rec";
const MB: u64 = 1_000_000;
/// 2026-11-28T08:30:00Z.
const START: u64 = 1_795_854_600;

/// A disk in memory that knows names, blocks and which files the writer has open. It checks each deletion.
#[derive(Clone, Default)]
struct ModelDisk(Arc<Mutex<Model>>);

#[derive(Default)]
struct Model {
    names: BTreeMap<PathBuf, Entry>,
    total: u64,
    /// Bytes of other programs.
    others: u64,
    /// Other programs wrote after the free space was asked for.
    is_stale: bool,
    open: BTreeSet<PathBuf>,
    /// Files that can't be deleted.
    broken: BTreeSet<PathBuf>,
    /// Files whose deletion was refused once: they come later.
    refused: Vec<PathBuf>,
    deleted: Vec<PathBuf>,
    removed_folders: Vec<PathBuf>,
    unsynced: BTreeSet<PathBuf>,
}

impl Model {
    fn recordings(&self) -> impl Iterator<Item = (FileKey, &PathBuf, u64)> {
        let names = self.names.iter();
        names.filter_map(|(path, entry)| match entry {
            Entry::File { allocated_bytes } => {
                let key = FileKey::of_path(Path::new(DIR), path)?;
                Some((key, path, *allocated_bytes))
            }
            _ => None,
        })
    }

    fn used(&self) -> u64 {
        self.recordings().map(|(_, _, bytes)| bytes).sum()
    }

    fn free(&self) -> u64 {
        self.total.saturating_sub(self.used() + self.others)
    }

    fn put(&mut self, path: &Path, entry: Entry) {
        for folder in path.ancestors().skip(1) {
            self.names.insert(folder.to_owned(), Entry::Folder);
        }
        self.names.insert(path.to_owned(), entry);
    }

    fn add(&mut self, path: &Path, bytes: u64) {
        let Some(Entry::File { allocated_bytes }) = self.names.get_mut(path) else {
            return;
        };
        // Whole blocks.
        *allocated_bytes = (*allocated_bytes + bytes).next_multiple_of(4096);
    }
}

impl ModelDisk {
    fn new(total: u64) -> Self {
        let disk = Self::default();
        disk.lock().total = total;
        disk.lock().put(Path::new(DIR), Entry::Folder);
        disk
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Model> {
        lock(&self.0)
    }

    fn file(&self, path: impl AsRef<Path>, bytes: u64) {
        let allocated_bytes = bytes;
        self.lock()
            .put(path.as_ref(), Entry::File { allocated_bytes });
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        self.lock().names.contains_key(path.as_ref())
    }
}

impl RecordingDisk for ModelDisk {
    type File = ();
    type Reader = io::Empty;

    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn create_new(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn open(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn read(&self, _: &Path) -> io::Result<io::Empty> {
        Err(ErrorKind::Unsupported.into())
    }
    fn reserve(&self, (): &(), _: u64, _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn append(&self, (): &mut (), _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn truncate(&self, (): &(), _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn sync_file(&self, (): &()) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn size(&self, _: &Path) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut model = self.lock();
        model.unsynced.remove(path);
        match model.names.get(path) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let model = self.lock();
        let inside = model
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut model = self.lock();
        let key = FileKey::of_path(Path::new(DIR), path).expect("a recording by its name");
        assert!(!model.open.contains(path), "{path:?} is open");
        if !matches!(model.names.get(path), Some(Entry::File { .. })) {
            return Err(ErrorKind::NotFound.into());
        }
        let older = model.recordings().find(|(other, path, _)| {
            *other < key && !model.open.contains(*path) && !model.refused.contains(path)
        });
        assert_eq!(older, None, "it is older than {path:?}");
        if model.broken.contains(path) {
            model.refused.push(path.to_owned());
            return Err(ErrorKind::PermissionDenied.into());
        }
        model.names.remove(path);
        model.deleted.push(path.to_owned());
        model.unsynced.extend(path.parent().map(Path::to_owned));
        Ok(())
    }
}

impl SpaceDisk for ModelDisk {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let mut model = self.lock();
        model.is_stale = false;
        Ok(model.free())
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let entry = self.lock().names.get(path).copied();
        entry.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let mut model = self.lock();
        assert!(!model.unsynced.contains(path), "{path:?} is not synced");
        model.names.remove(path).ok_or(ErrorKind::NotFound)?;
        model.removed_folders.push(path.to_owned());
        model.unsynced.extend(path.parent().map(Path::to_owned));
        Ok(())
    }
}

/// The path of a recording that starts so many seconds after [`START`].
fn path(source: u32, second: u64, number: u32) -> PathBuf {
    let start = Duration::from_secs(START + second);
    Place::new(SourceId(source), start, number).path(Path::new(DIR))
}

fn retention(
    disk: &ModelDisk,
    budget: Option<u64>,
    min_free: u64,
) -> (Retention<ModelDisk>, Clock) {
    let clock = Clock::by_hand();
    let limits = SpaceLimits {
        dir: DIR.into(),
        budget_bytes: budget,
        min_free_bytes: min_free,
    };
    (Retention::new(disk.clone(), limits, clock.clone()), clock)
}

/// The writer's part: opens, asks, allocates, tells. The error if it was refused.
fn write(disk: &ModelDisk, space: &Space, path: &Path, bytes: u64) -> Result<(), Full> {
    let is_new = !disk.lock().open.contains(path);
    if is_new {
        space.opened(path);
    }
    match space.may_write(bytes) {
        Err(full) => {
            if is_new {
                space.closed(path);
            }
            Err(full)
        }
        Ok(()) => {
            if is_new {
                disk.file(path, 0);
                // A block for the list of blocks.
                disk.lock().add(path, 4096);
                disk.lock().open.insert(path.to_owned());
            }
            disk.lock().add(path, bytes);
            space.grew(path, bytes);
            Ok(())
        }
    }
}

fn close(disk: &ModelDisk, space: &Space, path: &Path) {
    disk.lock().open.remove(path);
    space.closed(path);
}

#[derive(Debug, Clone)]
enum Op {
    Open(u32, u64, u64),
    Grow(usize, u64),
    Close(usize, u64),
    Others(u64),
    Vanish(usize),
    Break(usize),
    Mend,
    Advance(u64),
    Step,
}

fn any_op() -> impl Strategy<Value = Op> {
    let bytes = 1..12 * MB;
    prop_oneof![
        4 => (0..3u32, 0..20_000u64, bytes.clone()).prop_map(|(a, b, c)| Op::Open(a, b, c)),
        6 => (any::<usize>(), bytes.clone()).prop_map(|(a, b)| Op::Grow(a, b)),
        4 => (any::<usize>(), bytes).prop_map(|(a, b)| Op::Close(a, b)),
        1 => (0..1500 * MB).prop_map(Op::Others),
        1 => any::<usize>().prop_map(Op::Vanish),
        1 => any::<usize>().prop_map(Op::Break),
        1 => Just(Op::Mend),
        1 => (0..100_000u64).prop_map(Op::Advance),
        4 => Just(Op::Step),
    ]
}

/// One of some paths.
fn pick<'a>(paths: impl Iterator<Item = &'a PathBuf>, number: usize) -> Option<PathBuf> {
    let paths: Vec<_> = paths.collect();
    let picked = paths.get(number.checked_rem(paths.len())?)?;
    Some((*picked).clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn limits_hold_and_only_the_oldest_closed_recordings_go(
        present in prop::collection::btree_map((0..3u32, 0..20_000u64), 1..20 * MB, 0..30),
        budget in 60 * MB..600 * MB,
        min_free in 0..500 * MB,
        ops in prop::collection::vec(any_op(), 1..150),
    ) {
        let disk = ModelDisk::new(2000 * MB);
        let foreign = ["0/notes.txt", "x/1.mp4", "0/2026-11-28/08/copy.mp4", ".nvr-open/0_x"];
        let foreign = foreign.map(|name| Path::new(DIR).join(name));
        foreign.iter().for_each(|path| disk.file(path, 5000));
        for ((source, second), bytes) in present {
            // A former run kept the budget.
            if disk.lock().used() + bytes <= budget {
                disk.file(path(source, second, 0), bytes);
            }
        }
        let (mut retention, clock) = retention(&disk, Some(budget), min_free);
        let space = retention.space();
        retention.count();
        for op in ops {
            let open = |number| pick(disk.lock().open.iter(), number);
            let mut written = Ok(());
            match op {
                Op::Open(source, second, bytes) => {
                    let free = (0..).map(|number| path(source, second, number));
                    let new = free.into_iter().find(|path| !disk.has(path) && !disk.lock().open.contains(path));
                    written = write(&disk, &space, &new.expect("some number is free"), bytes);
                }
                Op::Grow(number, bytes) => if let Some(path) = open(number) {
                    written = write(&disk, &space, &path, bytes);
                },
                Op::Close(number, unused) => if let Some(path) = open(number) {
                    if let Some(Entry::File { allocated_bytes }) = disk.lock().names.get_mut(&path) {
                        *allocated_bytes -= (unused / 4096 * 4096).min(*allocated_bytes / 2 / 4096 * 4096);
                    }
                    close(&disk, &space, &path);
                },
                Op::Others(bytes) => {
                    disk.lock().others = bytes;
                    disk.lock().is_stale = true;
                }
                Op::Vanish(number) => {
                    let mut model = disk.lock();
                    let gone = pick(model.recordings().map(|(_, path, _)| path), number);
                    gone.map(|path| model.names.remove(&path));
                }
                Op::Break(number) => {
                    let mut model = disk.lock();
                    let broken = pick(model.recordings().map(|(_, path, _)| path), number);
                    model.broken.extend(broken);
                }
                Op::Mend => disk.lock().broken.clear(),
                Op::Advance(ms) => clock.advance(Duration::from_millis(ms)),
                Op::Step => {
                    let refused = disk.lock().refused.len();
                    retention.step();
                    prop_assert!(disk.lock().refused.len() <= refused + 1);
                    prop_assert!(disk.lock().unsynced.is_empty());
                }
            }
            let model = disk.lock();
            prop_assert!(model.used() <= budget, "{} of {budget}", model.used());
            let is_granted = written.is_ok() && matches!(op, Op::Open(..) | Op::Grow(..));
            if is_granted && !model.is_stale && !model.open.is_empty() {
                prop_assert!(model.free() + OPEN_EXTRA_BYTES >= min_free, "{}", model.free());
            }
        }
        prop_assert!(foreign.iter().all(|path| disk.has(path)));
        // All is well again: there is room for the next step.
        let open = disk.lock().open.clone();
        for path in open {
            close(&disk, &space, &path);
        }
        disk.lock().broken.clear();
        disk.lock().others = 0;
        clock.advance(2 * ASIDE);
        retention.step();
        prop_assert!(disk.lock().used() <= budget - margin(&retention.space.limits));
        prop_assert_eq!(space.may_write(STEP_BYTES), Ok(()));
        // Files that somebody else deleted leave the list at their turn.
        prop_assert!(space.report().recordings_bytes >= disk.lock().used());
    }
}

#[test]
fn the_oldest_of_all_sources_goes_with_its_folders_and_nothing_else() {
    let disk = ModelDisk::new(u64::MAX);
    let old = [
        path(1, 0, 0),
        path(1, 0, 1),
        path(2, 60, 0),
        path(1, 120, 0),
    ];
    let new = [path(1, 90_000, 0), path(2, 90_060, 0)];
    old.iter()
        .chain(&new)
        .for_each(|path| disk.file(path, 100 * MB));
    // A day of source 3 that a crash left empty, and files of others.
    let empty = Path::new("/rec/3/2026-11-27/04");
    disk.lock().put(empty, Entry::Folder);
    let foreign = [
        "/rec/2/2026-11-28/08/20261128T083000.000Z-01.mp4",
        "/rec/02/2026-11-28/08/20261128T083000.000Z.mp4",
        "/rec/2/2026-11-28/09/20261128T083000.000Z.mp4",
        "/rec/2/2026-02-30/08/20260230T083000.000Z.mp4",
        "/rec/2/2026-11-28/08/20261128T083000.000Z.mp4.part",
    ];
    foreign.iter().for_each(|path| disk.file(path, 100 * MB));
    let (link, empty_link) = (path(1, 1, 0), Path::new("/rec/4/2026-11-27"));
    disk.lock().put(&link, Entry::Other);
    disk.lock().put(empty_link, Entry::Other);
    let (mut retention, _clock) = retention(&disk, Some(400 * MB), 0);
    retention.count();
    assert_eq!(retention.space.report().recordings_bytes, 600 * MB);
    retention.step();
    let model = disk.lock();
    assert_eq!(model.deleted, old[..3]);
    assert_eq!(
        model.removed_folders,
        [empty, Path::new("/rec/3/2026-11-27")]
    );
    let paths = foreign.map(PathBuf::from);
    for path in paths.iter().chain([&link, &empty_link.to_owned()]) {
        assert!(model.names.contains_key(path), "{path:?}");
    }
    drop(model);
    let report = retention.space.report();
    assert_eq!((report.deleted_files, report.deleted_bytes), (3, 300 * MB));
    assert_eq!(report.recordings_bytes, 300 * MB);
    let seconds = |second| Duration::from_secs(START + second);
    let oldest = [(SourceId(1), seconds(120)), (SourceId(2), seconds(90_060))];
    assert_eq!(report.oldest, BTreeMap::from(oldest));
}

#[test]
fn empty_folders_go_unless_a_file_is_about_to_be_created_in_them() {
    let disk = ModelDisk::new(u64::MAX);
    [path(1, 0, 0), path(2, 0, 0)]
        .iter()
        .for_each(|path| disk.file(path, 100 * MB));
    let (mut retention, _clock) = retention(&disk, Some(50 * MB), 0);
    retention.count();
    retention.space.opened(&path(2, 600, 0));
    retention.step();
    assert_eq!(disk.lock().deleted, [path(1, 0, 0), path(2, 0, 0)]);
    assert!(!disk.has("/rec/1/2026-11-28") && disk.has("/rec/1"));
    assert!(disk.has("/rec/2/2026-11-28/08"));
}

#[test]
fn a_refused_deletion_is_reported_and_passed_over_after_a_pause() {
    let disk = ModelDisk::new(u64::MAX);
    let paths = [path(1, 0, 0), path(1, 60, 0), path(1, 120, 0)];
    paths.iter().for_each(|path| disk.file(path, 100 * MB));
    disk.lock().broken.extend([paths[0].clone()]);
    let (mut retention, clock) = retention(&disk, Some(250 * MB), 0);
    retention.count();
    (0..1000).for_each(|_| retention.step());
    assert_eq!(disk.lock().refused, paths[..1]);
    assert_eq!(disk.lock().deleted, Vec::<PathBuf>::new());
    let report = retention.space.report();
    let fault = "can't delete /rec/1/2026-11-28/08/20261128T083000.000Z.mp4: permission denied; /rec/1/2026-11-28/08 must belong to the user of the processor";
    assert_eq!(report.fault.as_deref(), Some(fault));
    assert_eq!(report.failed_deletions, 1);
    clock.advance(PAUSE_FIRST);
    retention.step();
    assert_eq!(disk.lock().deleted, paths[1..2]);
    // A file system that refuses everything is not asked all the time.
    disk.lock().broken.extend(paths);
    for second in 0..600 {
        let written = write(&disk, &retention.space, &path(1, 200, 0), 55 * MB);
        if second > 0 {
            let full = written.expect_err("the budget is used").reason;
            let expected = "the budget of 250.0 MB in /rec is used";
            assert!(
                full.starts_with(expected) && full.contains("can't delete"),
                "{full}"
            );
        }
        retention.step();
        clock.advance(Duration::from_secs(1));
    }
    let attempts = disk.lock().refused.len();
    assert!((2..10).contains(&attempts), "{attempts}");
}

#[test]
fn a_refusal_names_folder_limit_value_and_remedy() {
    let disk = ModelDisk::new(3000 * MB);
    let (mut retention, clock) = retention(&disk, Some(500 * MB), 2000 * MB);
    let space = retention.space();
    let file = path(1, 0, 0);
    let reason = |written: Result<(), Full>| written.expect_err("it is full").to_string();
    disk.lock().others = 1800 * MB;
    retention.measure();
    assert_eq!(
        reason(write(&disk, &space, &file, MB)),
        "only 1.2 GB are free in the file system of /rec, record.min_free is 2.0 GB; nothing is deleted before all recordings are counted; free space or lower it"
    );
    retention.count();
    assert_eq!(
        reason(write(&disk, &space, &file, MB)),
        "only 1.2 GB are free in the file system of /rec, record.min_free is 2.0 GB; no closed recording is left to delete; free space or lower it"
    );
    assert_eq!(space.report().full.map(|full| full.len()), Some(137));
    disk.lock().others = 0;
    clock.advance(MEASURE_EVERY);
    retention.step();
    assert_eq!(write(&disk, &space, &file, 490 * MB), Ok(()));
    assert_eq!(space.report().full, None);
    assert_eq!(
        reason(write(&disk, &space, &file, 10 * MB)),
        "the budget of 500.0 MB in /rec is used by recordings that are still open; raise record.budget"
    );
    close(&disk, &space, &file);
    retention.step();
    assert_eq!(disk.lock().deleted, [file]);
    assert_eq!(space.may_write(10 * MB), Ok(()));
}

#[test]
fn the_excess_that_a_start_finds_does_not_stop_recording_and_only_falls() {
    let disk = ModelDisk::new(u64::MAX);
    let paths: Vec<_> = (0..10).map(|number| path(1, number * 60, 0)).collect();
    paths.iter().for_each(|path| disk.file(path, 100 * MB));
    // Nothing can be deleted at first.
    disk.lock().broken.extend(paths);
    let (mut retention, clock) = retention(&disk, Some(500 * MB), 0);
    let (space, new) = (retention.space(), path(1, 9000, 0));
    assert_eq!(write(&disk, &space, &new, MB), Ok(()));
    retention.count();
    let headroom = margin(&space.limits) + STEP_BYTES;
    let rest = headroom;
    assert_eq!(write(&disk, &space, &new, rest), Ok(()));
    assert!(write(&disk, &space, &new, MB).is_err());
    disk.lock().broken.clear();
    clock.advance(2 * ASIDE);
    retention.step();
    assert!(disk.lock().used() < 500 * MB - headroom);
    assert_eq!(disk.lock().deleted.len(), 6);
    // The budget counts from now on.
    let room = 500 * MB - disk.lock().used();
    assert!(write(&disk, &space, &new, room + MB).is_err());
}

#[test]
fn deletion_makes_room_before_the_writer_needs_it_and_then_stops() {
    let disk = ModelDisk::new(u64::MAX);
    let (mut retention, _clock) = retention(&disk, Some(10_000 * MB), 0);
    retention.count();
    let space = retention.space();
    for minute in 0..2000 {
        let file = path(1, minute * 60, 0);
        for _ in 0..4 {
            let deleted = disk.lock().deleted.len();
            assert_eq!(write(&disk, &space, &file, STEP_BYTES), Ok(()));
            retention.step();
            // Three files make the margin of 64 MB; most steps delete nothing.
            assert!(disk.lock().deleted.len() <= deleted + 4);
        }
        close(&disk, &space, &file);
    }
    let used = disk.lock().used();
    assert!((9_800 * MB..9_940 * MB).contains(&used), "{used}");
}

#[test]
fn the_time_that_recordings_are_kept_follows_from_the_rate() {
    let disk = ModelDisk::new(u64::MAX);
    let (mut retention, clock) = retention(&disk, Some(864_000 * MB), 0);
    retention.count();
    let space = retention.space();
    for minute in 0..20 {
        let file = path(1, minute * 60, 0);
        assert_eq!(write(&disk, &space, &file, 60 * MB), Ok(()));
        clock.advance(Duration::from_secs(60));
        // A tenth of the reserved space is given back.
        disk.file(&file, 54 * MB);
        close(&disk, &space, &file);
        retention.step();
        let expected = (minute >= 3).then_some(());
        assert_eq!(space.report().bytes_per_day.map(drop), expected);
    }
    let report = space.report();
    let per_day = report.bytes_per_day.unwrap_or(0) as f64 / 1e6;
    // 54 MB a minute, and what the file system may need for each file.
    assert!((77_760.0..77_900.0).contains(&per_day), "{per_day}");
    let days = report
        .kept
        .map_or(0.0, |kept| kept.as_secs_f64() / 86_400.0);
    assert!((11.09..11.12).contains(&days), "{days}");
}

#[test]
fn the_thread_keeps_the_budget_of_a_real_folder_in_allocated_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let file = |minute: u64| {
        let start = Duration::from_secs(START + minute * 60);
        Place::new(SourceId(1), start, 0).path(dir)
    };
    let create = |path: &Path| {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        let file = LocalDisk.create_new(path).expect("it is new");
        // Space without a size.
        LocalDisk
            .reserve(&file, 0, 4 << 20)
            .expect("it is reserved");
    };
    (0..10).map(file).for_each(|path| create(&path));
    let foreign = dir.join("1/2026-11-28/08/mine.mp4");
    std::fs::write(&foreign, b"mine").expect("it is written");
    symlink(file(0), file(29)).expect("it is linked");
    let blocks = |path: &Path| std::fs::metadata(path).expect("it is there").blocks() * 512;
    let each = blocks(&file(0));
    let limits = SpaceLimits {
        dir: dir.to_owned(),
        budget_bytes: Some(9 * each),
        min_free_bytes: 0,
    };
    let thread = RetentionThread::start(LocalDisk, limits, Clock::system()).expect("a thread");
    let space = thread.space();
    let wait_for = |what: &str, is_so: &dyn Fn(&SpaceReport) -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !is_so(&space.report()) {
            assert!(
                std::time::Instant::now() < deadline,
                "{what}: {:?}",
                space.report()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("counted", &|report| report.is_counted);
    // A quarter of the budget stays free: 6 files are left.
    wait_for("deleted", &|report| report.deleted_files == 4);
    assert!((0..4).all(|minute| !file(minute).exists()) && file(4).exists());
    space.opened(&file(20));
    assert_eq!(space.may_write(2 * each), Ok(()));
    create(&file(20));
    space.grew(&file(20), 2 * each);
    wait_for("deleted more", &|report| report.deleted_files == 6);
    space.closed(&file(20));
    wait_for("measured", &|report| report.recordings_bytes == 5 * each);
    assert!(space.report().free_bytes.is_some_and(|free| free > 0));
    assert!(foreign.exists() && file(4).symlink_metadata().is_err());
    assert!(file(29).symlink_metadata().is_ok());
    assert!(thread.stop(Duration::from_secs(10)));
}

#[test]
fn space_that_was_taken_since_the_last_measurement_is_not_free() {
    let disk = ModelDisk::new(1000 * MB);
    disk.lock().others = 480 * MB;
    let (retention, _clock) = retention(&disk, None, 500 * MB);
    retention.count();
    let file = path(1, 0, 0);
    assert_eq!(write(&disk, &retention.space, &file, 15 * MB), Ok(()));
    assert!(write(&disk, &retention.space, &file, 15 * MB).is_err());
    assert!(disk.lock().free() >= 500 * MB);
}
