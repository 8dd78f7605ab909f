//! Compares whole programs with the sum of their parts or with GStreamer. All parts run in turn on the same machine, so that its
//! speed and load cancel out.
//!
//! `processor`: decoding, detection and both together. `wall`: decoding, a wall, and the same arrangement with GStreamer's
//! elements. `glass`: glass-to-glass latency, from the capture time of a camera to the scene of a wall.
//! `changes`: the rate of untouched cameras while others come and go. `recording-cost`: a processor that records, compared with
//! receiving the streams and with other recorders. `recording-seek`: the time to the first picture of a seek in a day of recordings.
//! `recording-latency`: glass-to-glass latency beside a recorder. Prints ratios and times with their limits.
//! `cargo bench --bench pipeline -- wall` runs one part, `recording` the three of that name.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark ends where a part of it is missing"
)]

mod cameras;
mod changes;
mod day;
mod engine;
mod glass;
mod process;
mod processor;
mod recording;
mod seek;
mod table;
mod wall;

const PARTS: [(&str, fn()); 7] = [
    ("processor", processor::compare),
    ("wall", wall::compare),
    ("glass", glass::measure),
    ("changes", changes::compare),
    ("recording-cost", recording::compare),
    ("recording-seek", seek::measure),
    ("recording-latency", glass::measure_beside_recorder),
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
