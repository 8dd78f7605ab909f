//! The processor: sources, detector, trackers and publisher, wired together and kept running.

mod rate;
