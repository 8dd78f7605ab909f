//! Compares whole programs with the sum of their parts or with GStreamer. All parts run in turn on the same machine, so that its
//! speed and load cancel out.
//!
//! `processor`: decoding, detection and both together. `wall`: decoding, a wall, and the same arrangement with GStreamer's
//! elements. `glass`: glass-to-glass latency, from the capture time of a camera to the scene of a wall.
//! `changes`: the rate of untouched cameras while others come and go. Prints ratios and times with their limits.
//! `cargo bench --bench pipeline -- wall` runs one part.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark ends where a part of it is missing"
)]

mod cameras;
mod changes;
mod engine;
mod glass;
mod process;
mod processor;
mod table;
mod wall;

const PARTS: [(&str, fn()); 4] = [
    ("processor", processor::compare),
    ("wall", wall::compare),
    ("glass", glass::measure),
    ("changes", changes::compare),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("engine") {
        return engine::run(arguments);
    }
    // `cargo bench` says --bench; a name filters benchmarks: this program's own means all parts.
    let filter = first.filter(|word| !word.starts_with('-') && !"pipeline".contains(&**word));
    for (name, part) in PARTS {
        if filter
            .as_ref()
            .is_none_or(|wanted| name.contains(&**wanted))
        {
            println!("\n== {name}");
            part();
        }
    }
}
