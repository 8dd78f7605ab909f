//! What this machine can do, on one page: the beginning of a call for support.
//!
//! Each part of the machine is a check: a function of facts that are read below a root, so that tests can lay out
//! other machines. All run side by side, each within a limit. Those that touch drivers or vendors' libraries run in a process
//! of their own (`subprocess`): one that crashes is a fault of its section, and a thread that hangs in the kernel would keep its
//! process from ending. The bundle (`bundle`) packs the page with logs and settings, and everything in it goes
//! through one redaction (`redact`).

mod archive;
mod board;
mod broker;
mod bundle;
mod cameras;
mod check;
mod clock;
mod command;
mod configuration;
mod decoders;
mod displays;
mod examine;
mod file_tree;
mod flash_wear;
mod l4t;
mod logs;
mod machine;
mod memory;
mod models;
mod page;
mod peer_clocks;
mod power;
mod redact;
mod report;
mod role_summary;
mod roles;
mod secret_patterns;
mod secrets;
mod storage;
mod subprocess;
mod systemd;
mod tensorrt;
mod thermal;

use std::time::Duration;

use check::{Check, check};

pub use bundle::{BundleError, check_target, write_bundle};
pub use examine::examine;
pub use machine::{Machine, Options};
pub use page::page;
pub use report::{Line, Report, Section, State, schema_json};
pub use subprocess::run_check;

const SHORT: Duration = Duration::from_secs(10);

/// Every check, in the order of the page. None may take longer than a minute, and they run side by side; only the small engine
/// of `--tensorrt` has more time ([`Check::limit_for`]).
const CHECKS: [Check; 14] = [
    check("board", "Board", SHORT, false, board::check),
    check("memory", "Memory", SHORT, false, memory::check),
    check(
        "heat",
        "Temperatures and power",
        SHORT,
        true,
        thermal::check,
    ),
    check(
        "storage",
        "Disk",
        Duration::from_secs(20),
        true,
        storage::check,
    ),
    check(
        "decoders",
        "Decoders",
        Duration::from_secs(50),
        true,
        decoders::check,
    ),
    check(
        "tensorrt",
        "CUDA and TensorRT",
        Duration::from_secs(30),
        true,
        tensorrt::check,
    ),
    check(
        "models",
        "Models and engines",
        Duration::from_secs(50),
        true,
        models::check,
    ),
    check(
        "displays",
        "Displays",
        Duration::from_secs(20),
        true,
        displays::check,
    ),
    check(
        "cameras",
        "V4L2 cameras",
        Duration::from_secs(20),
        true,
        cameras::check,
    ),
    check(
        "configuration",
        "Configuration",
        SHORT,
        false,
        configuration::check,
    ),
    check(
        "broker",
        "Broker",
        Duration::from_secs(40),
        false,
        broker::check,
    ),
    check("clock", "Clock", SHORT, false, clock::check),
    check(
        "systemd",
        "systemd and watchdogs",
        Duration::from_secs(15),
        false,
        systemd::check,
    ),
    check(
        "roles",
        "Running processors and walls",
        Duration::from_secs(15),
        false,
        roles::check,
    ),
];
