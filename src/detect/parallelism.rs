//! How many instances of a network work at once, and with how many threads each.

use std::thread::available_parallelism;

/// Lanes of TensorRT. A GPU runs one inference at a time: while it does, the other lanes prepare their pictures, which takes
/// about as long as the inference. A fourth lane would take the memory of another context and would wait.
const GPU_LANES: usize = 3;

/// The wanted parallelism. Absent values are chosen by the backend and the number of cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parallelism {
    /// The number of threads of the engine, of all lanes together. Absent: the number of cores.
    pub threads: Option<usize>,
    /// The number of instances of the network, each with a thread of its own. Absent: 3 with TensorRT, fewer on a machine
    /// with fewer than 3 cores; on a CPU 1 for one source, and for several the number that infers the most pictures.
    pub lanes: Option<usize>,
    /// Whether several sources share the lanes. A source has one frame at a time in them, so one alone gets all threads.
    pub has_many_sources: bool,
}

impl Parallelism {
    /// The number of lanes on a GPU.
    pub(super) fn gpu_lanes(self) -> usize {
        self.lanes.unwrap_or_else(|| GPU_LANES.min(cores())).max(1)
    }

    /// The threads of all lanes on a CPU.
    pub(super) fn cpu_threads(self) -> usize {
        self.threads.unwrap_or_else(cores).max(1)
    }

    /// The number of lanes on a CPU; none if it is to be measured.
    pub(super) fn cpu_lanes(self) -> Option<usize> {
        match self.lanes {
            None if self.has_many_sources && self.cpu_threads() > 1 => None,
            lanes => Some(lanes.unwrap_or(1).max(1)),
        }
    }
}

/// The threads of each of `lanes` lanes, which share `threads`. Each has one at least.
pub(super) fn threads_of(threads: usize, lanes: usize) -> Vec<usize> {
    let of_lane = |lane| threads / lanes + usize::from(lane < threads % lanes);
    (0..lanes).map(|lane| of_lane(lane).max(1)).collect()
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_the_threads() {
        assert_eq!(threads_of(4, 1), [4]);
        assert_eq!(threads_of(4, 2), [2, 2]);
        assert_eq!(threads_of(5, 3), [2, 2, 1]);
        assert_eq!(threads_of(1, 3), [1, 1, 1]);
    }

    #[test]
    fn lanes_are_measured_for_several_sources_and_threads_only() {
        let lanes = |threads, lanes, has_many_sources| {
            Parallelism {
                threads: Some(threads),
                lanes,
                has_many_sources,
            }
            .cpu_lanes()
        };
        assert_eq!(lanes(4, None, true), None);
        assert_eq!(lanes(4, None, false), Some(1));
        assert_eq!(lanes(1, None, true), Some(1));
        assert_eq!(lanes(4, Some(2), true), Some(2));
        assert_eq!(lanes(4, Some(2), false), Some(2));
    }
}
