//! The doctor examines this machine and reports its abilities and faults: the first step of a support call.
//!
//! Each section of the report is one check. Checks read files below a root directory, so that tests can describe other
//! machines as file trees (`machines.txt`, with the expected lines). All checks run at the same time, each with a time limit. Checks that open drivers or vendor libraries run
//! in separate processes (`subprocess`), because a crash must cost one section only, and because a thread that hangs in the kernel would keep
//! its process from ending.

mod board;
mod broker;
mod cameras;
mod check;
mod clock;
pub(crate) mod command;
mod configuration;
mod decoders;
mod displays;
mod examine;
mod file_tree;
#[cfg(test)]
pub(crate) mod fixture;
mod flash_wear;
mod l4t;
mod machine;
mod memory;
mod models;
mod nvcodec;
mod page;
mod peer_clocks;
mod power;
mod recordings;
mod report;
mod role_summary;
pub(crate) mod roles;
mod storage;
mod subprocess;
mod systemd;
mod tensorrt;
mod thermal;

use board::Kind;
use check::{Check, Emit};
use file_tree::FileTree;

pub use examine::examine;
pub use machine::{Machine, Options};
pub use page::page;
pub use report::{Line, Report, Section, State, schema_json};
pub use subprocess::run_check;

/// All checks in the order of the report, with their limits in seconds. None may take longer than a minute, and they run at the same
/// time. Only the small engine of `--tensorrt` has more time ([`Check::limit_for`]).
const CHECKS: [Check; 15] = [
    Check::new("board", "Board", 10, board::check),
    Check::new("memory", "Memory", 10, memory::check),
    Check::new("heat", "Temperatures and power", 10, thermal::check).in_subprocess(),
    Check::new("storage", "Disk", 20, storage::check).in_subprocess(),
    Check::new("recordings", "Recordings", 20, recordings::check).in_subprocess(),
    Check::new("decoders", "Decoders", 50, decoders::check).in_subprocess(),
    Check::new("tensorrt", "CUDA and TensorRT", 30, tensorrt::check).in_subprocess(),
    Check::new("models", "Models and engines", 50, models::check).in_subprocess(),
    Check::new("displays", "Displays", 20, displays::check).in_subprocess(),
    Check::new("cameras", "V4L2 cameras", 20, cameras::check).in_subprocess(),
    Check::new("configuration", "Configuration", 10, configuration::check),
    Check::new("broker", "Broker", 40, broker::check),
    Check::new("clock", "Clock", 10, clock::check),
    Check::new("systemd", "systemd and watchdogs", 15, systemd::check),
    Check::new("roles", "Running processors and walls", 15, roles::check),
];
