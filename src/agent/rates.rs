//! The inference rates that were measured on this box, kept over restarts.
//!
//! A processor tells how long its detection thread worked and how many frames it finished in that time. Frames by working time
//! is the rate that the thread would reach without a pause, whatever rate the cameras have now. Three rules keep it from being
//! too low, because a document would be refused wrongly then:
//!
//! - Only batches of the largest useful size count, as a busy detector has them.
//! - Only spans count in which the thread worked at least half of the time: with less, processors and GPUs lower their clocks.
//! - The best span counts. Other programs may slow down one of them, and none makes the detector faster than it is.
//!
//! A rate may be too high after the machine was made slower, by another power mode for example; it is forgotten with the next
//! version of the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::info;

use super::state_dir;
use crate::control::{DetectorStatus, DetectorWork};
use crate::fleet::InferenceRate;

/// What the file has, in the log.
const MEASURED: &str = "the measured inference rates";
/// The name of the file.
const RATES_FILE: &str = "inference-rates.json";
/// Minimum number of frames of a span: single frames vary.
const FRAMES: u64 = 20;
/// Minimum working time of a span.
const WORK: Duration = Duration::from_secs(1);
/// Longest span: at a higher load a new one begins.
const SPAN: Duration = Duration::from_secs(60);
/// A better rate is taken over, saved and published only if it is better by this factor: flash wears out.
const BETTER: f64 = 1.1;

/// What is saved.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// The version of the program that measured.
    version: String,
    rates: Vec<InferenceRate>,
}

/// The rates of this box.
#[derive(Debug)]
pub(super) struct Rates {
    path: PathBuf,
    /// By model and backend, in frames per second.
    best: BTreeMap<(String, String), f64>,
    span: Option<Span>,
}

/// The span that is measured.
#[derive(Debug)]
struct Span {
    model: String,
    backend: String,
    begun: Duration,
    before: DetectorWork,
}

impl Rates {
    /// Those that this version of the program has measured before.
    pub(super) fn open(state_dir: &Path) -> Self {
        let path = state_dir.join(RATES_FILE);
        let saved: Saved = state_dir::read_json(&path, MEASURED);
        let rates = saved.rates.into_iter();
        let is_valid = |rate: &InferenceRate| rate.fps.is_finite() && rate.fps > 0.0;
        Self {
            best: match saved.version == env!("CARGO_PKG_VERSION") {
                true => rates
                    .filter(is_valid)
                    .map(|rate| ((rate.model, rate.backend), rate.fps))
                    .collect(),
                false => BTreeMap::new(),
            },
            path,
            span: None,
        }
    }

    /// The rates, for the capabilities.
    pub(super) fn list(&self) -> Vec<InferenceRate> {
        let rate = |((model, backend), fps): (&(String, String), &f64)| InferenceRate {
            model: model.clone(),
            backend: backend.clone(),
            fps: *fps,
        };
        self.best.iter().map(rate).collect()
    }

    /// Takes the status of the detector at `now`. True if a rate has changed; it is saved then.
    pub(super) fn note(&mut self, detector: &DetectorStatus, now: Duration) -> bool {
        let work = detector.work;
        let fresh = Span {
            model: detector.model.clone(),
            backend: detector.backend.clone(),
            begun: now,
            before: work,
        };
        let Some(span) = self.span.take() else {
            self.span = Some(fresh);
            return false;
        };
        let is_same = (&span.model, &span.backend) == (&fresh.model, &fresh.backend);
        let delta = since(work, span.before).filter(|_| is_same);
        let Some(delta) = delta else {
            // Another detector, or another process.
            self.span = Some(fresh);
            return false;
        };
        let lasted = now.saturating_sub(span.begun);
        let worked = Duration::from_micros(delta.full_us);
        if delta.full_frames < FRAMES || worked < WORK {
            self.span = Some(if lasted < SPAN { span } else { fresh });
            return false;
        }
        self.span = Some(fresh);
        let is_busy = Duration::from_micros(delta.busy_us) * 2 >= lasted;
        is_busy && self.take(span.model, span.backend, delta)
    }

    fn take(&mut self, model: String, backend: String, delta: DetectorWork) -> bool {
        let fps = delta.full_frames as f64 * 1e6 / delta.full_us as f64;
        // More digits would be noise.
        let fps = (fps * 10.0).round() / 10.0;
        let key = (model, backend);
        if fps <= 0.0 || self.best.get(&key).is_some_and(|best| fps < best * BETTER) {
            return false;
        }
        let (model, backend) = &key;
        info!(model, backend, fps, "measured the inference rate");
        self.best.insert(key, fps);
        self.save();
        true
    }

    fn save(&self) {
        let saved = Saved {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rates: self.list(),
        };
        state_dir::save_json(&self.path, &saved, MEASURED);
    }
}

/// The work between two statuses; `None` if the counters began again between them.
fn since(now: DetectorWork, before: DetectorWork) -> Option<DetectorWork> {
    Some(DetectorWork {
        busy_us: now.busy_us.checked_sub(before.busy_us)?,
        full_frames: now.full_frames.checked_sub(before.full_frames)?,
        full_us: now.full_us.checked_sub(before.full_us)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn status(backend: &str, busy_us: u64, full_frames: u64, full_us: u64) -> DetectorStatus {
        DetectorStatus {
            model: "yolov8n-640".to_owned(),
            backend: backend.to_owned(),
            classes: 80,
            work: DetectorWork {
                busy_us,
                full_frames,
                full_us,
            },
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fps(rates: &Rates) -> Vec<f64> {
        rates.list().into_iter().map(|rate| rate.fps).collect()
    }

    #[test]
    fn the_rate_is_frames_by_working_time_and_lasts() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut rates = Rates::open(dir.path());
        assert!(!rates.note(&status("rten", 7, 3, 7), seconds(100)));
        // 24 frames in 6 s of work within 8 s: 4 frames per second, not 3.
        let worked = status("rten", 7 + 6 * SECOND, 27, 7 + 6 * SECOND);
        assert!(rates.note(&worked, seconds(108)));
        assert_eq!(fps(&rates), [4.0]);
        let again = Rates::open(dir.path());
        assert_eq!(again.list(), rates.list());
        assert_eq!(again.list()[0].backend, "rten");
    }

    #[test]
    fn the_best_rate_counts_and_small_changes_do_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut rates = Rates::open(dir.path());
        let (mut work, mut at) = (DetectorWork::default(), 0);
        let mut measured = |frames: u64, us: u64| {
            work.busy_us += us;
            work.full_frames += frames;
            work.full_us += us;
            at += 5;
            let told = status("rten", work.busy_us, work.full_frames, work.full_us);
            (rates.note(&told, seconds(at)), fps(&rates))
        };
        measured(0, 0);
        assert_eq!(measured(100, 5 * SECOND), (true, vec![20.0]));
        // Disturbed by another program, then a little better, then much better.
        assert_eq!(measured(50, 5 * SECOND), (false, vec![20.0]));
        assert_eq!(measured(105, 5 * SECOND), (false, vec![20.0]));
        assert_eq!(measured(125, 5 * SECOND), (true, vec![25.0]));
    }

    #[test]
    fn idle_spans_other_detectors_and_restarts_measure_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut rates = Rates::open(dir.path());
        rates.note(&status("rten", 0, 0, 0), seconds(0));
        // 2 s of work within 5 s: the clocks may be low.
        let idle = status("rten", 2 * SECOND, 40, 2 * SECOND);
        assert!(!rates.note(&idle, seconds(5)));
        let other = status("tensorrt", 9 * SECOND, 400, 9 * SECOND);
        assert!(!rates.note(&other, seconds(10)));
        assert!(!rates.note(&status("tensorrt", 0, 0, 0), seconds(15)));
        // Busy, but with batches that are not full.
        let single = status("tensorrt", 5 * SECOND, 0, 0);
        assert!(!rates.note(&single, seconds(20)));
        assert_eq!(fps(&rates), Vec::<f64>::new());
    }

    #[test]
    fn rates_of_another_version_are_forgotten_and_damage_is_survived() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(RATES_FILE);
        for text in [
            r#"{"version": "0.0.1", "rates": [{"model": "a", "backend": "rten", "fps": 4.0}]}"#,
            "{",
        ] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(fps(&Rates::open(dir.path())), Vec::<f64>::new(), "{text}");
        }
    }
}
