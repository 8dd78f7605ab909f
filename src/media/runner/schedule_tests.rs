//! The decisions of the schedule, step by step and without its thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

struct Source {
    begun: AtomicUsize,
    refused: AtomicUsize,
    held: Mutex<Vec<OpeningPermit>>,
}

impl Attempt for Source {
    fn begin(self: Arc<Self>, opening: OpeningPermit) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        lock(&self.held).push(opening);
    }

    fn refused(&self, _: &DescriptorShortage) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// The file descriptors of a process, set by the test.
#[derive(Clone)]
struct FakeDescriptors {
    limit: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl FakeDescriptors {
    fn new(limit: usize, open: usize) -> Self {
        Self {
            limit: Arc::new(limit.into()),
            open: Arc::new(open.into()),
        }
    }
}

impl Descriptors for FakeDescriptors {
    fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed))
    }

    fn open(&self) -> Option<usize> {
        Some(self.open.load(Ordering::Relaxed))
    }
}

struct Fixture {
    schedule: Schedule,
    sources: Vec<(Arc<Source>, ScheduledSource)>,
}

impl Fixture {
    fn new(descriptors: &FakeDescriptors) -> Self {
        Self {
            schedule: Schedule::new(Box::new(descriptors.clone())),
            sources: Vec::new(),
        }
    }

    /// Adds `count` sources of ten descriptors each; none asks for an attempt yet.
    fn add(&mut self, count: usize) {
        for _ in 0..count {
            let source = Arc::new(Source {
                begun: AtomicUsize::new(0),
                refused: AtomicUsize::new(0),
                held: Mutex::default(),
            });
            let weak: Weak<Source> = Arc::downgrade(&source);
            let scheduled = self.schedule.register(weak, 10);
            self.sources.push((source, scheduled));
        }
    }

    fn step(&self, now: Instant) {
        let inner = &self.schedule.inner;
        let actions = inner.step(&mut lock(&inner.state), now);
        for action in actions {
            match action {
                Action::Begin(attempt, opening) => attempt.begin(opening),
                Action::Refuse(attempt, shortage) => attempt.refused(&shortage),
            }
        }
    }

    fn begun(&self) -> Vec<usize> {
        let begun =
            |(source, _): &(Arc<Source>, ScheduledSource)| source.begun.load(Ordering::Relaxed);
        self.sources.iter().map(begun).collect()
    }

    fn refused(&self) -> usize {
        let refused =
            |(source, _): &(Arc<Source>, ScheduledSource)| source.refused.load(Ordering::Relaxed);
        self.sources.iter().map(refused).sum()
    }

    fn total(&self) -> usize {
        self.begun().iter().sum()
    }
}

const MUCH: usize = 1_000_000;

#[test]
fn dozens_begin_at_once_and_thousands_in_turn() {
    let mut fixture = Fixture::new(&FakeDescriptors::new(MUCH, 20));
    fixture.add(1000);
    for (_, scheduled) in &fixture.sources {
        scheduled.attempt_now();
    }
    let start = Instant::now();
    fixture.step(start);
    assert_eq!(fixture.total(), MAX_OPENING);
    assert_eq!(fixture.begun()[..MAX_OPENING], [1; MAX_OPENING]);
    // One has answered, so another one may start.
    lock(&fixture.sources[3].0.held).clear();
    fixture.step(start);
    assert_eq!(fixture.total(), MAX_OPENING + 1);
    // Sessions without an answer do not delay others for long.
    fixture.step(start + OPENING_LIMIT);
    assert_eq!(fixture.total(), 2 * MAX_OPENING + 1);
}

#[test]
fn repeated_attempts_leave_room_for_first_ones() {
    let mut fixture = Fixture::new(&FakeDescriptors::new(MUCH, 20));
    fixture.add(500);
    for (_, scheduled) in &fixture.sources[..499] {
        scheduled.attempt_after(Duration::ZERO, Priority::Repeated);
    }
    let start = Instant::now() + Duration::from_secs(1);
    fixture.step(start);
    assert_eq!(fixture.total(), MAX_REPEATED);
    fixture.sources[499].1.attempt_now();
    fixture.step(start);
    assert_eq!(fixture.begun()[499], 1);
}

#[test]
fn a_wait_is_kept_a_wish_for_now_is_not_delayed_and_a_cancelled_one_is_gone() {
    let mut fixture = Fixture::new(&FakeDescriptors::new(MUCH, 20));
    fixture.add(3);
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    for (_, scheduled) in &fixture.sources {
        scheduled.attempt_after(hour, Priority::First);
    }
    fixture.sources[1].1.attempt_now();
    fixture.sources[2].1.cancel();
    fixture.step(start);
    assert_eq!(fixture.begun(), [0, 1, 0]);
    fixture.step(start + hour * 2);
    assert_eq!(fixture.begun(), [1, 1, 0]);
}

#[test]
fn sources_beyond_the_descriptors_are_refused_until_there_is_room() {
    let descriptors = FakeDescriptors::new(256, 24);
    let mut fixture = Fixture::new(&descriptors);
    fixture.add(30);
    for (_, scheduled) in &fixture.sources {
        scheduled.attempt_now();
    }
    let start = Instant::now();
    fixture.step(start);
    // 256 minus 24 of the process and the reserve of an eighth.
    assert_eq!((fixture.total(), fixture.refused()), (20, 10));
    assert_eq!(fixture.begun()[..20], [1; 20]);
    // An admitted source keeps its descriptors across attempts.
    for (source, _) in &fixture.sources {
        lock(&source.held).clear();
    }
    fixture.sources[0].1.attempt_now();
    fixture.step(start);
    assert_eq!(fixture.begun()[0], 2);
    // One is removed: the first refused source gets its descriptors.
    drop(fixture.sources.remove(5));
    fixture.step(start);
    assert_eq!(fixture.total(), 20);
    fixture.step(Instant::now() + REFUSED_DELAY);
    assert_eq!((fixture.total(), fixture.begun()[19]), (21, 1));
    // The limit is raised.
    descriptors.limit.store(MUCH, Ordering::Relaxed);
    fixture.step(Instant::now() + REFUSED_RETRY * 2);
    assert_eq!(
        fixture.begun().iter().filter(|begun| **begun == 0).count(),
        0
    );
}

#[test]
fn what_others_have_opened_counts_too() {
    let descriptors = FakeDescriptors::new(256, 24);
    let mut fixture = Fixture::new(&descriptors);
    fixture.add(20);
    for (_, scheduled) in &fixture.sources {
        scheduled.attempt_now();
    }
    fixture.step(Instant::now());
    for (source, _) in &fixture.sources {
        lock(&source.held).clear();
    }
    // A driver keeps more descriptors than were assigned.
    descriptors.open.store(240, Ordering::Relaxed);
    fixture.sources[0].1.attempt_now();
    fixture.step(Instant::now());
    assert_eq!((fixture.begun()[0], fixture.refused()), (1, 1));
    descriptors.open.store(100, Ordering::Relaxed);
    fixture.step(Instant::now() + SHORTAGE_RETRY * 2);
    assert_eq!(fixture.begun()[0], 2);
}

#[test]
fn the_documentation_states_the_limits() {
    let text = include_str!("../../../docs/configuration.md");
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let reserved = MAX_OPENING - MAX_REPEATED;
    let seconds = OPENING_LIMIT.as_secs();
    for stated in [
        format!("At most {MAX_OPENING} sessions are opened at the same time."),
        format!("At most {MAX_REPEATED} of these are repeated attempts; the other {reserved} "),
        format!("until its camera has sent something, at most for {seconds} s."),
    ] {
        assert!(text.contains(&stated), "docs/configuration.md: {stated}");
    }
}
