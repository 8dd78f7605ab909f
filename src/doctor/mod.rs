//! What this machine can do, on one page: the beginning of a call for support.
//!
//! Each part of the machine is a check: a function of facts that are read below a root, so that tests can lay out
//! other machines. All run side by side, each within a limit. Those that touch drivers or vendors' libraries run in a process
//! of their own (`apart`): one that crashes is a fault of its section, and a thread that hangs in the kernel would keep its
//! process from ending. The bundle (`bundle`) packs the page with logs and settings, and everything in it goes
//! through one redaction (`redact`).

mod apart;
mod archive;
mod board;
mod broker;
mod bundle;
mod cameras;
mod check;
mod clock;
mod command;
mod decoders;
mod displays;
mod examine;
mod heat;
mod l4t;
mod logs;
mod memory;
mod models;
mod page;
mod patient;
mod peers;
mod place;
mod power;
mod redact;
mod report;
mod roles;
mod secrets;
mod settings;
mod spelling;
mod status;
mod storage;
mod systemd;
mod tensorrt;
mod wear;

use std::time::Duration;

use check::{Check, check};

pub use apart::run_check;
pub use bundle::{BundleError, check_target, write_bundle};
pub use examine::examine;
pub use page::page;
pub use patient::{Options, Patient};
pub use report::{Line, Report, Section, State, schema_json};

const SHORT: Duration = Duration::from_secs(10);

/// Every check, in the order of the page. None may take longer than a minute, and they run side by side; only the small engine
/// of `--tensorrt` has more time ([`Check::limit_for`]).
const CHECKS: [Check; 14] = [
    check("board", "Board", SHORT, false, board::look),
    check("memory", "Memory", SHORT, false, memory::look),
    check("heat", "Temperatures and power", SHORT, true, heat::look),
    check(
        "storage",
        "Disk",
        Duration::from_secs(20),
        true,
        storage::look,
    ),
    check(
        "decoders",
        "Decoders",
        Duration::from_secs(50),
        true,
        decoders::look,
    ),
    check(
        "tensorrt",
        "CUDA and TensorRT",
        Duration::from_secs(30),
        true,
        tensorrt::look,
    ),
    check(
        "models",
        "Models and engines",
        Duration::from_secs(50),
        true,
        models::look,
    ),
    check(
        "displays",
        "Displays",
        Duration::from_secs(20),
        true,
        displays::look,
    ),
    check(
        "cameras",
        "V4L2 cameras",
        Duration::from_secs(20),
        true,
        cameras::look,
    ),
    check(
        "configuration",
        "Configuration",
        SHORT,
        false,
        settings::look,
    ),
    check(
        "broker",
        "Broker",
        Duration::from_secs(40),
        false,
        broker::look,
    ),
    check("clock", "Clock", SHORT, false, clock::look),
    check(
        "systemd",
        "systemd and watchdogs",
        Duration::from_secs(15),
        false,
        systemd::look,
    ),
    check(
        "roles",
        "Running processors and walls",
        Duration::from_secs(15),
        false,
        roles::look,
    ),
];
