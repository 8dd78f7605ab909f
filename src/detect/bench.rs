//! Measures the speed of a detector: the latency of one picture, and the throughput with the largest useful batch.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::{DetectError, LoadedDetector, Picture, Thresholds};
use crate::base::{Letterbox, Size};

/// The result of a measurement. Times are those of the detector alone; the letterbox before it is the same for all
/// backends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Median duration of a call with one picture.
    pub median: Duration,
    /// 99th percentile of the duration of a call with one picture.
    pub p99: Duration,
    /// The batch size at which throughput was measured.
    pub batch: usize,
    /// Pictures per second.
    pub per_second: f64,
    /// CPU time of this process per elapsed time: the number of cores that were busy on average. A backend that waits for a GPU
    /// without sleeping uses a whole one.
    pub cores: f64,
}

/// Calls before the measurement: engines choose their algorithms during the first ones.
const WARM_UP: usize = 5;

/// Nothing in noise has this confidence, so the cost of detections is the same in all backends.
pub(super) const THRESHOLDS: Thresholds = Thresholds {
    confidence: 0.5,
    iou: 0.45,
};

/// A picture of noise, the same in each process.
pub(super) struct NoisePicture {
    size: Size,
    rgb: Vec<u8>,
}

impl NoisePicture {
    pub(super) fn new(size: Size) -> Self {
        let mut rgb = vec![0; 3 * size.width as usize * size.height as usize];
        fastrand::Rng::with_seed(1).fill(&mut rgb);
        Self { size, rgb }
    }

    pub(super) fn picture(&self) -> Picture<'_> {
        Picture {
            rgb: &self.rgb,
            letterbox: Letterbox::fit(self.size, self.size),
        }
    }
}

/// Runs `opened` on noise: `calls` times with one picture, and as often with a batch. Blocks.
///
/// # Errors
/// If the detector fails.
pub fn measure(opened: &mut LoadedDetector, calls: usize) -> Result<Measurement, DetectError> {
    let detector = &mut opened.detector;
    let batch = detector.max_batch().max(1);
    let noise = NoisePicture::new(detector.input_size());
    let pictures = vec![noise.picture(); batch];
    let mut run = |pictures: &[Picture<'_>]| {
        let started = Instant::now();
        detector
            .detect(pictures, THRESHOLDS)
            .map(|_| started.elapsed())
    };
    for _ in 0..WARM_UP {
        run(&pictures)?;
    }
    let (cpu_before, started) = (cpu_time(), Instant::now());
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        times.push(run(&pictures[..1])?);
    }
    let mut together = Duration::ZERO;
    for _ in 0..calls {
        together += run(&pictures)?;
    }
    let cpu = cpu_time().saturating_sub(cpu_before);
    let cores = cpu.as_secs_f64() / started.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
    times.sort_unstable();
    Ok(Measurement {
        median: quantile(&times, 0.5),
        p99: quantile(&times, 0.99),
        batch,
        per_second: (calls * batch) as f64 / together.as_secs_f64().max(f64::MIN_POSITIVE),
        cores,
    })
}

/// CPU time of all threads of this process, in user space and in the kernel.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The smallest of the sorted `times` that is not exceeded by the share `part` of them.
pub(super) fn quantile(times: &[Duration], part: f64) -> Duration {
    let rank = (part * times.len() as f64).ceil() as usize;
    let place = rank.saturating_sub(1).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.5), Duration::from_millis(100));
        assert_eq!(quantile(&times, 0.99), Duration::from_millis(198));
        assert_eq!(quantile(&times[..1], 0.99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
