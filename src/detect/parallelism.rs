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
    /// with fewer than 3 cores, and 1 with the other backends.
    pub lanes: Option<usize>,
}

impl Parallelism {
    /// The number of lanes on a GPU.
    pub(super) fn gpu_lanes(self) -> usize {
        self.lanes.unwrap_or_else(|| GPU_LANES.min(cores())).max(1)
    }

    /// The threads of each lane on a CPU. Each has one at least.
    pub(super) fn threads_of_lanes(self) -> Vec<usize> {
        let threads = self.threads.unwrap_or_else(cores);
        let lanes = self.lanes.unwrap_or(1).max(1);
        let of_lane = |lane| threads / lanes + usize::from(lane < threads % lanes);
        (0..lanes).map(|lane| of_lane(lane).max(1)).collect()
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_the_threads() {
        let threads = |threads, lanes| {
            Parallelism {
                threads: Some(threads),
                lanes,
            }
            .threads_of_lanes()
        };
        assert_eq!(threads(4, None), [4]);
        assert_eq!(threads(4, Some(2)), [2, 2]);
        assert_eq!(threads(5, Some(3)), [2, 2, 1]);
        assert_eq!(threads(1, Some(3)), [1, 1, 1]);
    }
}
