//! Cuts the units of one source into fragments and files. Pure: no disk, and time is passed in.
//!
//! A fragment is one group of pictures, or at most [`FRAGMENT_LENGTH`] of it. A file begins with a key frame and is cut at the first
//! key frame after its time is up, so with rare key frames files are longer. With B-frames, units come in decoding order, and a cut is
//! possible only before a unit that is shown after all units so far.

use std::sync::Arc;
use std::time::Duration;

use crate::base::SourceId;
use crate::media::{CodedFormat, CodedUnit};

/// The longest fragment, if its units permit a cut.
pub(super) const FRAGMENT_LENGTH: Duration = Duration::from_secs(2);
/// After this time without units, the pending ones are written.
const SILENCE: Duration = Duration::from_secs(2);
/// A step of the clock of capture times that begins a new file.
const CLOCK_STEP_NS: i128 = 2_000_000_000;
/// A fragment is cut early at this size: 2 s at 32 Mbit/s.
const FRAGMENT_BYTES: usize = 8 << 20;
/// Units without a possible cut between them end their file beyond this size, which is half of what a reader accepts in one box,
const GROUP_BYTES: usize = 32 << 20;
/// this number,
const GROUP_UNITS: usize = 4096;
/// and this time: no encoder reorders over 10 s, so the media times are wrong.
const GROUP_LENGTH: Duration = Duration::from_secs(10);

/// What the writer has to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Write a fragment.
    Fragment(Cut),
    /// Close the file. Nothing, if none is open.
    EndFile,
}

/// The units of one fragment.
#[derive(Debug)]
pub(super) struct Cut {
    /// In decoding order, at least one.
    pub units: Vec<CodedUnit>,
    /// Presentation time of the unit that follows without a gap.
    pub next_pts_ns: Option<u64>,
    /// Whether it is the first one of a new file. Then its first unit is a key frame.
    pub begins_file: bool,
}

/// The cutter of one source.
#[derive(Debug)]
pub(super) struct Cutter {
    file_length: Duration,
    /// Files end at multiples of `file_length` plus this, so that not all sources begin files at once.
    phase: Duration,
    file: Option<FileSoFar>,
    pending: Vec<CodedUnit>,
    pending_bytes: usize,
    /// When the last unit was pushed.
    touched: Duration,
    lost_groups: u64,
}

/// The file that units are cut for.
#[derive(Debug)]
struct FileSoFar {
    session: u64,
    format: Arc<CodedFormat>,
    /// The first key frame that arrives later begins a new file.
    due: Duration,
    ends_at_key: bool,
    has_fragments: bool,
    highest_pts_ns: u64,
    /// The unit before: capture time, arrival and presentation time.
    before: Times,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    captured_ns: i128,
    arrival_ns: i128,
    pts_ns: i128,
}

impl Cutter {
    /// A cutter that waits for a key frame.
    pub(super) fn new(source: SourceId, file_length: Duration) -> Self {
        // Multiples of the golden ratio fill the interval evenly, for any number of sources.
        let share = (f64::from(source.0) * 0.618_033_988_75).fract();
        Self {
            file_length,
            phase: file_length.mul_f64(share),
            file: None,
            pending: Vec::new(),
            pending_bytes: 0,
            touched: Duration::ZERO,
            lost_groups: 0,
        }
    }

    /// Takes the next unit at `now` by the clock. `after_gap`: units before it were dropped.
    pub(super) fn push(&mut self, unit: CodedUnit, after_gap: bool, now: Duration) -> Vec<Step> {
        let mut steps = Vec::new();
        self.touched = now;
        if after_gap {
            self.flush(None, &mut steps);
        }
        let fits = |file: &FileSoFar| file.session == unit.session && *file.format == *unit.format;
        if self.file.as_ref().is_some_and(|file| !fits(file)) {
            let goes_on = self
                .file
                .as_ref()
                .is_some_and(|file| file.session == unit.session);
            self.lost_groups += u64::from(goes_on && !unit.is_key);
            self.end(&mut steps);
        }
        let is_later = self
            .file
            .as_ref()
            .is_some_and(|file| unit.pts_ns > file.highest_pts_ns);
        if is_later {
            self.cut_before(&unit, &mut steps);
        } else {
            self.keep_order(&unit, &mut steps);
        }
        self.add(unit);
        steps
    }

    /// Cuts what silence has completed at `now`.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<Step> {
        let mut steps = Vec::new();
        let silent_for = now.saturating_sub(self.touched);
        if silent_for >= SILENCE {
            self.flush(None, &mut steps);
        }
        if silent_for >= self.file_length && self.file.is_some() {
            self.end(&mut steps);
        }
        steps
    }

    /// Cuts what is pending, and ends the file.
    pub(super) fn finish(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.end(&mut steps);
        steps
    }

    /// Forgets the file and what is pending, and waits for a key frame. Returns the number of groups that began in what is lost.
    pub(super) fn abandon(&mut self) -> u64 {
        self.file = None;
        self.pending_bytes = 0;
        let lost = self.pending.drain(..);
        lost.filter(|unit| unit.is_key).count() as u64
    }

    /// The number of groups since the last call that lost units, because their times or their order permit no recording.
    pub(super) fn take_lost_groups(&mut self) -> u64 {
        std::mem::take(&mut self.lost_groups)
    }

    /// Whether units are dropped until a key frame comes.
    pub(super) fn waits_for_key(&self) -> bool {
        self.file.is_none()
    }

    /// Cuts before a unit that is shown after all so far, where a fragment or a file is complete.
    fn cut_before(&mut self, unit: &CodedUnit, steps: &mut Vec<Step>) {
        let Some(file) = &mut self.file else { return };
        let has_stepped = file.before.steps_to(&Times::of(unit));
        file.ends_at_key |= has_stepped;
        if unit.is_key && (file.ends_at_key || unit.arrival >= file.due) {
            let next = (!has_stepped).then_some(unit.pts_ns);
            self.flush(next, steps);
            return self.end(steps);
        }
        let first_pts_ns = self.pending.iter().map(|unit| unit.pts_ns).min();
        let length_ns = first_pts_ns.map_or(0, |first| unit.pts_ns.saturating_sub(first));
        let is_full = Duration::from_nanos(length_ns) >= FRAGMENT_LENGTH
            || self.pending_bytes >= FRAGMENT_BYTES;
        if unit.is_key || has_stepped || is_full {
            self.flush(Some(unit.pts_ns), steps);
        }
    }

    /// Ends the file where a unit that is shown before others can't belong to it.
    fn keep_order(&mut self, unit: &CodedUnit, steps: &mut Vec<Step>) {
        let Some(file) = &mut self.file else { return };
        file.ends_at_key |= file.before.steps_to(&Times::of(unit));
        let Some(first) = self.pending.first() else {
            // Silence, a gap or a loss came between it and those that are shown after it.
            self.lost_groups += u64::from(!unit.is_key);
            return self.end(steps);
        };
        let is_endless = self.pending_bytes >= GROUP_BYTES
            || self.pending.len() >= GROUP_UNITS
            || unit.arrival.saturating_sub(first.arrival) >= GROUP_LENGTH;
        // All units before a key frame are shown before it: its media time has stepped back.
        if unit.is_key || is_endless {
            self.lost_groups += u64::from(!unit.is_key);
            self.end(steps);
        }
    }

    fn add(&mut self, unit: CodedUnit) {
        let times = Times::of(&unit);
        match &mut self.file {
            Some(file) => {
                file.highest_pts_ns = file.highest_pts_ns.max(unit.pts_ns);
                file.before = times;
            }
            None if unit.is_key => {
                self.file = Some(FileSoFar {
                    session: unit.session,
                    format: unit.format.clone(),
                    due: self.due_after(unit.arrival),
                    ends_at_key: false,
                    has_fragments: false,
                    highest_pts_ns: unit.pts_ns,
                    before: times,
                });
            }
            None => return,
        }
        self.pending_bytes += unit.data.len();
        self.pending.push(unit);
    }

    /// The next end of files of this source. No file is shorter than a quarter of the usual length.
    fn due_after(&self, arrival: Duration) -> Duration {
        let length_ns = self.file_length.as_nanos().max(1);
        let earliest_ns = arrival.saturating_add(self.file_length / 4).as_nanos();
        let phase_ns = self.phase.as_nanos();
        let number = (earliest_ns.saturating_sub(phase_ns)).div_ceil(length_ns);
        let due_ns = phase_ns + number * length_ns;
        Duration::from_nanos(u64::try_from(due_ns).unwrap_or(u64::MAX))
    }

    fn flush(&mut self, next_pts_ns: Option<u64>, steps: &mut Vec<Step>) {
        let Some(file) = &mut self.file else { return };
        if self.pending.is_empty() {
            return;
        }
        self.pending_bytes = 0;
        steps.push(Step::Fragment(Cut {
            units: std::mem::take(&mut self.pending),
            next_pts_ns,
            begins_file: !file.has_fragments,
        }));
        file.has_fragments = true;
    }

    fn end(&mut self, steps: &mut Vec<Step>) {
        self.flush(None, steps);
        if self.file.take().is_some() {
            steps.push(Step::EndFile);
        }
    }
}

impl Times {
    fn of(unit: &CodedUnit) -> Self {
        let signed = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        Self {
            captured_ns: signed(unit.captured_unix),
            arrival_ns: signed(unit.arrival),
            pts_ns: i128::from(unit.pts_ns),
        }
    }

    /// Whether the clock of capture times stepped between this unit and `next`.
    ///
    /// Capture times follow the media time if they are the camera's, and the arrival if they are ours. After a jam of the network
    /// these two differ by its length, so a step is what differs from both.
    fn steps_to(&self, next: &Self) -> bool {
        let captured = next.captured_ns - self.captured_ns;
        let differs = |by: i128| (captured - by).abs() > CLOCK_STEP_NS;
        differs(next.arrival_ns - self.arrival_ns) && differs(next.pts_ns - self.pts_ns)
    }
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
