//! The schedule's decisions, step by step and without its thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

struct Source {
    begun: AtomicUsize,
    refused: AtomicUsize,
    held: Mutex<Vec<Opening>>,
}

impl Attempt for Source {
    fn begin(self: Arc<Self>, opening: Opening) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        lock(&self.held).push(opening);
    }

    fn refused(&self, _: &NoRoom) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A process's descriptors by hand.
#[derive(Clone)]
struct Counted {
    limit: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Counted {
    fn new(limit: usize, open: usize) -> Self {
        Self {
            limit: Arc::new(limit.into()),
            open: Arc::new(open.into()),
        }
    }
}

impl Descriptors for Counted {
    fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed))
    }

    fn open(&self) -> Option<usize> {
        Some(self.open.load(Ordering::Relaxed))
    }
}

struct Stage {
    schedule: Schedule,
    sources: Vec<(Arc<Source>, Ticket)>,
}

impl Stage {
    fn new(descriptors: &Counted) -> Self {
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
            let ticket = self.schedule.enter(weak, 10);
            self.sources.push((source, ticket));
        }
    }

    fn step(&self, now: Instant) {
        let inner = &self.schedule.inner;
        let actions = inner.step(&mut lock(&inner.state), now);
        for action in actions {
            match action {
                Action::Begin(attempt, opening) => attempt.begin(opening),
                Action::Refuse(attempt, no_room) => attempt.refused(&no_room),
            }
        }
    }

    fn begun(&self) -> Vec<usize> {
        let begun = |(source, _): &(Arc<Source>, Ticket)| source.begun.load(Ordering::Relaxed);
        self.sources.iter().map(begun).collect()
    }

    fn refused(&self) -> usize {
        let refused = |(source, _): &(Arc<Source>, Ticket)| source.refused.load(Ordering::Relaxed);
        self.sources.iter().map(refused).sum()
    }

    fn total(&self) -> usize {
        self.begun().iter().sum()
    }
}

const MUCH: usize = 1_000_000;

#[test]
fn dozens_begin_at_once_and_thousands_in_turn() {
    let mut stage = Stage::new(&Counted::new(MUCH, 20));
    stage.add(1000);
    for (_, ticket) in &stage.sources {
        ticket.now();
    }
    let start = Instant::now();
    stage.step(start);
    assert_eq!(stage.total(), MOST_OPENING);
    assert_eq!(stage.begun()[..MOST_OPENING], [1; MOST_OPENING]);
    // One has answered, another has its turn.
    lock(&stage.sources[3].0.held).clear();
    stage.step(start);
    assert_eq!(stage.total(), MOST_OPENING + 1);
    // Those who do not answer keep nobody from it for long.
    stage.step(start + OPENING_LIMIT);
    assert_eq!(stage.total(), 2 * MOST_OPENING + 1);
}

#[test]
fn repeated_attempts_leave_room_for_first_ones() {
    let mut stage = Stage::new(&Counted::new(MUCH, 20));
    stage.add(500);
    for (_, ticket) in &stage.sources[..499] {
        ticket.after(Duration::ZERO, Lane::Repeated);
    }
    let start = Instant::now() + Duration::from_secs(1);
    stage.step(start);
    assert_eq!(stage.total(), MOST_REPEATED);
    stage.sources[499].1.now();
    stage.step(start);
    assert_eq!(stage.begun()[499], 1);
}

#[test]
fn a_wait_is_kept_a_wish_for_now_is_not_delayed_and_a_cancelled_one_is_gone() {
    let mut stage = Stage::new(&Counted::new(MUCH, 20));
    stage.add(3);
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    for (_, ticket) in &stage.sources {
        ticket.after(hour, Lane::First);
    }
    stage.sources[1].1.now();
    stage.sources[2].1.cancel();
    stage.step(start);
    assert_eq!(stage.begun(), [0, 1, 0]);
    stage.step(start + hour * 2);
    assert_eq!(stage.begun(), [1, 1, 0]);
}

#[test]
fn sources_beyond_the_descriptors_are_refused_until_there_is_room() {
    let descriptors = Counted::new(256, 24);
    let mut stage = Stage::new(&descriptors);
    stage.add(30);
    for (_, ticket) in &stage.sources {
        ticket.now();
    }
    let start = Instant::now();
    stage.step(start);
    // 256 less 24 of the process, and an eighth that is kept free.
    assert_eq!((stage.total(), stage.refused()), (20, 10));
    assert_eq!(stage.begun()[..20], [1; 20]);
    // An admitted one keeps its place over its attempts.
    for (source, _) in &stage.sources {
        lock(&source.held).clear();
    }
    stage.sources[0].1.now();
    stage.step(start);
    assert_eq!(stage.begun()[0], 2);
    // One goes: whoever was refused first has its place.
    drop(stage.sources.remove(5));
    stage.step(start);
    assert_eq!(stage.total(), 20);
    stage.step(Instant::now() + KEPT_FREE);
    assert_eq!((stage.total(), stage.begun()[19]), (21, 1));
    // The limit is raised.
    descriptors.limit.store(MUCH, Ordering::Relaxed);
    stage.step(Instant::now() + REFUSED_WAIT * 2);
    assert_eq!(stage.begun().iter().filter(|begun| **begun == 0).count(), 0);
}

#[test]
fn what_others_have_opened_counts_too() {
    let descriptors = Counted::new(256, 24);
    let mut stage = Stage::new(&descriptors);
    stage.add(20);
    for (_, ticket) in &stage.sources {
        ticket.now();
    }
    stage.step(Instant::now());
    for (source, _) in &stage.sources {
        lock(&source.held).clear();
    }
    // A driver keeps more than was promised.
    descriptors.open.store(240, Ordering::Relaxed);
    stage.sources[0].1.now();
    stage.step(Instant::now());
    assert_eq!((stage.begun()[0], stage.refused()), (1, 1));
    descriptors.open.store(100, Ordering::Relaxed);
    stage.step(Instant::now() + CROWDED_WAIT * 2);
    assert_eq!(stage.begun()[0], 2);
}
